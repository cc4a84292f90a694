"""Where the stack's IMAP may be, from where this process runs."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest

from mailboxes.certificates import pem
from mailboxes.own import places
from tests.mailboxes import factories

HOST = "mail.example.com"


@pytest.fixture(autouse=True)
def outside(db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    factories.stack(hostname=HOST)
    monkeypatch.setattr(places, "_IN_A_CONTAINER", ())
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    settings.QUAZZAR_STACK_BIND = "0.0.0.0"


@pytest.mark.parametrize(
    ("docker_host", "bind", "found"),
    [
        ("", "0.0.0.0", ["127.0.0.1", HOST]),
        ("unix:///run/docker.sock", "", ["127.0.0.1", HOST]),
        ("tcp://docker.example.net:2376", "", ["docker.example.net", "127.0.0.1", HOST]),
        ("ssh://root@docker.example.net", "", ["docker.example.net", "127.0.0.1", HOST]),
        ("", "192.0.2.7", ["192.0.2.7", "127.0.0.1", HOST]),
        ("", "127.0.0.1", ["127.0.0.1", HOST]),
    ],
)
def test_the_likeliest_place_comes_first(
    docker_host: str, bind: str, found: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    settings.QUAZZAR_STACK_BIND = bind
    assert places.hosts() == found


def test_a_container_reaches_its_machine_by_the_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    routes = tmp_path / "route"
    routes.write_text(
        "Iface\tDestination\tGateway\tFlags\neth0\t000011AC\t00000000\t0001\neth0\t00000000\t010011AC\t0003\n"
    )
    monkeypatch.setattr(places, "_IN_A_CONTAINER", (tmp_path,))
    monkeypatch.setattr(places, "_ROUTES", routes)
    assert places.hosts() == ["127.0.0.1", "172.17.0.1", HOST]
    routes.write_text("Iface\n")
    assert places.hosts() == ["127.0.0.1", HOST]


def test_the_port_moves_with_the_others(settings: Any) -> None:
    settings.QUAZZAR_STACK_PORT_OFFSET = 20_000
    assert places.port() == 20_993


def test_the_fingerprint_is_that_of_the_first_certificate() -> None:
    first, second = pem.self_signed(HOST)[0], pem.self_signed(HOST)[0]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()
    assert places.fingerprint(first + second) == digest
    assert places.fingerprint("") == places.fingerprint("no certificate") == ""
