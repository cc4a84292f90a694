"""Real handshakes that fail, and what is said about each."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailrelay.smtp import tlsfailures
from tests.rig.ca import Certificate, CertificateAuthority

Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """An authority that the client below trusts."""
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(talk)`` answers one connection and returns the port."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(talk: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer() -> None:
            with listener, listener.accept()[0] as sock:
                sock.settimeout(10)
                try:
                    talk(sock)
                except OSError:
                    pass  # the client hung up, as it should

        threads.append(threading.Thread(target=answer, daemon=True))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)


def tls(certificate: Certificate) -> Callable[[socket.socket], None]:
    """A server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)

    def talk(sock: socket.socket) -> None:
        context.wrap_socket(sock, server_side=True).close()

    return talk


def handshake(port: int, trusted: Path | None, host: str = "localhost") -> None:
    """A verified handshake, as the SMTP edge makes it."""
    context = ssl.create_default_context(cafile=trusted)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        context.wrap_socket(sock, server_hostname=host).close()


def failure(port: int, trusted: Path | None, host: str = "localhost") -> tuple[str, str]:
    """Kind and sentence of a handshake that fails."""
    with pytest.raises(ssl.SSLError) as caught:
        handshake(port, trusted, host)
    kind, sentence = tlsfailures.classify(caught.value, host)
    assert host in sentence and sentence.endswith(".") and "_ssl.c" not in sentence
    return kind, sentence


def test_a_good_certificate_is_taken(authority: CertificateAuthority, serve: Serve) -> None:
    handshake(serve(tls(authority.issue())), authority.ca_file)
    handshake(serve(tls(authority.issue())), authority.ca_file, host="127.0.0.1")


def test_an_expired_certificate(authority: CertificateAuthority, serve: Serve) -> None:
    assert failure(serve(tls(authority.expired())), authority.ca_file)[0] == "cert_expired"


def test_a_self_signed_certificate(authority: CertificateAuthority, serve: Serve) -> None:
    assert failure(serve(tls(authority.self_signed())), authority.ca_file)[0] == "cert_self_signed"


def test_an_authority_that_is_not_trusted(
    authority: CertificateAuthority, serve: Serve, tmp_path: Path
) -> None:
    stranger = CertificateAuthority(tmp_path / "other")
    assert failure(serve(tls(stranger.issue())), authority.ca_file)[0] == "cert_unknown_ca"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_name(authority: CertificateAuthority, serve: Serve, host: str) -> None:
    kind, sentence = failure(serve(tls(authority.wrong_name())), authority.ca_file, host)
    assert kind == "cert_hostname" and host in sentence


@pytest.mark.parametrize("greeting", [b"220 mx.example ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_speaks_plain_text(serve: Serve, greeting: bytes) -> None:
    def talk(sock: socket.socket) -> None:
        sock.sendall(greeting)
        sock.recv(4096)

    assert failure(serve(talk), None)[0] == "tls_wrong_version"


def test_a_server_that_hangs_up_or_has_nothing_in_common(serve: Serve) -> None:
    def hang_up(sock: socket.socket) -> None:
        sock.recv(4096)

    def alert(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure

    assert failure(serve(hang_up), None)[0] == "tls_failed"
    assert failure(serve(alert), None)[0] == "tls_failed"


def test_a_certificate_of_the_future_says_to_check_the_clocks() -> None:
    exc = ssl.SSLCertVerificationError(1, "certificate is not yet valid")
    exc.verify_code = 9
    kind, sentence = tlsfailures.classify(exc, "mx.example")
    assert kind == "cert_expired" and "clocks" in sentence


def test_any_other_verification_failure_is_told_in_its_own_words() -> None:
    exc = ssl.SSLCertVerificationError(1, "certificate revoked")
    assert tlsfailures.classify(exc, "mx.example")[0] == "tls_failed"
    exc.verify_code, exc.verify_message = 23, "certificate revoked"
    assert tlsfailures.classify(exc, "mx.example")[1] == (
        "The certificate of mx.example was not accepted: certificate revoked."
    )
