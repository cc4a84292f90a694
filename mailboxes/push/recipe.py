"""Writes files into the running containers: whole or not at all, guarded by a lock and the generation in them."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from mailboxes.push import parts, splice
from quazzar.errors import CommandFailed, StaleGeneration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailboxes.engine.client import Engine
    from mailboxes.push.parts import PartFile

logger = logging.getLogger(__name__)

#: Seconds for one push, including up to 10 for the lock, and enough for 100,000 lines.
TIMEOUT = 60.0
#: In place of an expected generation: replace the files whatever generation they have.
ANY = "any"
#: Exit code of the scripts → error code and sentence. See scripts/write_users.pl.
_STALE, _OTHER_BASE = 76, 78
_FAILURES = {
    75: ("push_locked", "Another process is writing the stack's files and holds their lock."),
    77: (
        "push_cut",
        "The connection to the container was lost while sending a file. The old file stays in use.",
    ),
}
#: What write_users.pl prints when the new file is in force.
_DONE = b"in force\n"
#: Dovecot's group owns what write_users.pl makes; to say so here saves it a program.
_USER = "root:dovecot"
_AGAIN = "Quazzar will try again."


class _OtherBase(Exception):
    """The file in the container is not the one that the difference was made for."""


@dataclass(frozen=True)
class UsersFile:
    """The users file, as ``render.users`` makes it.

    Attributes:
        fresh: ``render.fresh`` of the mailboxes that cannot wait until Dovecot reads it.
        old: the file that the container has, if it is known. Then only the difference is sent.
    """

    data: bytes = field(repr=False)
    fresh: Sequence[tuple[str, str]] = field(default=(), repr=False)
    old: bytes = field(default=b"", repr=False)


def write_users(
    engine: Engine, container: str, file: UsersFile | Callable[[], UsersFile], expected: int | str
) -> None:
    """Replaces the users file; Dovecot notices within a second, without a reload, and those in ``fresh`` at once.

    Args:
        container: Dovecot's.
        file: or a function that makes it while the writer starts in the container. If the function raises, so does
            this one, and nothing is written.
        expected: the generation that the file must have now, or ANY.

    Raises:
        StaleGeneration: the file has another generation; nothing was written.
        StackError: the file could not be written; the old one stays in force.
    """
    made = None if callable(file) else file

    def announced() -> bytes:
        nonlocal made
        made = made or file()  # type: ignore[operator]
        return _users_input(made)

    try:
        _write(engine, container, "write_users.pl", [str(expected)], announced, user=_USER, last_words=_DONE)
    except _OtherBase:
        # Somebody edited it. The digest is of the whole result, so nothing was replaced.
        logger.warning("stack: the users file in %s was changed by hand; sending all of it", container)
        made = replace(made, old=b"") if made else None
        _write(engine, container, "write_users.pl", [str(expected)], announced, user=_USER, last_words=_DONE)


def _users_input(file: UsersFile) -> bytes:
    pieces = splice.splice(file.old, file.data)
    head = f"{len(pieces.middle)} {hashlib.sha256(file.data).hexdigest()} {len(file.fresh)}"
    place = f"{pieces.at} {pieces.length} {pieces.rest}"
    fresh = "".join(f"{name} {line}\n" for name, line in file.fresh)
    return b"".join((f"{head} {place}\n".encode(), pieces.first, b"\n", fresh.encode(), pieces.middle))


def write_bundle(
    engine: Engine, container: str, new: int, expected: int | str, changed: dict[str, list[PartFile]]
) -> None:
    """Replaces the files of the changed parts, and makes Postfix read them.

    Args:
        container: Postfix's.
        new: the generation that the files are rendered from.
        expected: the generation that the bundle must have now, or ANY.
        changed: part → its files.

    Raises:
        StaleGeneration: the bundle has another generation; nothing was written.
        StackError: the files could not be written; ``new`` is not in force, so the next push writes them again.
    """
    data = parts.tar(file for name in parts.BUNDLE for file in changed.get(name, ()))
    actions: list[str] = [name for name in ("tables", "relay", "dkim") if name in changed]
    if changed.keys() & {"relay", "tls"}:
        actions.append("reload")
    announced = _announced(data)
    _write(engine, container, "write_bundle.sh", [str(expected), str(new), *actions], lambda: announced)


def _write(
    engine: Engine,
    container: str,
    script: str,
    arguments: Sequence[str],
    stdin: Callable[[], bytes],
    *,
    user: str = "",
    last_words: bytes = b"",
) -> None:
    argv = [*command_of(script), script, *arguments]
    result = engine.run(container, argv, stdin=stdin, timeout=TIMEOUT, user=user, last_words=last_words)
    if result.exit_code == _STALE:
        raise StaleGeneration("Another process changed the stack's files.", exit_code=_STALE)
    if result.exit_code == _OTHER_BASE:
        raise _OtherBase
    if result.exit_code in _FAILURES:
        code, message = _FAILURES[result.exit_code]
        raise CommandFailed(message, exit_code=result.exit_code, code=code, hint=_AGAIN)
    if result.exit_code:
        raise CommandFailed(
            f"Writing the stack's files in {container} failed: {_last_line(result.stderr)}",
            exit_code=result.exit_code,
            code="push_failed",
            hint="Read the container's log.",
        )


def command_of(script: str) -> tuple[str, str, str]:
    """How a container runs a script."""
    return (*(("perl", "-e") if script.endswith(".pl") else ("bash", "-c")), _script(script))


def _announced(data: bytes) -> bytes:
    """The input of write_bundle.sh: a line with length and SHA-256, then the data.

    To the script a lost connection looks like the end of the input. Nothing of the data is in argv.
    """
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode() + data


@lru_cache
def _script(name: str) -> str:
    return (files("mailboxes.push") / "scripts" / name).read_text()


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "no message."
