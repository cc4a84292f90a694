"""Finds secrets in bytes, whatever usual form they were written in."""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote, quote_plus

from tests.quazzar.nodes import descendants

#: Shorter pieces would be found by chance.
_SHORTEST = 8
_FOLDS = re.compile(rb"=?\r?\n[ \t]?|\\n")


def forms(secret: str | bytes) -> dict[str, bytes]:
    """The secret as text, hex, URL-quoted, and inside base64 at each of the three offsets it can have there (as in
    ``AUTH PLAIN``, in attachments, in a Basic header)."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    found = {"plain": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    found |= {"quoted": quote(raw, safe="").encode(), "quoted+": quote_plus(raw).encode()}
    found |= {"utf-16": raw.decode().encode("utf-16-le")} if isinstance(secret, str) else {}
    for offset in range(3):
        core = _base64_core(raw, offset)
        found[f"base64+{offset}"] = core
        found[f"base64url+{offset}"] = core.translate(bytes.maketrans(b"+/", b"-_"))
    assert min(map(len, found.values())) >= _SHORTEST, "too short to search for"
    return found


def _base64_core(raw: bytes, offset: int) -> bytes:
    """The characters that the secret alone decides when ``offset`` bytes stand before it in their group."""
    encoded = base64.b64encode(b"\0" * offset + raw)
    return encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]


class Search:
    """Looks for named secrets."""

    def __init__(self, secrets: Mapping[str, str | bytes]) -> None:
        self._needles = {
            f"{name} ({form})": needle
            for name, secret in secrets.items()
            for form, needle in forms(secret).items()
        }

    def find(self, data: bytes) -> set[str]:
        """Which secrets are in there, each with its form. Folded lines (MIME, JSON) are joined first."""
        joined = _FOLDS.sub(b"", data)
        return {name for name, needle in self._needles.items() if needle in data or needle in joined}

    def everywhere(self, places: Mapping[str, bytes]) -> dict[str, set[str]]:
        """The places with something in them."""
        return {place: found for place, data in places.items() if (found := self.find(data))}


def files(*folders: Path, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """What is in every file below these folders, now; ``without`` are names of files and folders to leave out."""
    return {str(path): content for folder in folders for path, content in _contents(folder, without)}


def _contents(folder: Path, without: tuple[str, ...]) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not set(path.relative_to(folder).parts) & set(without):
            try:
                yield path, path.read_bytes()
            except FileNotFoundError:
                continue


class ProcessWatch:
    """Use as a context: collects command line and environment of every process below this one, while inside."""

    def __init__(self) -> None:
        self.seen: dict[str, bytes] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.15):
            for pid in descendants(os.getpid()):
                self._look(pid)

    def _look(self, pid: int) -> None:
        for part in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{pid}/{part}").read_bytes()
            except OSError:
                continue  # it has ended
            # A process shows another program after exec, under the same number.
            self.seen[f"{part} of {pid}: {content[:60]!r}"] = content
