"""Folders and files that are made on first use. No Django settings here: settings call this."""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

SYSTEM_KEY_FILE = Path("/etc/quazzar/secrets.key")
# sockaddr_un.sun_path holds 108 bytes with its closing NUL (unix(7)).
_SOCKET_PATH_LIMIT = 107


def private_dir(path: Path) -> Path:
    """The folder, made with mode 0700 if it is not there yet."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def key_file(configured: str, data_dir: Path) -> Path:
    """Where the key ring is: the configured path, else /etc/quazzar, else the data dir when that one has it
    or /etc/quazzar cannot be written."""
    if configured:
        return Path(configured).expanduser().absolute()
    fallback = data_dir / "secrets.key"
    if SYSTEM_KEY_FILE.exists():
        return SYSTEM_KEY_FILE
    if fallback.exists():
        return fallback
    writable = next(p for p in SYSTEM_KEY_FILE.parents if p.exists())
    return SYSTEM_KEY_FILE if os.access(writable, os.W_OK) else fallback


def stored_secret(path: Path) -> str:
    """A random text kept in a 0600 file; made on first use, safe against two processes starting at once."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_urlsafe(48) + "\n")
    try:
        os.link(name, path)  # fails if another process was first; theirs counts then
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
    return path.read_text().strip()


def broker_socket(data_dir: Path) -> Path:
    """The embedded broker's socket, in a 0700 folder; in the temporary folder when the path would be too long."""
    socket = data_dir / "broker" / "valkey.sock"
    if len(os.fsencode(socket)) <= _SOCKET_PATH_LIMIT:
        return socket
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"quazzar-{os.getuid()}-{digest}" / "valkey.sock"
