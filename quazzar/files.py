"""The one safe way to read a file whose path an operator chose.

The rule: such a path never makes this process open a file outside the directories that a setting names, nor one of the
product's own data files. It matters even when nothing is read: a process that opens and closes its own SQLite file
drops all of its locks on it (https://sqlite.org/howtocorrupt.html, 2.2), and opening a device or a FIFO can block
forever or act on the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

#: File systems that are windows onto the kernel, whatever a setting allows.
_KERNEL = (Path("/proc"), Path("/sys"), Path("/dev"))


class Refused(ValueError):
    """The file was not read; the text is a sentence for the person who named it."""


def read_named_file(name: str, *, allowed: Iterable[Path], private: Iterable[Path], limit: int) -> bytes:
    """Read a regular file that lies in an allowed directory.

    The path is resolved first, and the file is inspected through a descriptor that cannot read (``O_PATH``): only once
    it is known to be a regular file, in an allowed directory and not ours, is that same file opened.

    Args:
        name: absolute path, as the operator entered it.
        allowed: directories below which files may be read; a link must not lead out of them.
        private: the product's own directories and files. They are not read, and nothing in them is, under whatever name
            (hard links included).
        limit: most bytes that the file may have.

    Raises:
        Refused: with the reason. It is the same sentence for everything outside the allowed directories, so that
            nobody can map the file system with it.
    """
    path = _resolved(name)
    allowed = [Path(os.path.realpath(folder)) for folder in allowed]
    private = [Path(os.path.realpath(own)) for own in private]
    if not _is_below(path, allowed) or any(map(path.is_relative_to, private)):
        raise Refused(_outside(allowed))
    handle = _handle(path, name)
    try:
        # Once more, by what was really opened: a directory may have become a link in between.
        real = Path(f"/proc/self/fd/{handle}").readlink()
        status = os.fstat(handle)
        if not _is_below(real, allowed) or _is_private(status, private):
            raise Refused(_outside(allowed))
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{name} is not a regular file.")
        if status.st_size > limit:
            raise Refused(f"{name} is too large: it can have at most {limit // 1024} KiB.")
        return _content(handle, name, limit)
    finally:
        os.close(handle)


def _resolved(name: str) -> Path:
    if not name.startswith("/") or "\0" in name:
        raise Refused("Enter the full path, starting with /.")
    try:
        return Path(os.path.realpath(name))
    except OSError as exc:  # a name that is too long
        raise Refused("This is not a valid file path.") from exc


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    inside = any(path.is_relative_to(folder) for folder in folders)
    return inside and not any(path.is_relative_to(folder) for folder in _KERNEL)


def _outside(allowed: Iterable[Path]) -> str:
    places = ", ".join(map(str, allowed))
    return (
        f"Files are only read from these directories: {places}. To allow others, set "
        "QUAZZAR_CERTIFICATE_DIRS."
    )


def _handle(path: Path, name: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise Refused(f"The file {name} does not exist.") from exc
    except OSError as exc:
        raise Refused(f"{name} cannot be read: {exc.strerror}.") from exc


def _is_private(status: os.stat_result, private: Iterable[Path]) -> bool:
    """Whether the file is one of ours, by its inode: it may have other names elsewhere."""
    inode = (status.st_dev, status.st_ino)
    for own in chain.from_iterable(map(_files, private)):
        try:
            found = os.lstat(own)
        except OSError:
            continue  # gone since it was listed
        if (found.st_dev, found.st_ino) == inode:
            return True
    return False


def _files(own: Path) -> Iterator[str]:
    yield str(own)
    for folder, _, names in os.walk(own):
        yield from (os.path.join(folder, name) for name in names)  # noqa: PTH118  (a Path for each would be slow)


def _content(handle: int, name: str, limit: int) -> bytes:
    try:
        # The same file again, this time to read; O_NONBLOCK is for whatever only looks like a regular file.
        reader = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise Refused(f"{name} cannot be read: {exc.strerror}.") from exc
    with os.fdopen(reader, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Refused(f"{name} is too large: it can have at most {limit // 1024} KiB.")
    return data
