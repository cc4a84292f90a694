"""Backup reports, and the mail about one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.template.loader import render_to_string

from mailrelay.mail.emails import Email
from mailrelay.notices.origin import NOWHERE, Origin
from quazzar import words

_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class BackupReport:
    """How one run of a backup job ended.

    Attributes:
        message: what the job itself says; may have several lines.
    """

    job: str
    succeeded: bool
    started_at: datetime | None = None
    finished_at: datetime | None = None
    size_bytes: int | None = None
    message: str = ""


def render(report: BackupReport, recipients: Sequence[str], origin: Origin = NOWHERE) -> Email:
    """The mail about one run."""
    context = {
        "headline": f"Backup {report.job} {'succeeded' if report.succeeded else 'failed'}",
        "color": "#1a7f37" if report.succeeded else "#b3261e",
        "rows": _rows(report),
        "message": report.message,
        "origin": origin,
    }
    headers = {"Auto-Submitted": "auto-generated"}
    if not report.succeeded:
        headers |= {"X-Priority": "1", "Importance": "high"}
    return Email(
        to=[*recipients],
        subject=subject(report),
        text=render_to_string("mail/backup.txt", context).strip() + "\n",
        html=render_to_string("mail/backup.html", context),
        headers=headers,
    )


def subject(report: BackupReport) -> str:
    """[Backup ok] nightly (12.3 GiB in 4 min), or [Backup failed] nightly."""
    if not report.succeeded:
        return words.one_line(f"[Backup failed] {report.job}", _SUBJECT)
    figures = " in ".join(figure for figure in (_size(report), _took(report)) if figure)
    tail = f" ({figures})" if figures else ""
    return words.one_line(f"[Backup ok] {report.job}", _SUBJECT - len(tail)) + tail


def _size(report: BackupReport) -> str:
    return "" if report.size_bytes is None else words.size(report.size_bytes)


def _took(report: BackupReport) -> str:
    if report.started_at is None or report.finished_at is None:
        return ""
    return words.duration(report.finished_at - report.started_at)


def _rows(report: BackupReport) -> list[tuple[str, str]]:
    rows = [
        ("Job", report.job),
        ("Started", words.moment(report.started_at) if report.started_at else ""),
        ("Finished", words.moment(report.finished_at) if report.finished_at else ""),
        ("Took", _took(report)),
        ("Size", _size(report)),
    ]
    return [(name, value) for name, value in rows if value]
