"""bin/quazzar-sendmail as the process that cron starts: nothing in its environment, a symlink, a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mailrelay.sendmail.installation import CRON, ROOT, Installation

pytestmark = pytest.mark.slow


def test_a_cron_mail_is_in_the_queue_sealed(node: Installation) -> None:
    done = node.send("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (row,) = node.rows()
    assert (row["source"], row["status"], row["subject"]) == ("sendmail", "queued", "Cron")
    assert json.loads(row["recipients"]) == [{"address": "ops@example.com", "status": "pending"}]
    assert b"all good" not in row["body"]
    assert b"From: Cron Daemon <node@example.org>\nTo: root <ops@example.com>\n" in node.written(row)


_ELSEWHERE = """
set -e
hostname node7.lan.example.net
printf '127.0.0.1 localhost\n127.0.1.1 node7.lan.example.net node7\n' > "$1"
mount --bind "$1" /etc/hosts
exec "$2" -f root@node7.lan.example.net root@node7.lan.example.net root@node8.lan.example.net
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another host name")
def test_the_full_host_name_is_this_node_as_fail2ban_writes_it(node: Installation, tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "-m", "-u", "sh", "-c", _ELSEWHERE, "sh", str(tmp_path / "hosts"), str(node.link)],
        input=b"From: Fail2Ban <root@node7.lan.example.net>\nTo: root@localhost\nSubject: banned\n\nHi\n",
        capture_output=True,
        env=node.env,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (row,) = node.rows()
    assert row["envelope_sender"] == "node@example.org"
    assert [each["address"] for each in json.loads(row["recipients"])] == [
        "ops@example.com",
        "root@node8.lan.example.net",
    ]
    assert b"From: Fail2Ban <node@example.org>\nTo: root <ops@example.com>\n" in node.written(row)


def test_a_broker_that_cannot_be_reached_changes_nothing(node: Installation) -> None:
    done = node.send("root", REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(node.rows()) == 1


def test_a_wrong_option_is_one_line(node: Installation) -> None:
    done = node.send("-bs")
    assert (done.returncode, done.stdout) == (os.EX_USAGE, b"")
    assert done.stderr.startswith(b"sendmail: -bs is not supported")


def test_a_closed_standard_input_is_a_sentence(node: Installation) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" root <&-', str(node.link)],
        env=node.env,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (os.EX_NOINPUT, 1)


def test_a_database_that_cannot_be_reached_is_temporary(node: Installation) -> None:
    done = node.send("root", DATABASE_URL="postgres://nobody:secret-word@127.0.0.1:1/none")
    assert (done.returncode, done.stderr.count(b"\n")) == (os.EX_TEMPFAIL, 1)
    assert b"Try again later" in done.stderr
    assert b"secret-word" not in done.stderr


def test_a_product_that_was_never_set_up_says_what_to_do(node: Installation, tmp_path: Path) -> None:
    done = node.send("root", QUAZZAR_DATA_DIR=str(tmp_path / "none"))
    assert done.returncode == os.EX_CONFIG
    assert b"make run" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_database_without_tables_says_what_to_do(node: Installation, tmp_path: Path) -> None:
    done = node.send("root", QUAZZAR_DATA_DIR=str(tmp_path))
    assert (done.returncode, done.stderr.count(b"\n")) == (os.EX_CONFIG, 1)
    assert b"make run" in done.stderr


def test_a_setting_that_is_wrong_is_a_sentence(node: Installation) -> None:
    done = node.send("root", DEBUG="perhaps")
    assert (done.returncode, done.stderr.count(b"\n")) == (os.EX_CONFIG, 1)
    assert b"DEBUG" in done.stderr


def test_an_error_of_our_own_is_no_traceback(node: Installation) -> None:
    done = node.send("root", DJANGO_SETTINGS_MODULE="no.such.module")
    assert (done.returncode, done.stderr.count(b"\n")) == (os.EX_SOFTWARE, 1)


def test_a_module_in_the_callers_folder_is_not_loaded(node: Installation) -> None:
    trap = node.link.parent / "mailrelay.py"
    trap.write_text("raise SystemExit('trapped')")
    try:
        assert node.send("root").returncode == 0
    finally:
        trap.unlink()


def test_a_checkout_that_was_not_installed_says_so(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "quazzar-sendmail"
    script.parent.mkdir()
    shutil.copy(ROOT / "bin" / "quazzar-sendmail", script)
    done = subprocess.run([str(script), "root"], input=CRON, capture_output=True, timeout=60, check=False)
    assert done.returncode == os.EX_CONFIG
    assert b"make run" in done.stderr


# --- users -------------------------------------------------------------------------------------------------
NOBODY = 65534


def reachable(file: Path) -> bool:
    """Whether any user may use it."""
    return file.exists() and all(folder.stat().st_mode & 0o001 for folder in file.resolve().parents)


# The virtual environment's Python may be in root's own folder; the system's of the same version is as good.
SYSTEM_PYTHON = Path("/usr/bin/python{}.{}".format(*sys.version_info))
PYTHON = next(filter(reachable, [Path(sys.executable), SYSTEM_PYTHON]), None)
other_users = pytest.mark.skipif(
    os.geteuid() != 0 or PYTHON is None or not reachable(Path(__file__)),
    reason="only root can become another user, and that one must reach Python and the checkout",
)


@pytest.fixture
def shared(node: Installation) -> Iterator[Installation]:
    """The same, where other users can see that it is there."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copytree(node.data, data := place / "data")
        (link := place / "sendmail").write_text(
            f'#!/bin/sh\nexec {PYTHON} -P -B -m mailrelay.sendmail.program "$@"\n'
        )
        link.chmod(0o755)
        env = {
            "QUAZZAR_DATA_DIR": str(data),
            "QUAZZAR_SECRETS_KEY_FILE": str(data / "secrets.key"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")]),
        }
        yield Installation(data, link, {**node.env, **env})


@other_users
def test_root_acts_as_the_user_who_runs_the_product(shared: Installation) -> None:
    for path in [shared.data, *shared.data.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    done = shared.send("root")
    assert (done.returncode, done.stderr, len(shared.rows())) == (0, b"", 1)
    assert {path.stat().st_uid for path in shared.data.rglob("*")} == {NOBODY}


@other_users
def test_another_user_reads_that_it_is_not_allowed(shared: Installation) -> None:
    done = shared.send("root", user=NOBODY)
    assert (done.returncode, done.stderr.count(b"\n")) == (os.EX_NOPERM, 1)
    assert str(shared.data).encode() in done.stderr
    assert b"Run this as root" in done.stderr
