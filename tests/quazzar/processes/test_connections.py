"""The web server's limits, on real sockets, with short time limits."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from quazzar.processes import connections, web
from quazzar.processes.connections import IDLE, PACE, PATIENCE, Phase, patience
from tests.quazzar.nodes import wait_until

LARGEST = 100_000
HEADER = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
LENGTH_10 = HEADER + b"Content-Length: 10\r\n\r\n"
CHUNKED = HEADER + b"Transfer-Encoding: chunked\r\n\r\n"


class App:
    """/echo returns the body, /large many bytes, /wait waits, anything else its path."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.go = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.seen.append(path)
        if path == "/wait":
            assert self.go.wait(30)
        body = {
            "/echo": environ["wsgi.input"].read,
            "/large": lambda: b"x" * 30_000_000,
            "/length": environ.get("CONTENT_LENGTH", "").encode,
        }.get(path, path.encode)()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]


class Site:
    """A server in a thread."""

    def __init__(self) -> None:
        self.app = App()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.server = web.build(self.listener, self.app, LARGEST)
        self._over = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._over:
            web._turn(self.server)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self.app.go.set()
            self._over = True
            self.server.pull_trigger()
            self._thread.join(30)
            for connection in self.server.connections():
                connection.handle_close()
            self.server.close()

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(self.address, timeout=30)
        client.sendall(sent)
        return client

    def get(self, path: str = "/hello", body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.address[1], timeout=30)
        connection.request("GET" if body is None else "POST", path, body)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with site.running():
        yield site


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it once everyone who must be served was served: after that, the server waits for nobody."""

    def begin() -> None:
        monkeypatch.setattr(connections, "PATIENCE", 0.0)
        monkeypatch.setattr(connections, "PACE", 1e12)
        monkeypatch.setattr(connections, "IDLE", 0.0)
        monkeypatch.setattr(connections, "LINGER", 0.0)

    return begin


@pytest.fixture
def impatient(impatience: Callable[[], None]) -> None:
    impatience()


def is_closed(client: socket.socket) -> bool:
    """Whether the server closed the connection, with or without an answer before."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


UNFINISHED = {
    "nothing": b"",
    "one byte": b"G",
    "half a request line": b"GET /hel",
    "half a header": b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX-",
    "a header without its last line": b"GET /hello HTTP/1.1\r\nHost: localhost\r\n",
    "no body": LENGTH_10,
    "half a body": LENGTH_10 + b"12345",
    "half a chunk": CHUNKED + b"5\r\n12",
    "no last chunk": CHUNKED + b"5\r\n12345\r\n",
    "a continue that nobody follows": HEADER + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
}


def test_unfinished_requests_take_no_thread(site: Site) -> None:
    with ExitStack() as held:
        for sent in [*UNFINISHED.values()] * 10:
            held.enter_context(site.connect(sent))
        assert site.get() == (200, b"/hello")
        assert site.get("/echo", b"1234567890") == (200, b"1234567890")
    assert site.app.seen == ["/hello", "/echo"]


@pytest.mark.slow
def test_unfinished_requests_end(site: Site, impatient: None, subtests: pytest.Subtests) -> None:
    with ExitStack() as held:
        clients = {name: held.enter_context(site.connect(sent)) for name, sent in UNFINISHED.items()}
        for name, client in clients.items():
            with subtests.test(name):
                wait_until(partial(is_closed, client), "closed")


