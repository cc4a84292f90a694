"""The rows as they are in the database, read past the product."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: See HourlyCount.STOCK.
_STOCK = "1970-01-01 00:00:00"


class Rows:
    """Questions to one database: a SQLite file, or the URL of a PostgreSQL."""

    def __init__(self, where: Path | str) -> None:
        self._where = where

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows; ``?`` are the values."""
        if isinstance(self._where, str):
            with psycopg.connect(self._where) as connection:
                return connection.execute(question.replace("?", "%s").encode(), values).fetchall()
        with closing(sqlite3.connect(self._where, timeout=30)) as database:
            return database.execute(question, values).fetchall()

    def messages(self, subjects: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        """Subject → status and attempts of each message that has it."""
        found: dict[str, list[tuple[str, int]]] = {}
        for first in range(0, len(subjects), 400):
            batch = subjects[first : first + 400]
            places = ", ".join("?" * len(batch))
            question = f"SELECT subject, status, attempts FROM mailrelay_message WHERE subject IN ({places})"
            for subject, status, attempts in self.ask(question, *batch):
                found.setdefault(subject, []).append((status, attempts))
        return found

    def statuses(self) -> dict[str, int]:
        """How many messages there are in each status."""
        found = dict(self.ask("SELECT status, count(*) FROM mailrelay_message GROUP BY status"))
        return {
            status: found.get(status, 0) for status in ("queued", "sending", "retrying", "sent", "failed")
        }

    def waiting(self) -> list[tuple[int, str, str]]:
        """Id, status and subject of what has not left yet and still may."""
        question = "SELECT id, status, subject FROM mailrelay_message WHERE status NOT IN ('sent', 'failed')"
        return [(int(number), str(status), str(subject)) for number, status, subject in self.ask(question)]

    def counted(self, outcome: str) -> tuple[int, int]:
        """What is counted of an outcome now, and over all hours."""
        question = "SELECT hour = ?, sum(number) FROM mailrelay_hourlycount WHERE outcome = ? GROUP BY 1"
        stock = f"{_STOCK}+00" if isinstance(self._where, str) else _STOCK
        found = {bool(is_stock): int(number) for is_stock, number in self.ask(question, stock, outcome)}
        return found.get(True, 0), found.get(False, 0)
