"""Folders and files that are made on first use. Settings call this, so it must not use Django's settings."""

import hashlib
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

SYSTEM_KEY_FILE = Path("/etc/quazzar/secrets.key")
#: Files by which a folder is known as a data dir.
_MARKS = frozenset({"django-secret.key", "evaluation.key", "license.jwt", "quazzar.sqlite3", "secrets.key"})
#: Files that a first run makes after the key file.
_AFTER_THE_KEY = ("evaluation.key", "license.jwt")
# sockaddr_un.sun_path holds 108 bytes with its closing NUL (unix(7)).
_SOCKET_PATH_LIMIT = 107


def private_dir(path: Path) -> Path:
    """The folder, created if it does not exist, with nothing in it open to other users.

    A folder of ours that is open (made by hand, restored from a backup) is closed, with the files in it. SQLite gives
    its -wal and -shm files the mode of the database (https://sqlite.org/wal.html). A folder that also holds other
    files might be open on purpose.

    Raises:
        ImproperlyConfigured: it cannot be made, a file is in its place, or it is open and not this product's alone.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ImproperlyConfigured(
            f"QUAZZAR_DATA_DIR must be a folder that this user owns or can create: {path}: {exc.strerror}."
        ) from exc
    status = path.stat()
    if status.st_uid != os.geteuid():
        return path  # root must not follow what its owner might put there
    if status.st_mode & 0o077:
        if not _is_ours(path):
            raise ImproperlyConfigured(
                f"The data dir {path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}) and "
                "holds other files too. Set QUAZZAR_DATA_DIR to a separate folder, or run: chmod 700 "
                f"{path}"
            )
        path.chmod(0o700)
    for entry in os.scandir(path):
        with suppress(OSError):  # gone since
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                Path(entry.path).chmod(stat.S_IMODE(mode) & 0o700)
    return path


def _is_ours(folder: Path) -> bool:
    """Whether the folder holds nothing, or the product's data; and is none that programs share, such as /tmp."""
    names = {entry.name for entry in folder.iterdir()}
    return not folder.stat().st_mode & stat.S_ISVTX and (not names or not names.isdisjoint(_MARKS))


def key_file(configured: Path | None, data_dir: Path) -> Path:
    """The path of the key file: the configured one; else the one in /etc/quazzar or in the data dir that exists; else
    where one can be made, /etc/quazzar first.

    Raises:
        ImproperlyConfigured: this node's key file is in /etc/quazzar, and this user may not look there.
    """
    if configured is not None:
        return configured
    fallback = data_dir / "secrets.key"
    try:
        if SYSTEM_KEY_FILE.exists():
            return SYSTEM_KEY_FILE
    except PermissionError as exc:
        # Another node's, unless a first run was completed here without a key file of its own.
        if not fallback.exists() and any((data_dir / name).exists() for name in _AFTER_THE_KEY):
            raise ImproperlyConfigured(
                f"This user may not look into {SYSTEM_KEY_FILE.parent}, where the key file is. Run Quazzar as the "
                "owner of that folder, or set QUAZZAR_SECRETS_KEY_FILE."
            ) from exc
        return fallback
    if fallback.exists():
        return fallback
    writable = next(p for p in SYSTEM_KEY_FILE.parents if p.exists())
    return SYSTEM_KEY_FILE if os.access(writable, os.W_OK) else fallback


def stored_secret(path: Path) -> str:
    """A random text that is kept in a file with mode 0600. It is made on first use, by one of several processes."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    written = written_beside(path, secrets.token_urlsafe(48).encode() + b"\n")
    try:
        os.link(written, path)  # fails if another process was first: then its text counts
    except FileExistsError:
        pass
    finally:
        written.unlink()
    return path.read_text().strip()


def written_beside(path: Path, content: bytes) -> Path:
    """A new file in the same folder, on the disk and with mode 0600, to be linked to the path or moved there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        written.unlink()
        raise
    return written


def replace_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600 atomically and durably: a reader sees either the old content or the new one.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    written = written_beside(path, content)
    try:
        written.replace(path)
    except OSError:
        written.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk; otherwise a power cut may bring an old name back (fsync(2))."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def broker_socket(data_dir: Path) -> Path:
    """The embedded broker's socket: in the data dir, or in the temporary folder if that path would be too long."""
    socket = data_dir / "broker" / "valkey.sock"
    if len(os.fsencode(socket)) <= _SOCKET_PATH_LIMIT:
        return socket
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"quazzar-{os.getuid()}-{digest}" / "valkey.sock"
