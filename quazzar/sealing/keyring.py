"""The key file: holds the key ring, is checked against other readers, made on first use, and replaced atomically.

It has one key per line, in base64 or as 64 hex digits: the first one seals, all of them open. ``#`` starts a comment. A
file of 32 raw bytes is a single key.
"""

import base64
import binascii
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, cast

from django.conf import settings

from quazzar import paths
from quazzar.errors import KeyFileError
from quazzar.sealing.cipher import KEY_BYTES, KeyRing

_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_LARGEST = 64 * 1024
# A file that changes twice within one tick of the file system's clock keeps its stamp, so a younger file is read again.
_TICK_NS = 50_000_000
_INTRO = "# Quazzar key ring: the first key seals, all open. Back it up: no stored secret opens without it.\n"


class _Loaded(NamedTuple):
    path: Path
    stamp: tuple[int, ...]
    ring: KeyRing


_loaded: _Loaded | None = None
_held = threading.local()


def _let_pass(_: KeyRing) -> None:
    """Let every ring seal."""


#: Asked before anything is sealed; may raise KeyFileError. The app sets it to ``agreement.require``.
guard: Callable[[KeyRing], None] = _let_pass


def path() -> Path:
    """The path of the key file."""
    file: Path = settings.QUAZZAR_SECRETS_KEY_FILE
    return file


def current() -> KeyRing:
    """The key ring in the key file, which is made if it does not exist.

    Raises:
        KeyFileError: the file cannot be made, others can read it, or it is not a key ring.
    """
    ring = existing()
    if ring is None:
        create(path())
        ring = existing()
    if ring is None:
        raise KeyFileError(f"The key file {path()} disappeared right after it was created.")
    return ring


def to_seal_with() -> KeyRing:
    """The current ring, once ``guard`` has let it pass.

    Raises:
        KeyFileError: as ``current``; or ``guard`` refuses it.
    """
    ring = current()
    guard(ring)
    return ring


def existing() -> KeyRing | None:
    """The key ring in the key file; None if there is no key file.

    Raises:
        KeyFileError: others can read it, or it is not a key ring.
    """
    global _loaded
    if (held := getattr(_held, "ring", None)) is not None:
        return cast("KeyRing", held)
    file: Path = settings.QUAZZAR_SECRETS_KEY_FILE
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unusable(file, exc) from exc
    stamp = _stamp(status)
    if _loaded is not None and _loaded.stamp == stamp and _loaded.path == file:
        return _loaded.ring
    settled = time.time_ns() - status.st_ctime_ns > _TICK_NS
    check_access(file, status)
    ring = read(file)
    _loaded = _Loaded(file, stamp, ring) if settled else None
    return ring


@contextmanager
def looked_at_once() -> Iterator[None]:
    """Look at the key file once, in this thread, for all the secrets that are opened inside, and not once for each."""
    _held.ring = None
    with suppress(KeyFileError):  # each secret will say so
        _held.ring = existing()
    try:
        yield
    finally:
        _held.ring = None


def check_access(file: Path, status: os.stat_result) -> None:
    """Refuse a key file that others can read or write, or that another user owns.

    Raises:
        KeyFileError: its hint is the command that repairs this.
    """
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"The key file {file} is not a file.", hint="Remove it, or set another path.")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFileError(
            f"Other users can read or write the key file {file} (mode {mode:04o}), so it is not used.",
            hint=f"chmod 600 {file}",
        )
    if status.st_uid not in (0, os.geteuid()):
        raise KeyFileError(
            f"The key file {file} belongs to user {status.st_uid}, but this process runs as {os.geteuid()}.",
            hint=f"Run this as user {status.st_uid}, or run: chown {os.geteuid()} {file}",
        )


def read(file: Path) -> KeyRing:
    """Read the key ring in this file.

    Raises:
        KeyFileError: the file cannot be read, or is not a key ring.
    """
    try:
        with file.open("rb") as source:
            content = source.read(_LARGEST + 1)
    except OSError as exc:
        raise _unusable(file, exc) from exc
    try:
        return parse(content)
    except ValueError as exc:
        raise KeyFileError(
            f"The key file {file} is not a key ring: {exc}.",
            hint=(
                "Restore the correct key file from a backup. To start over, move this one away: Quazzar "
                "creates a new key, and you enter the stored secrets again."
            ),
        ) from exc


def parse(content: bytes) -> KeyRing:
    """The key ring in the content of a key file.

    Raises:
        ValueError: it is not a key ring; the text says why without showing the content.
    """
    # 32 printable characters were typed by somebody; they are not a random key.
    if len(content) == KEY_BYTES and not content.isascii():
        return KeyRing([content])
    if len(content) > _LARGEST:
        raise ValueError("it is too large")
    if not content.isascii():
        raise ValueError("it holds bytes that are not text")
    lines = (line.partition("#")[0].strip() for line in content.decode("ascii").splitlines())
    keys = [_key(line, number) for number, line in enumerate(lines, start=1) if line]
    if not keys:
        raise ValueError("it holds no key")
    return KeyRing(keys)


def text(ring: KeyRing) -> str:
    """The content of a key file with this ring."""
    return _INTRO + "".join(base64.b64encode(key).decode() + "\n" for key in ring.keys)


def create(file: Path) -> None:
    """Make the key file with one random key, unless another process has just made it.

    Raises:
        KeyFileError: it cannot be written.
    """
    ring = KeyRing([secrets.token_bytes(KEY_BYTES)])
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = paths.written_beside(file, text(ring).encode())
        try:
            os.link(written, file)
        except FileExistsError:
            pass
        finally:
            written.unlink()
        paths.sync_folder(file.parent)
    except OSError as exc:
        raise _unusable(file, exc, doing="made") from exc


def replace(file: Path, ring: KeyRing) -> None:
    """Replace the ring in the file atomically and durably: a reader sees either the old ring or the new one.

    Raises:
        KeyFileError: it cannot be written; the old ring stays.
    """
    target = file.resolve()  # a link to the key file stays a link
    try:
        paths.replace_private(target, text(ring).encode())
    except OSError as exc:
        raise _unusable(file, exc, doing="replaced") from exc


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    # ctime too, because it changes with mode and owner.
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev


def _key(line: str, number: int) -> bytes:
    if _HEX.fullmatch(line):
        return bytes.fromhex(line)
    try:
        key = base64.b64decode(line.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        raise ValueError(f"line {number} is neither base64 nor hex") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key in line {number} has {len(key)} bytes, not {KEY_BYTES}")
    return key


def _unusable(file: Path, exc: OSError, doing: str = "read") -> KeyFileError:
    return KeyFileError(
        f"The key file {file} cannot be {doing}: {exc.strerror or type(exc).__name__}.",
        hint=(
            f"Let user {os.geteuid()} read and write the folder {file.parent}, or set "
            "QUAZZAR_SECRETS_KEY_FILE to another file."
        ),
    )
