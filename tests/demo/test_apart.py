"""The demo is apart: from production, from the person's own settings and data, and from other machines."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client

from demo import environment, loopback
from tests.quazzar.nodes import ROOT

_APPS = ("quazzar", "mailrelay", "mailboxes", "dnsrecords")


def test_outside_of_the_demo_there_is_no_page_of_captured_mail(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("ada", password="open-sesame-42"))
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/captured/").status_code == 404
    assert "demo" not in settings.INSTALLED_APPS
    assert render_to_string("quazzar/_banner.html").strip() == ""


@pytest.mark.slow
def test_the_product_knows_nothing_of_the_demo() -> None:
    named = [
        str(path)
        for app in _APPS
        for path in (ROOT / app).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "demo" in {getattr(node, "module", None), *(alias.name for alias in node.names)}
    ]
    assert not named


@pytest.mark.slow
def test_its_settings_refuse_a_data_dir_that_no_demo_made(tmp_path: Path) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        env = environment.of(tmp_path, os.environ, port=8010, nameserver="127.0.0.1:9", relay_port=9)
        argv = [sys.executable, "-c", "import django; django.setup()"]
        return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    refused = check()
    assert refused.returncode == 1
    assert "demo.settings is only for make demo" in refused.stderr
    environment.prepare(tmp_path, keep=False)
    assert check().returncode == 0


def test_its_processes_get_nothing_of_what_the_operator_has_set(tmp_path: Path) -> None:
    own = {"DATABASE_URL": "postgres://own", "QUAZZAR_LICENSE_PUBLIC_KEY": "own", "SECRET_KEY_FILE": "/own",
           "DOCKER_HOST": "tcp://own", "DJANGO_SETTINGS_MODULE": "quazzar.settings", "HOME": "/home/ada"}  # fmt: skip
    env = environment.of(tmp_path, own, port=8010, nameserver="127.0.0.1:5300", relay_port=2525)
    assert {name: value for name, value in env.items() if value in own.values()} == {"HOME": "/home/ada"}
    assert env["DJANGO_SETTINGS_MODULE"] == "demo.settings"
    places = ("QUAZZAR_DATA_DIR", "QUAZZAR_SECRETS_KEY_FILE", "SSL_CERT_FILE")
    assert all(env[name].startswith(str(tmp_path)) for name in places)


def test_only_a_folder_of_its_own_is_emptied_and_only_if_it_is_not_kept(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "quazzar.sqlite3").write_text("mine")
    with pytest.raises(environment.NotADemo, match="left alone"):
        environment.prepare(theirs, keep=False)
    assert (theirs / "quazzar.sqlite3").exists()

    ours = tmp_path / "ours"
    assert environment.prepare(ours, keep=True)
    (ours / "quazzar.sqlite3").write_text("a visitor's")
    assert not environment.prepare(ours, keep=True)
    assert (ours / "quazzar.sqlite3").exists()
    assert environment.prepare(ours, keep=False)
    assert not (ours / "quazzar.sqlite3").exists()


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("127.8.8.8", True),
        ("192.0.2.1", False),
        ("mail.example.com", False),
    ],
)
def test_this_machine_is_told_from_others(host: str, is_here: bool) -> None:
    assert loopback.is_here(host) is is_here


_TRY = """
import socket, sys
from demo import loopback
loopback.stay(int(sys.argv[1]))
socket.create_connection((loopback.RELAY, loopback.RELAY_PORT), timeout=5).close()
for act in (
    lambda: socket.create_connection(("192.0.2.1", 25), timeout=5),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
    lambda: socket.getaddrinfo("smtp.example.com", 587),
):
    try:
        act()
    except OSError as exc:
        print(exc.strerror)
"""


def test_its_processes_reach_the_relay_and_no_other_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as relay:
        argv = [sys.executable, "-c", _TRY, str(relay.getsockname()[1])]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["this is a demo, and nothing leaves this machine"] * 3
