"""Whether root can be made to run someone else's code through /usr/sbin/sendmail."""

from __future__ import annotations

import stat
from pathlib import Path

from quazzar.monitoring import doctor

SENDMAIL = Path("/usr/sbin/sendmail")
_OURS = "quazzar-sendmail"


def who_can_change(file: Path) -> str | None:
    """Who, other than root, can change what root runs there, as words; None if nobody can.

    A file can be changed by its owner, by all who may write to it, and by those who can do either with a directory
    above it, because they can put another file into its place. Links are followed, and where they lie counts too.

    Raises:
        OSError: the file is not there.
    """
    for path in (file.absolute(), file.resolve(strict=True)):
        for part in (path, *path.parents):
            status = part.lstat()
            if status.st_uid != 0:
                return f"user {status.st_uid}"
            # In a sticky directory only owners replace files; a link's own mode means nothing.
            if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX:
                continue
            if status.st_mode & 0o002:
                return "anybody"
            if status.st_mode & 0o020 and status.st_gid != 0:
                return f"group {status.st_gid}"
    return None


def examine(file: Path = SENDMAIL) -> doctor.Finding:
    """The doctor's check: whether root's mail program, if it is ours, is root's alone."""
    try:
        target = file.resolve(strict=True)
        ours = target.name == _OURS or _OURS in target.read_bytes()[:4096].decode(errors="replace")
        other = who_can_change(file) if ours else None
    except OSError:
        return doctor.idle(f"{file} is not installed, so cron's mail does not reach Mail Relay.")
    if not ours:
        return doctor.idle(f"{file} belongs to another program, so cron's mail does not reach Mail Relay.")
    if other is None:
        return doctor.ok(f"{file} runs Mail Relay.")
    return doctor.warning(
        f"{file} runs {target} as root, but {other} can change that file.",
        "Run as root: install -m 755 docs/sendmail /usr/sbin/sendmail, and chown -R root: on the checkout "
        "except var.",
    )
