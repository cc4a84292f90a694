"""Real handshakes that fail, and what is said about each."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quazzar import tlsfailures
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
    why = tlsfailures.explain(caught.value, host)
    assert host in why.sentence and why.sentence.endswith(".") and "_ssl.c" not in why.sentence
    return why.kind, why.sentence


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

    assert failure(serve(hang_up), None) == (
        "tls_failed",
        "localhost closed the connection during the TLS handshake.",
    )
    assert failure(serve(alert), None) == (
        "tls_failed",
        "localhost ended the TLS handshake (handshake failure).",
    )


def unverified(number: int, message: str) -> ssl.SSLCertVerificationError:
    """A certificate that was not accepted, as the ssl module raises it."""
    exc = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {message} (_ssl.c:1006)")
    exc.verify_code, exc.verify_message = number, message
    return exc


def named(name: str | None, text: str) -> ssl.SSLError:
    """Any other failure; Python has a name for some of OpenSSL's reasons, and from each version for other ones."""
    exc = ssl.SSLError(1, text)
    exc.reason = name  # type: ignore[assignment]  # the ssl module sets None
    return exc


@pytest.mark.parametrize(
    ("number", "message", "kind", "predicate"),
    [
        (9, "certificate is not yet valid", "cert_expired", "is not valid yet; check the clocks"),
        (10, "certificate has expired", "cert_expired", "has expired"),
        (18, "self signed certificate", "cert_self_signed", "is self-signed, so it cannot be verified"),
        (18, "self-signed certificate", "cert_self_signed", "is self-signed, so it cannot be verified"),
        (20, "unable to get issuer", "cert_unknown_ca", "is from an authority that this node does not trust"),
        (62, "Hostname mismatch", "cert_hostname", "belongs to another name"),
        (23, "certificate revoked", "tls_failed", "was revoked"),
        (79, "invalid CA certificate", "tls_failed", "was not accepted (OpenSSL's verify error 79)"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told_by_its_number(
    number: int, message: str, kind: str, predicate: str
) -> None:
    why = tlsfailures.explain(unverified(number, message), "mx")
    assert (why.kind, why.sentence) == (kind, f"The certificate of mx {predicate}.")


CLOSED = "mx closed the connection during the TLS handshake."
ALERT = "mx ended the TLS handshake (handshake failure)."
PLAIN = "mx does not speak TLS on this port."


@pytest.mark.parametrize(
    ("exc", "kind", "sentence"),
    [
        # Python 3.11.2 says the first, 3.11.7 the second, where the other side hangs up.
        (
            ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF) (_ssl.c:992)"),
            "tls_failed",
            CLOSED,
        ),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1006)"), "tls_failed", CLOSED),
        # OpenSSL 3.0 says the first, 3.2 the second; a Python older than that has no name for it.
        (named("SSLV3_ALERT_HANDSHAKE_FAILURE", "sslv3 alert handshake failure"), "tls_failed", ALERT),
        (named("SSL/TLS_ALERT_HANDSHAKE_FAILURE", "ssl/tls alert handshake failure"), "tls_failed", ALERT),
        (named(None, "[SSL] ssl/tls alert handshake failure (_ssl.c:992)"), "tls_failed", ALERT),
        (
            named("TLSV1_UNRECOGNIZED_NAME", "tlsv1 unrecognized name"),
            "tls_failed",
            "mx ended the TLS handshake (unrecognized name).",
        ),
        (
            named("UNSUPPORTED_PROTOCOL", "unsupported protocol"),
            "tls_failed",
            "The TLS handshake with mx failed (unsupported protocol).",
        ),
        (named("WRONG_VERSION_NUMBER", "wrong version number"), "tls_wrong_version", PLAIN),
        (named("RECORD_LAYER_FAILURE", "record layer failure"), "tls_wrong_version", PLAIN),
        (named(None, "[SSL] record layer failure (_ssl.c:992)"), "tls_wrong_version", PLAIN),
        (ssl.SSLError(), "tls_failed", "The TLS handshake with mx failed."),
    ],
)
def test_the_sentence_is_the_same_with_every_python_and_openssl(
    exc: ssl.SSLError, kind: str, sentence: str
) -> None:
    why = tlsfailures.explain(exc, "mx")
    assert (why.kind, why.sentence) == (kind, sentence)
