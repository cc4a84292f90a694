"""The web process: waitress with our limits. The socket comes open from the supervisor."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import get_resolver
from waitress import wasyncore
from waitress.adjustments import Adjustments

from quazzar.processes.connections import CONNECTIONS, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds that requests may take to end once the process is asked to stop. The supervisor waits two more.
GRACE = 8.0
#: A connection holds its socket and may hold two temporary files.
_DESCRIPTORS = CONNECTIONS * 3 + 500

#: Django REST framework and Unfold import these if they can, for things that Quazzar does not have: array fields, a
#: client for APIs. They would take 14 MB, most of it PostgreSQL's driver, also on SQLite.
UNUSED = ("django.contrib.postgres.fields", "requests")
#: https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html
SETTINGS: dict[str, Any] = {
    # One process: SQLite has one writer anyway, and /metrics counts in one place.
    "threads": 8,
    "backlog": 2048,
    "connection_limit": CONNECTIONS
    * 2,  # reached only if so many requests wait for a thread: see Server.tend
    "asyncore_use_poll": True,  # select() knows no descriptor above 1023
    "max_request_header_size": 32 * 1024,
    "ident": None,
    # X-Forwarded-For and -Proto are judged by quazzar.access.addresses and Django.
    "clear_untrusted_proxy_headers": False,
}


def build(listener: socket.socket, app: Callable[..., Any], largest_body: int) -> Server:
    """A server on a listening socket.

    Args:
        largest_body: bytes.
    """
    host, port = listener.getsockname()[:2]
    adjustments = Adjustments(
        sockets=[listener], server_name=host, max_request_body_size=largest_body, **SETTINGS
    )
    where = (listener.family, listener.type, listener.proto, (host, port))
    return Server(app, {}, _sock=listener, adj=adjustments, sockinfo=where, bind_socket=False)


def run(server: Server) -> None:
    """Serve until SIGTERM, then until the requests that are being answered have ended."""
    stops: list[int] = []

    def ask_to_stop(number: int, _frame: object) -> None:
        stops.append(number)
        server.pull_trigger()

    signal.signal(signal.SIGTERM, ask_to_stop)
    while not stops:
        _turn(server)
    server.accepting = False
    deadline = time.monotonic() + GRACE
    while server.is_busy() and time.monotonic() < deadline:
        _turn(server)


def _turn(server: Server) -> None:
    server.tend(time.monotonic())
    wasyncore.loop(timeout=1, use_poll=True, map=server._map, count=1)


def _allow_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """As if these were not installed. Afterwards they can be imported like any other."""
    absent = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: the import system's own mark for this
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def load() -> Callable[..., Any]:
    """The WSGI application, with what its first request would load.

    The garbage collector is spared all of it: it would stop every request for as long as it takes to look through the
    whole product.
    """
    with _without(*UNUSED):
        from quazzar.wsgi import application

        get_resolver().url_patterns  # noqa: B018  (a cached property)
    gc.collect()
    gc.freeze()
    return application


def main() -> None:
    """Say where the console is, and serve it."""
    application = load()
    from quazzar.machines import reporting  # not above: its models need Django to be set up

    _allow_descriptors()
    listener = socket.socket(fileno=int(os.environ["QUAZZAR_LISTEN_FD"]))
    # A megabyte more, so that what is just too large is read, and answered like any other request.
    server = build(listener, application, settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1024 * 1024)
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    print(f"console on http://{shown}:{port}", flush=True)  # noqa: T201
    reports = reporting.start("web")
    run(server)
    reporting.finish("web", reports)


if __name__ == "__main__":
    main()
