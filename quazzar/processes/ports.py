"""Listens on a TCP port, and finds out who holds it if that fails. Reads Linux's /proc; standard library only."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from quazzar.errors import QuazzarError

_LISTEN = "0A"
_BACKLOG = 2048


class PortUnavailable(QuazzarError):
    """We cannot listen on the address."""

    code = "port_unavailable"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket for the web server; the port stays ours while the web server restarts.

    Raises:
        PortUnavailable: the port is taken or not permitted, or the host is not an address of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as exc:
        raise PortUnavailable(
            f"{host} is not an address: {exc.strerror}.", hint="Pass an IP address to --host."
        ) from exc
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise _explained(exc, host, port) from exc
    return listener


def _explained(exc: OSError, host: str, port: int) -> PortUnavailable:
    if exc.errno == errno.EADDRINUSE:
        who = holder(port)
        return PortUnavailable(
            f"Port {port} on {host} is already taken{f' by {who}' if who else ''}.",
            hint=(
                "Stop that program, or choose another port: make run PORT=8001, or manage.py up --port 8001."
            ),
        )
    if exc.errno == errno.EACCES:
        return PortUnavailable(
            f"This user may not listen on port {port}: ports below 1024 are reserved for root.",
            hint="Choose port 1024 or higher.",
        )
    return PortUnavailable(f"Cannot listen on {host} port {port}: {exc.strerror}.", hint="Check --host.")


def holder(port: int) -> str:
    """The process that listens on the port, as ``name (process 123)``; "" if we cannot see it."""
    inodes = _listening_inodes(port)
    if not inodes:
        return ""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return next(
        (_described(process) for process in Path("/proc").glob("[0-9]*") if _holds(process, wanted)), ""
    )


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        inodes |= {row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}
    return inodes


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in wanted for entry in (process / "fd").iterdir())
    except OSError:  # it has ended, or belongs to another user
        return False


def _described(process: Path) -> str:
    try:
        return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    except OSError:
        return f"process {process.name}"
