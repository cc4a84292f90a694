"""What can go wrong with a backup: typed errors that the command line shows with a hint."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from collections.abc import Iterator


class BackupError(QuazzarError):
    """A backup cannot be made, read or restored."""

    code = "backup_failed"


class WrongPassphrase(BackupError):
    """The passphrase is not the one that the backup was made with."""

    code = "wrong_passphrase"
    message = "The passphrase is not the one that this backup was made with."


class DamagedBackup(BackupError):
    """The file is no backup, was cut off, or was changed."""

    code = "damaged_backup"
    hint = "Use another backup. Nothing was restored from this one."


class UnknownBackup(BackupError):
    """The backup comes from a release that this one does not know."""

    code = "unknown_backup"
    hint = "Install the release of Quazzar that made the backup, or a newer one."


class NodeNotEmpty(BackupError):
    """A restore would replace data that the node has."""

    code = "node_not_empty"


@contextmanager
def disk_errors(doing: str, path: object) -> Iterator[None]:
    """Turns an error of the file system into a sentence.

    Args:
        doing: completes "The backup … cannot be …".

    Raises:
        BackupError: instead of an OSError.
    """
    try:
        yield
    except OSError as exc:
        hint = ""
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            hint = "Free some space, or choose a folder on another disk."
        raise BackupError(
            f"The backup {path} cannot be {doing}: {exc.strerror or type(exc).__name__}.", hint=hint
        ) from exc
