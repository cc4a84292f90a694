"""Backup reports are read strictly and told in a mail."""

from __future__ import annotations

from typing import Any

import pytest

from mailrelay.mail import emails
from mailrelay.mail.emails import Email
from mailrelay.notices import backups
from tests.mailrelay.notices.bodies import backup_problems
from tests.mailrelay.notices.bodies import report as parse

FULL: dict[str, Any] = {
    "job": "nightly",
    "status": "success",
    "started_at": "2026-11-03T02:00:00Z",
    "finished_at": "2026-11-03T03:04:10+01:00",
    "size_bytes": 13_207_024_435,
    "message": "42 snapshots kept",
}


def mail(**changes: Any) -> Email:
    email = backups.render(parse({**FULL, **changes}), ["ops@example.com"])
    emails.check(email)
    return email


def test_a_full_report_is_read() -> None:
    report = parse(FULL)
    assert report.succeeded and report.job == "nightly" and report.size_bytes == 13_207_024_435
    assert report.finished_at is not None and report.finished_at.isoformat() == "2026-11-03T02:04:10+00:00"


@pytest.mark.parametrize(
    "empty", [{}, {"started_at": None, "finished_at": None, "size_bytes": None, "message": None}]
)
def test_job_and_status_are_all_it_needs(empty: dict[str, None]) -> None:
    report = parse({"job": "nightly", "status": "failure", **empty})
    assert (
        not report.succeeded
        and report.started_at is None
        and report.size_bytes is None
        and report.message == ""
    )


def test_a_report_that_is_wrong_is_refused_by_field(subtests: pytest.Subtests) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"job": None}, "job"),
        ({"job": ""}, "job"),
        ({"job": 7}, "job"),
        ({"job": "a\nb"}, "job"),
        ({"job": "x" * 201}, "job"),
        ({"status": None}, "status"),
        ({"status": "ok"}, "status"),
        ({"status": True}, "status"),
        ({"size_bytes": -1}, "size_bytes"),
        ({"size_bytes": "12"}, "size_bytes"),
        ({"size_bytes": 1.5}, "size_bytes"),
        ({"size_bytes": True}, "size_bytes"),
        ({"size_bytes": 2**63}, "size_bytes"),
        ({"message": ["x"]}, "message"),
        ({"duration": 5}, "duration"),
    ]
    for changes, field in cases:
        with subtests.test(changes=changes, field=field):
            assert list(backup_problems({**FULL, **changes})) == [field]


def test_a_start_that_is_the_end_and_no_bytes_are_fine() -> None:
    assert parse({**FULL, "finished_at": FULL["started_at"], "size_bytes": 0}).size_bytes == 0


def test_what_is_no_object_is_refused(subtests: pytest.Subtests) -> None:
    bodies: list[object] = [None, [], "nightly", 7]
    for body in bodies:
        with subtests.test(body=body):
            assert list(backup_problems(body)) == ["non_field_errors"]


def test_the_subject_says_how_it_went(subtests: pytest.Subtests) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "[Backup ok] nightly (12.3 GiB in 4 min 10 s)"),
        ({"size_bytes": None}, "[Backup ok] nightly (4 min 10 s)"),
        ({"started_at": None}, "[Backup ok] nightly (12.3 GiB)"),
        ({"started_at": None, "size_bytes": None}, "[Backup ok] nightly"),
        ({"status": "failure"}, "[Backup failed] nightly"),
    ]
    for changes, subject in cases:
        with subtests.test(changes=changes, subject=subject):
            assert mail(**changes).subject == subject


def test_a_long_job_name_leaves_room_for_the_figures() -> None:
    subject = mail(job="x" * 200).subject
    assert len(subject) == 150 and subject.endswith("… (12.3 GiB in 4 min 10 s)")


@pytest.mark.parametrize("part", ["text", "html"])
def test_the_mail_shows_everything_about_the_run(part: str) -> None:
    shown = getattr(mail(), part)
    for expected in (
        "2026-11-03 02:00:00 UTC",
        "2026-11-03 02:04:10 UTC",
        "4 min 10 s",
        "12.3 GiB",
        "42 snapshots kept",
    ):
        assert expected in shown


def test_a_jobs_output_keeps_its_lines_and_loses_its_colours_and_markup() -> None:
    email = mail(status="failure", message="rsync:\r\n\x1b[31m <b>No space\x00</b>")
    assert "rsync:\n <b>No space</b>" in email.text
    assert "&lt;b&gt;No space" in email.html and "<b>" not in email.html


def test_only_a_failure_is_urgent() -> None:
    assert mail(status="failure").headers["Importance"] == "high"
    assert mail().headers == {"Auto-Submitted": "auto-generated"}
