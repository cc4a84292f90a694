"""How much room is left where the mail is, asked inside a container: the Docker Engine may be on another machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from mailboxes.models import Stack
from mailboxes.push.render import MAIL_ROOT
from quazzar import words

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

#: Seconds for the command.
TIMEOUT = 20.0
# POSIX df: one line of headings, then one for the file system, in KiB or in files (inodes).
_COMMAND = ["sh", "-c", f"df -Pk {MAIL_ROOT} && df -Pi {MAIL_ROOT}"]
_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
#: Below this, Postfix and Dovecot begin to defer mail: Postfix wants 1.5 times the largest mail free.
_FULL = 500 * _MIB


@dataclass(frozen=True)
class Room:
    """Room on the file system of the mail.

    Attributes:
        files: how many files it can hold in all (inodes); 0 if it has no such limit.
    """

    total_bytes: int
    free_bytes: int
    files: int
    free_files: int

    @property
    def state(self) -> Literal["ok", "low", "full"]:
        """Low: less than a twentieth of the bytes (2 to 50 GiB), or of the files, is left. Full: mail is deferred."""
        low = min(max(self.total_bytes // 20, 2 * _GIB), 50 * _GIB)
        if self.free_bytes < _FULL or (self.files and self.free_files < self.files // 100):
            return "full"
        if self.free_bytes < low or (self.files and self.free_files < self.files // 20):
            return "low"
        return "ok"

    @property
    def sentence(self) -> str:
        """How much is free, and how many files can be added if these run out first."""
        text = (
            f"{words.size(self.free_bytes)} of {words.size(self.total_bytes)} free on the disk that holds "
            "the mail"
        )
        if self.files and self.free_files < self.files // 20:
            text += f", and only {self.free_files:,} of {self.files:,} files (inodes)"
        return f"{text}."


def parse(output: str) -> Room | None:
    """The output of ``df -Pk`` followed by that of ``df -Pi``; None if it is anything else. Pure."""
    lines = [line.split() for line in output.splitlines()]
    if len(lines) != 4 or len(lines[1]) < 4 or len(lines[3]) < 4:
        return None
    # The mount point may contain blanks, but it comes last.
    numbers = [_number(text) for text in (lines[1][1], lines[1][3], lines[3][1], lines[3][3])]
    if None in numbers[:2]:
        return None
    size, free, files, free_files = (number or 0 for number in numbers)
    return Room(size * _KIB, free * _KIB, files, free_files)


def refresh(engine: Engine, container: str) -> None:
    """Stores how much room there is; keeps what was stored if the answer cannot be read.

    Raises:
        StackError: the container did not answer.
    """
    room = parse(engine.run(container, _COMMAND, timeout=TIMEOUT).stdout.decode(errors="replace"))
    if room is not None:
        Stack.objects.filter(pk=1).update(mail_disk=asdict(room))


def read(stack: Stack) -> Room | None:
    """The room at the last check; None before the first check."""
    return Room(**stack.mail_disk) if stack.mail_disk else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
