"""The difference between two versions of a file: together with the old one it makes the new one, to the byte."""

from __future__ import annotations

import random

import pytest

from mailboxes.push import splice as module
from mailboxes.push.splice import Splice, splice


def made(old: bytes, pieces: Splice) -> bytes:
    """As the script in the container puts it together."""
    kept = old[pieces.at : pieces.at + pieces.length]
    rest = old[pieces.rest :] if pieces.rest >= 0 else b""
    return b"".join((pieces.first, b"\n", kept, pieces.middle, rest))


def test_any_change_of_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    for number in range(2000):
        monkeypatch.setattr(module, "WORTH_IT", chance.choice((0, 1, 20)))
        monkeypatch.setattr(module, "_BLOCK", chance.choice((1, 2, 64)))
        lines = [chance.choice(("a", "b", "ab", "", "aaaa")) for _ in range(chance.randrange(12))]
        old = "\n".join([f"# {number}", *lines, ""]).encode()
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(lines) + 1)
            lines[at : at + chance.randrange(3)] = chance.choices(("a", "ab", "b"), k=chance.randrange(3))
        new = "\n".join([f"# {number + chance.choice((1, 1000))}", *lines, ""]).encode()
        assert made(old, splice(old, new)) == new
        assert made(b"", splice(b"", new)) == new


def test_one_line_costs_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_IT", 10_000)
    lines = [f"user{number:06d}@example.com:{'z' * 150}" for number in range(20_000)]
    old = "\n".join(["# 1", *lines, ""]).encode()
    lines[7000] = lines[7000].replace("z", "y")
    assert len(splice(old, "\n".join(["# 2", *lines, ""]).encode()).middle) == 150
    lines.insert(7001, "new")
    assert len(splice(old, "\n".join(["# 3", *lines, ""]).encode()).middle) < 400


def test_a_short_file_is_sent_as_a_whole() -> None:
    assert splice(b"# 1\na\nb\n", b"# 2\na\nc\n") == Splice(b"# 2", 0, 0, b"a\nc\n", -1)
