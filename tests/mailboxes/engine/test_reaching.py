"""Nobody answers, or not to us: each way has its sentence and its hint."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from mailboxes.engine import connect
from mailboxes.engine.client import Engine
from quazzar.errors import EngineTimeout, EngineUnreachable
from tests.mailboxes.engine.forwarding import Forwarder
from tests.rig import LOOPBACK, free_port
from tests.rig.ca import Certificate, CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.daemon import Daemon


def failure(host: str, monkeypatch: pytest.MonkeyPatch, timeout: float = 5) -> EngineUnreachable:
    """What the edge says when DOCKER_HOST is this."""
    monkeypatch.setenv("DOCKER_HOST", host)
    with Engine(timeout) as engine, pytest.raises(EngineUnreachable) as caught:
        engine.info()
    assert caught.value.hint
    assert caught.value.code == "docker_unreachable"
    return caught.value


def test_making_an_engine_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    connect.to_docker().close()


def test_whoever_never_asks_for_an_engine_does_not_load_docker() -> None:
    program = "import sys, mailboxes.engine.connect; sys.exit('docker' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


# --- nobody answers ----------------------------------------------------------------------------------------
def test_there_is_no_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = failure(f"unix://{tmp_path}/none.sock", monkeypatch)
    assert error.message == f"There is no Docker Engine at unix://{tmp_path}/none.sock."
    assert "Install" in error.hint


def test_a_socket_that_nobody_listens_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(f"{tmp_path}/old.sock")
    error = failure(f"unix://{tmp_path}/old.sock", monkeypatch)
    assert "does not answer" in error.message
    assert "systemctl start docker" in error.hint


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Path]:
    """A socket that we may not open, because for now we run as the user nobody."""
    path, before = tmp_path / "forbidden.sock", os.geteuid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        if before == 0:
            os.seteuid(65534)
        try:
            yield path
        finally:
            os.seteuid(before)


def test_a_socket_that_this_user_may_not_open_names_the_group(
    monkeypatch: pytest.MonkeyPatch, forbidden: Path
) -> None:
    error = failure(f"unix://{forbidden}", monkeypatch)
    assert "may not open the Docker Engine's socket" in error.message
    assert "group docker" in error.hint


def test_a_port_that_nobody_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    assert (
        f"tcp://127.0.0.1:{port} does not answer" in failure(f"tcp://127.0.0.1:{port}", monkeypatch).message
    )


@pytest.mark.slow
def test_somebody_who_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with Forwarder("") as silent:
        error = failure(f"tcp://127.0.0.1:{silent.port}", monkeypatch, timeout=0.5)
    assert "does not answer" in error.message


def test_somebody_who_is_no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(
            target=lambda: listener.accept()[0].sendall(b"220 mail ESMTP\r\n"), daemon=True
        ).start()
        error = failure(f"tcp://127.0.0.1:{listener.getsockname()[1]}", monkeypatch)
    assert "DOCKER_HOST" in error.hint


@pytest.mark.parametrize("host", ["ssh://root@example.org", "gopher://example.org", "tcp://", "nonsense"])
def test_a_docker_host_of_no_use(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert "DOCKER_HOST" in failure(host, monkeypatch).hint


def test_a_password_in_docker_host_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(f"tcp://admin:hunter22@127.0.0.1:{free_port()}", monkeypatch)
    assert "hunter22" not in f"{error.message} {error.hint}"


# --- TLS ---------------------------------------------------------------------------------------------------
@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "authority")


def with_certificates(monkeypatch: pytest.MonkeyPatch, authority: CertificateAuthority) -> Certificate:
    """DOCKER_CERT_PATH of somebody who trusts this authority; also a certificate for the other side."""
    issued = authority.issue()
    (authority.directory / "cert.pem").write_bytes(issued.cert_file.read_bytes())
    (authority.directory / "key.pem").write_bytes(issued.key_file.read_bytes())
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(authority.directory))
    return issued


def test_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    assert "DOCKER_CERT_PATH" in failure("tcp://127.0.0.1:2376", monkeypatch).hint


@pytest.mark.parametrize("kind", ["self_signed", "expired", "wrong_name"])
def test_a_certificate_that_is_not_right(
    monkeypatch: pytest.MonkeyPatch, authority: CertificateAuthority, kind: str
) -> None:
    with_certificates(monkeypatch, authority)
    with Forwarder("", getattr(authority, kind)()) as front:
        error = failure(f"tcp://127.0.0.1:{front.port}", monkeypatch)
    assert error.message.startswith("TLS with the Docker Engine at ")
    assert "DOCKER_CERT_PATH" in error.hint


def test_tls_with_somebody_who_speaks_none(
    monkeypatch: pytest.MonkeyPatch, authority: CertificateAuthority
) -> None:
    with_certificates(monkeypatch, authority)
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(
            target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 x\r\n"), daemon=True
        ).start()
        error = failure(f"tcp://127.0.0.1:{listener.getsockname()[1]}", monkeypatch)
    assert error.message.startswith("TLS with ")


@pytest.mark.real
def test_the_authority_of_docker_counts_whatever_requests_was_told(
    monkeypatch: pytest.MonkeyPatch, authority: CertificateAuthority, docker_socket: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CertificateAuthority(tmp_path / "other").ca_file))
    with Forwarder(docker_socket, with_certificates(monkeypatch, authority)) as front, Engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{front.port}")
        assert engine.info().version


# --- it answered before ------------------------------------------------------------------------------------
@pytest.mark.real
def test_an_engine_that_falls_silent_is_a_time_out(front: Forwarder) -> None:
    with Engine(timeout=1) as engine:
        engine.info()
        front.silence()
        with pytest.raises(EngineTimeout, match="took too long to answer"):
            engine.info()


@pytest.mark.real
def test_an_engine_that_goes_away_is_unreachable_and_welcome_back(
    front: Forwarder, docker_socket: str
) -> None:
    with Engine() as engine:
        engine.info()
        front.close()
        with pytest.raises(EngineUnreachable, match="does not answer"):
            engine.containers("qz-none")
        with Forwarder(docker_socket, port=front.port):
            assert engine.containers("qz-none") == {}


@pytest.mark.real
def test_only_a_socket_or_this_machines_loopback_is_local(
    front: Forwarder, docker_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine() as engine:
        assert engine.info().is_local
    monkeypatch.setattr(socket, "gethostname", lambda: "another-machine")
    with Engine() as engine:
        assert not engine.info().is_local
    monkeypatch.setenv("DOCKER_HOST", docker_daemon.url)
    with Engine() as engine:
        assert engine.info().is_local
