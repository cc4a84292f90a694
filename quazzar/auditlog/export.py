"""Entries of the audit log as CSV and as JSON lines, one line at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quazzar import spreadsheets
from quazzar.auditlog import sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quazzar.models import AuditEntry

COLUMNS = ("id", "at", "who", "sentence", "address", "actor", "action", "target", "fields", "changes")


def as_dict(entry: AuditEntry) -> dict[str, Any]:
    """The entry as the API and JSON lines show it."""
    said = sentences.sentence(entry)
    return {
        "id": entry.pk,
        "at": entry.at.isoformat().replace("+00:00", "Z"),
        "who": said.who,
        "sentence": f"{said}.",
        "address": entry.address,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "fields": entry.fields,
        "changes": entry.changes,
    }


def json_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Each entry as an object in a line of its own (https://jsonlines.org/)."""
    for entry in entries:
        yield json.dumps(as_dict(entry), ensure_ascii=False) + "\n"


def csv_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """A heading, then a line for each entry; no cell is a formula in a spreadsheet."""
    yield spreadsheets.line(COLUMNS)
    for entry in entries:
        values = as_dict(entry)
        values["fields"] = ", ".join(entry.fields)
        values["changes"] = "; ".join(
            f"{each.field}: {each.before} → {each.after}" for each in sentences.values(entry)
        )
        yield spreadsheets.line(str(values[name]) for name in COLUMNS)
