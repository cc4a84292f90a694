"""Where the passphrase of a backup comes from: a file that only its owner can read, or the terminal."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from pathlib import Path

from quazzar.backups import sealedfile
from quazzar.backups.failures import BackupError

HELP = "file whose first line is the passphrase; without it you are asked"


def get(file: str | None, *, new: bool = False) -> bytes:
    """The passphrase. It never comes from the command line or the environment, where others could read it.

    Args:
        file: path of a file; None asks on the terminal.
        new: it is going to protect something, so it must be long enough, and is asked for twice.

    Raises:
        BackupError: there is none, others can read the file, or the two that were typed differ.
    """
    found = _from_file(Path(file)) if file else _asked(new=new)
    return sealedfile.check(found) if new else found


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as source:
            status = os.fstat(source.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise BackupError(f"Other users can read {path}.", hint=f"chmod 600 {path}")
            line = source.readline(sealedfile.LONGEST + 3)
    except OSError as exc:
        raise BackupError(f"The passphrase file {path} cannot be read: {exc.strerror}.") from exc
    return line.rstrip(b"\r\n")


def _asked(*, new: bool) -> bytes:
    if not sys.stdin.isatty():
        raise BackupError(
            "There is no terminal to ask for the passphrase.", hint="Name a file: --passphrase-file FILE"
        )
    first = getpass.getpass("Passphrase: ")
    if new and getpass.getpass("The same again: ") != first:
        raise BackupError("The two passphrases differ.", hint="Try again.")
    return first.encode()
