"""Turns of phrase that were weeded out of what people read, so that they do not come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Archaic, or riddles: neither on pages nor in the documentation.
ARCHAIC = """
anew, lest, whoever, that which, for ever, nobody else's, as they came, henceforth, thereof, whereby, is no good,
of no use, the rest as before, what stands in the way
"""
#: Clumsy on a page.
CLUMSY = """
of its own, of their own, from then on, stands in the way, stand in the way, a way out, the way out, one address a line,
is the most, put at the head, keeps the clock right, is on its way to, another look, mend the, what came of it,
whatever sends
"""


def _pattern(*lists: str) -> re.Pattern[str]:
    phrases = [" ".join(each.split()) for each in ",".join(lists).split(",")]
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b", re.IGNORECASE)


def _docs() -> list[Path]:
    return [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.name != "CHANGELOG.md"]


def _templates() -> Iterator[tuple[Path, str]]:
    for path in (ROOT / "templates").rglob("*.*"):
        yield path, re.sub(r"{#.*?#}|{%.*?%}|<[^>]*>", " ", path.read_text(), flags=re.DOTALL)


def _found(text: str, pattern: re.Pattern[str]) -> list[str]:
    return [match[0] for match in pattern.finditer(" ".join(text.split()))]


def _where(texts: Iterator[tuple[Path, str]], pattern: re.Pattern[str]) -> dict[str, list[str]]:
    return {str(path.relative_to(ROOT)): words for path, text in texts if (words := _found(text, pattern))}


def test_nothing_is_archaic() -> None:
    texts = [*_templates(), *((path, path.read_text()) for path in _docs())]
    assert len(texts) > 150
    assert not _where(iter(texts), _pattern(ARCHAIC))


def test_pages_are_not_clumsy() -> None:
    assert not _where(_templates(), _pattern(CLUMSY))


@pytest.mark.parametrize("text", ["Made anew.", "a server of its\n own"])
def test_the_lists_find_what_they_name(text: str) -> None:
    assert _found(text, _pattern(ARCHAIC, CLUMSY))