@pytest.mark.slow
def test_who_does_not_read_takes_no_thread_and_ends(site: Site, impatience: Callable[[], None]) -> None:
    with ExitStack() as held:
        clients = [
            held.enter_context(site.connect(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            for _ in range(10)
        ]
        wait_until(lambda: site.app.seen.count("/large") == 10, "all are answered")
        assert site.get() == (200, b"/hello")
        impatience()
        wait_until(lambda: not site.server.active_channels, "closed")
        for client in clients:
            # What the server had written before goes on arriving.
            wait_until(partial(is_closed, client), "closed")


def test_requests_sent_ahead_are_answered_unless_there_are_too_many(site: Site) -> None:
    request = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with site.connect(request * 3) as client:
        wait_until(lambda: site.app.seen == ["/hello"] * 3, "three answers")
        assert not is_closed(client)
    with site.connect(request * 100) as client:
        wait_until(lambda: is_closed(client), "closed")
    assert len(site.app.seen) < 20


def test_there_is_always_room_for_one_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 20)
    with ExitStack() as held:
        oldest, *_ = [held.enter_context(site.connect(b"GET")) for _ in range(60)]
        assert site.get() == (200, b"/hello")
        assert is_closed(oldest)
        wait_until(lambda: len(site.server.active_channels) <= 20, "no more than allowed")


def test_a_request_that_is_being_answered_is_not_closed_for_one_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 5)
    with ExitStack() as held:
        working = held.enter_context(site.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        wait_until(lambda: site.app.seen, "it is at work")
        for _ in range(20):
            held.enter_context(site.connect(b"GET"))
        assert site.get() == (200, b"/hello")
        site.app.go.set()
        assert working.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_health_is_answered_while_every_thread_is_busy(site: Site) -> None:
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(site.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        wait_until(lambda: len(site.app.seen) == web.SETTINGS["threads"], "every thread is busy")
        assert site.get("/healthz") == (200, b"/healthz")
        assert site.get("/readyz") == (200, b"/readyz")


@pytest.mark.slow
def test_bodies_that_are_on_their_way_are_bounded_together(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HELD", 100_000)
    half = HEADER + b"Content-Length: 80000\r\n\r\n" + b"x" * 60_000
    with ExitStack() as held:
        small = held.enter_context(site.connect(LENGTH_10 + b"12345"))
        large = [held.enter_context(site.connect(half)) for _ in range(3)]
        wait_until(lambda: sum(map(is_closed, large)) == 2, "two of three are closed")
        small.setblocking(True)
        small.sendall(b"67890")
        small.settimeout(20)
        answer = b""
        while not answer.endswith(b"1234567890"):
            more = small.recv(1000)
            assert more, answer
            answer += more


def test_the_application_refuses_a_body_that_is_too_large_by_its_length(site: Site) -> None:
    assert site.get("/length", b"x" * (LARGEST - 1)) == (200, b"99999")
    assert site.get("/length", b"x" * (LARGEST * 20)) == (200, b"2000000")
    assert site.get("/echo", b"x" * (LARGEST * 20)) == (200, b"")
    with site.connect(CHUNKED + b"fffff\r\n" + b"x" * 0xFFFFF + b"\r\n0\r\n\r\n") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_an_answer_reaches_a_client_that_goes_on_sending(site: Site) -> None:
    for sent, status in (
        (b"GET /" + b"x" * 200_000, b"414"),
        (b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 200_000, b"431"),
        (b"nonsense\r\n\r\n" + b"x" * 200_000, b"400"),
    ):
        with site.connect() as client:
            with suppress(OSError):
                client.sendall(sent)
            assert client.recv(100).split()[1] == status
    with site.connect(b"GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n" + b"x" * 50_000) as client:
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as answer:
            assert answer.read().endswith(b"/hello")
    wait_until(lambda: not site.server.active_channels, "closed")


@pytest.mark.slow
def test_a_client_that_does_not_end_a_connection_is_not_waited_for(
    site: Site, impatience: Callable[[], None]
) -> None:
    with site.connect(b"GET /hello HTTP/1.0\r\n\r\n") as client:
        with client.makefile("rb") as answer:
            assert answer.read().endswith(b"/hello")
        impatience()
        wait_until(lambda: not site.server.active_channels, "closed")


def test_a_connection_is_kept_for_the_next_request(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.address[1], timeout=30)
    for _ in range(3):
        connection.request("GET", "/hello")
        assert connection.getresponse().read() == b"/hello"
    assert len(site.server.active_channels) == 1
    connection.close()


def test_patience_grows_with_what_is_moved() -> None:
    table = {
        (Phase.HEADER, 0): PATIENCE,
        (Phase.HEADER, 1_000_000): PATIENCE,
        (Phase.BODY, 0): PATIENCE,
        (Phase.BODY, 100 * PACE): PATIENCE + 100,
        (Phase.READER, 100 * PACE): PATIENCE + 100,
        (Phase.NOTHING, 1_000_000): IDLE,
        (Phase.APPLICATION, 0): float("inf"),
    }
    assert {case: patience(*case) for case in table} == table
