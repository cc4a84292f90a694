"""The write recipe: files go into the running containers whole, guarded by the generation that stands in them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from mailboxes.push import parts
from quazzar.errors import CommandFailed, StaleGeneration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailboxes.engine.client import Engine
    from mailboxes.push.parts import PartFile

#: Seconds for one push, the wait for the lock (10) and 100,000 lines included.
TIMEOUT = 60.0
#: Instead of a generation: whatever stands there is replaced.
ANY = "any"

_MEANING = {
    75: ("push_locked", "Another writer holds the lock on the stack's files.", "It is tried again by itself."),
    77: ("push_cut", "The connection to the container was cut while a file was sent; the old file is in force.",
         "It is tried again by itself."),
}  # fmt: skip


def write_users(
    engine: Engine, container: str, data: bytes | Callable[[], bytes], expected: int | str
) -> None:
    """Replaces the users file; Dovecot notices within a second, without a reload.

    ``data`` may be what makes it: it is then made while the writer starts in the container. What it raises is raised
    here, and nothing was written.

    Raises:
        StaleGeneration: the file's generation is not the expected one; nothing was written.
        StackError: it could not be written; the old file is in force.
    """
    _write(engine, container, "write_users.sh", [str(expected)], data)


def write_bundle(
    engine: Engine, container: str, new: int, expected: int | str, changed: dict[str, list[PartFile]]
) -> None:
    """Replaces the files of the changed parts, and lets Postfix and OpenDKIM know.

    Raises:
        StaleGeneration, StackError: as ``write_users``.
    """
    data = parts.tar(file for name in parts.BUNDLE for file in changed.get(name, ()))
    actions: list[str] = [name for name in ("tables", "relay", "dkim") if name in changed]
    if changed.keys() & {"relay", "tls"}:
        actions.append("reload")
    _write(engine, container, "write_bundle.sh", [str(expected), str(new), *actions], data)


def _write(
    engine: Engine,
    container: str,
    script: str,
    arguments: Sequence[str],
    data: bytes | Callable[[], bytes],
) -> None:
    argv = ["bash", "-c", _script(script), script, *arguments]
    result = engine.run(
        container,
        argv,
        stdin=(lambda: _announced(data())) if callable(data) else _announced(data),
        timeout=TIMEOUT,
    )
    if result.exit_code == 76:
        raise StaleGeneration("Somebody else changed the stack's files.", exit_code=76)
    if result.exit_code:
        code, message, hint = _MEANING.get(
            result.exit_code,
            (
                "push_failed",
                f"Writing the stack's files in {container} failed: {_last_line(result.stderr)}",
                "Look at the container's log.",
            ),
        )
        raise CommandFailed(message, exit_code=result.exit_code, code=code, hint=hint)


def _announced(data: bytes) -> bytes:
    """With length and digest ahead of it: a cut connection looks like its end. Nothing of it is in argv."""
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode() + data


@lru_cache
def _script(name: str) -> str:
    return (files("mailboxes.push") / "scripts" / name).read_text()


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "no message."
