"""Captured mail on the disk."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo import store


def test_the_newest_comes_first_and_a_page_ends_where_the_next_begins(tmp_path: Path) -> None:
    numbers = [
        store.keep(tmp_path, f"from{n}@a.example", [f"to{n}@b.example"], b"Subject: x\r\n\r\n")
        for n in range(5)
    ]
    first = store.listed(tmp_path, 2)
    assert [mail.number for mail in first] == numbers[:2:-1]
    second = store.listed(tmp_path, 9, before=first[-1].number)
    assert [mail.number for mail in second] == numbers[2::-1]
    assert (first[0].sender, first[0].recipients) == ("from4@a.example", ("to4@b.example",))


def test_a_mail_is_found_whole_and_another_number_is_not(tmp_path: Path) -> None:
    data = b"Subject: long\r\n\r\n" + b"x" * 100_000
    number = store.keep(tmp_path, "", ["a@b.example"], data)
    found = store.find(tmp_path, number)
    assert found is not None and found.data == data
    assert len(store.listed(tmp_path, 1)[0].data) < len(data)
    assert store.find(tmp_path, number + 1) is None


def test_a_mail_that_is_moved_came_then(tmp_path: Path) -> None:
    then = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)
    for text in (b"1", b"2"):
        store.move(tmp_path, store.keep(tmp_path, "", ["a@b.example"], text), then)
    assert [mail.at.replace(microsecond=0) for mail in store.listed(tmp_path, 9)] == [then, then]


def test_old_ones_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 3)
    numbers = [store.keep(tmp_path, "", ["a@b.example"], b"x") for _ in range(5)]
    assert [mail.number for mail in store.listed(tmp_path, 9)] == numbers[:1:-1]


def test_those_that_came_later_are_found(tmp_path: Path) -> None:
    first, second = (store.keep(tmp_path, "", [f"{n}@b.example"], b"x") for n in range(2))
    assert [mail.number for mail in store.newer(tmp_path, first)] == [second]
    assert store.newer(tmp_path, second) == []
