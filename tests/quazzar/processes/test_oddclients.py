"""Requests that two readers understand differently, or that no client should send: on real sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.quazzar.nodes import wait_until
from tests.quazzar.processes.test_connections import UNFINISHED, Site

START = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n"
#: What would be a request of its own if the one before it ended early.
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
#: What is sent → the status of the only answer.
REFUSED = {
    START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    START + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n": 400,
    START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n": 501,
    START + b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\nabcd": 501,
    START + b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\nabcd": 400,
    START + b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 4\r\n\r\nabcd": 400,
    START + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde": 400,
    **{START + b"Content-Length: " + length + b"\r\n\r\nabcd": 400
       for length in (b"4, 4", b"+4", b"-1", b"0x4", b"1_0", b"\xd9\xa4")},
    CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n": 400,
    CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n": 400,
    CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n": 400,
    CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n": 400,
    CHUNKED + b"3;" + b"a" * 300_000: 413,
    CHUNKED + b"3\nabc\n0\n\n": 400,
    CHUNKED + b"3\r\nabcX\r\n0\r\n\r\n": 400,
    GET + b"X-A: a\x00b\r\n\r\n": 400,
    GET + b"X\x00A: a\r\n\r\n": 400,
    GET + b"nonsense\r\n\r\n": 400,
    GET + b"X: a\rGET /smuggled HTTP/1.1\r\n\r\n": 400,
    GET + b"X-A: b\r\n" * 50_000 + b"\r\n": 431,
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET  /hello  HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GE\x01T /hello HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET http://[::1/hello HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET /hello HTTP/1.1 again\r\nHost: localhost\r\n\r\n": 400,
    START + b"Content-Length: 99999999999999999999999\r\n\r\n": 413,
    b"X" * 5000 + b" /hello HTTP/1.1\r\nHost: localhost\r\n\r\n": 414,
}  # fmt: skip
#: What is sent → what the application sees.
TAKEN = {
    CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n": "/echo",
    START + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi": "/echo",
    b"GET http://other.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n": "/hello",
    GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n": "/hello",
    b"GET /hello\r\n\r\n": "/hello",
    b"GET /hello HTTP/9.9\r\nHost: localhost\r\n\r\n": "/hello",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n": "*",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": "*",
}
#: What is no request, or not all of one before the client ends its half: the connection just ends.
NOTHING = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    CHUNKED + b"f" * 40 + b"\r\nabc",
    CHUNKED + b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    *UNFINISHED.values(),
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    with site.running():
        yield site


def told(site: Site, sent: bytes) -> tuple[list[int], list[str]]:
    """The statuses that come back after this and the end of what the client has to say, and what was seen."""
    site.app.seen.clear()
    answer = b""
    with site.connect() as client:
        with suppress(OSError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while more := client.recv(65536):
                answer += more
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    return [int(line.split()[1]) for line in lines if b" 100 " not in line], list(site.app.seen)


def test_what_can_be_understood_in_two_ways_is_refused_and_nothing_after_it_is_read(
    site: Site, subtests: pytest.Subtests
) -> None:
    for sent, status in REFUSED.items():
        with subtests.test(repr(sent[-60:])):
            assert told(site, sent + SECOND) == ([status], [])
    assert site.get() == (200, b"/hello")


def test_what_is_odd_but_clear_is_taken(site: Site, subtests: pytest.Subtests) -> None:
    for sent, path in TAKEN.items():
        with subtests.test(repr(sent[:60])):
            assert told(site, sent) == ([200], [path])


def test_what_is_no_request_gets_nothing(site: Site) -> None:
    for sent in NOTHING:
        assert told(site, sent) == ([], [])
    assert site.get() == (200, b"/hello")


def test_garbage_behind_a_request_is_refused_after_its_answer(site: Site) -> None:
    with (
        site.connect(GET + b"\r\n\x00\x01 garbage\r\n\r\n" + SECOND) as client,
        client.makefile("rb") as answer,
    ):
        said = answer.read()
    assert said.startswith(b"HTTP/1.1 200 OK") and b"/helloHTTP/1.0 400 Bad Request" in said
    assert site.app.seen[-1] == "/hello"


def test_a_client_that_leaves_while_it_is_answered_takes_nothing_with_it(site: Site) -> None:
    for _ in range(10):
        with site.connect(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") as client:
            assert client.recv(1000)
            # With a reset, as of a machine that has gone away.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert site.get() == (200, b"/hello")
    wait_until(lambda: not site.server.active_channels, "every connection is closed")
