"""Fetching an MTA-STS policy from servers that are right, and from others."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dnsrecords.mtasts import fetch as fetching
from dnsrecords.mtasts.policy import Fetched, Trouble
from tests.rig import LOOPBACK, free_port
from tests.rig.ca import Certificate, CertificateAuthority

DOMAIN, HOST = "example.com", "mta-sts.example.com"
POLICY = b"version: STSv1\nmode: testing\nmx: mail.example.com\nmax_age: 604800\n"
Serve = Callable[..., "Server"]


def reply(status: str = "200 OK", body: bytes = POLICY, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(headers or ["Content-Type: text/plain; charset=utf-8"])]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Server:
    """Gives each caller the same bytes, over TLS if there is a certificate, and keeps what it was asked."""

    def __init__(self, answer: bytes, certificate: Certificate | None, *, hold: bool = False) -> None:
        self.answer, self.hold = answer, hold
        self.requests: list[bytes] = []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate.cert_file, certificate.key_file)
        self.socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self.socket.getsockname()[1]
        self.over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self.over.is_set():
            try:
                raw, _ = self.socket.accept()
                with raw, self.context.wrap_socket(raw, server_side=True) if self.context else raw as caller:
                    self.requests.append(caller.recv(4096))
                    caller.sendall(self.answer)
                    if self.hold:
                        self.over.wait(30)
            except OSError:
                continue

    def close(self) -> None:
        self.over.set()
        self.socket.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    directory: Path = tmp_path_factory.mktemp("ca")
    return CertificateAuthority(directory)


@pytest.fixture
def serve(authority: CertificateAuthority) -> Iterator[Serve]:
    """``serve(answer)``: with a certificate for the host, or with ``certificate=``."""
    servers: list[Server] = []

    def start(answer: bytes = reply(), **more: Any) -> Server:
        certificate = more.pop("certificate", authority.issue([HOST]))
        servers.append(Server(answer, certificate, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def fetch(authority: CertificateAuthority) -> Callable[..., Fetched]:
    """``fetch(port)``, trusting this authority alone."""

    def get(port: int, *addresses: str, seconds: float = 20) -> Fetched:
        context = authority.client_context()
        return fetching.fetch(DOMAIN, addresses or (LOOPBACK,), seconds=seconds, port=port, context=context)

    return get


def test_a_policy_is_fetched_as_a_sender_does(serve: Serve, fetch: Callable[..., Fetched]) -> None:
    server = serve()
    assert fetch(server.port) == Fetched(status=200, kind="text/plain", text=POLICY.decode())
    lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /.well-known/mta-sts.txt HTTP/1.1"
    assert f"Host: {HOST}" in lines


def test_an_answer_in_chunks_is_put_together(serve: Serve, fetch: Callable[..., Fetched]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert fetch(serve(head + b"5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n").port).text == "hello you"


def test_a_redirect_or_an_error_is_not_followed_but_reported(
    serve: Serve, fetch: Callable[..., Fetched]
) -> None:
    for status in ("301 Moved Permanently", "404 Not Found", "502 Bad Gateway"):
        server = serve(reply(status, b"", "Location: https://elsewhere.example/"))
        assert fetch(server.port).status == int(status[:3])
        assert len(server.requests) == 1


def test_what_is_no_answer_of_a_web_server_is_garbled(serve: Serve, fetch: Callable[..., Fetched]) -> None:
    for answer in (b"", b"220 mail.example.com ESMTP\r\n", b"HTTP/1.1 two\r\n\r\n"):
        assert fetch(serve(answer).port).trouble is Trouble.GARBLED, answer


def test_no_more_is_read_than_a_policy_may_have(serve: Serve, fetch: Callable[..., Fetched]) -> None:
    assert len(fetch(serve(reply("200 OK", b"x" * 1_000_000)).port).text) <= 64 * 1024


# --- certificates ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ca: ca.wrong_name(), "belongs to another name"),
        (lambda ca: ca.issue([HOST], datetime.now(UTC) - timedelta(days=1)), "has expired"),
        (lambda ca: ca.self_signed([HOST]), "self-signed"),
    ],
    ids=["another name", "expired", "self-signed"],
)
def test_a_certificate_that_senders_refuse_is_reported(
    serve: Serve, fetch: Callable[..., Fetched], authority: CertificateAuthority, make: Any, words: str
) -> None:
    fetched = fetch(serve(certificate=make(authority)).port)
    assert fetched.trouble is Trouble.TLS
    assert fetched.detail.startswith("the certificate of the server ") and words in fetched.detail


def test_a_server_without_tls_is_reported(serve: Serve, fetch: Callable[..., Fetched]) -> None:
    assert fetch(serve(certificate=None).port).trouble in (Trouble.TLS, Trouble.GARBLED)


# --- no answer ---------------------------------------------------------------------------------------------
def test_without_an_address_nothing_is_tried() -> None:
    assert fetching.fetch(DOMAIN, ()).trouble is Trouble.NO_ADDRESS


def test_a_closed_port_is_refused(fetch: Callable[..., Fetched]) -> None:
    assert fetch(free_port()).trouble is Trouble.REFUSED


@pytest.mark.slow
def test_a_server_that_says_nothing_or_never_ends_is_given_up(
    serve: Serve, fetch: Callable[..., Fetched]
) -> None:
    for answer in (b"", b"HTTP/1.1 200 OK\r\n"):
        assert fetch(serve(answer, hold=True).port, seconds=0.3).trouble is Trouble.TIMEOUT


def test_one_address_that_answers_is_enough(serve: Serve, fetch: Callable[..., Fetched]) -> None:
    assert fetch(serve().port, "127.0.0.9", LOOPBACK).status == 200
