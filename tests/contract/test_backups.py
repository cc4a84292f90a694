"""POST /api/mail/backups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from mailrelay.models import Message, RelaySettings
from tests.contract.answers import BACKUPS, MESSAGES, error, ok, wrong

Keyed = Callable[..., Any]
FULL: dict[str, Any] = {
    "job": "nightly", "status": "failure", "started_at": "2026-11-03T04:00:00Z",
    "finished_at": "2026-11-03T05:00:00.5+01:00", "size_bytes": 1_048_576,
    "message": "No space left\non device",
}  # fmt: skip
SUCCESS = FULL | {"status": "success"}


@pytest.fixture
def recipients(relay: RelaySettings) -> RelaySettings:
    """A relay with backup recipients."""
    relay.backup_recipients = ["archive@example.com"]
    relay.save()
    return relay


@pytest.fixture
def wished(recipients: RelaySettings) -> RelaySettings:
    """The operator wants mails about successes too."""
    recipients.notify_backup_success = True
    recipients.save()
    return recipients


# --- queued ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body", [FULL, {"job": "nightly", "status": "failure"}, FULL | {"size_bytes": 0, "message": ""}]
)
def test_a_failure_is_queued(api: APIClient, recipients: RelaySettings, body: dict[str, Any]) -> None:
    answer = ok(api.post(BACKUPS, body), 202)
    row = Message.objects.get()
    assert answer == {"delivery": "queued", "id": row.pk}
    assert (row.source, row.to, row.subject) == ("backup", ["archive@example.com"], "[Backup failed] nightly")
    assert ok(api.get(f"{MESSAGES}/{row.pk}"))["source"] == "backup"


def test_a_success_is_queued_when_that_is_wished(api: APIClient, wished: RelaySettings) -> None:
    answer = ok(api.post(BACKUPS, SUCCESS), 202)
    assert answer == {"delivery": "queued", "id": Message.objects.get().pk}
    assert Message.objects.get().subject.startswith("[Backup ok] nightly")


def test_two_runs_are_two_mails(api: APIClient, recipients: RelaySettings) -> None:
    assert ok(api.post(BACKUPS, FULL), 202)["id"] != ok(api.post(BACKUPS, FULL), 202)["id"]


@pytest.mark.parametrize(
    "part",
    [
        {"started_at": None, "finished_at": None, "size_bytes": None, "message": None},
        {"size_bytes": 2**63 - 1},
        {"finished_at": "2026-11-03T04:00:00Z"}, {"message": "x" * 100_000}, {"message": "a\x00\x1b[0m"},
        {"job": "Nächtlich"},
        {"started_at": "2026-11-03t04:00:00z"}, {"job": "x" * 200},
    ],
    ids=lambda part: repr(part)[:50],
)  # fmt: skip
def test_what_a_report_may_hold_is_taken(api: APIClient, wished: RelaySettings, part: dict[str, Any]) -> None:
    assert ok(api.post(BACKUPS, SUCCESS | part), 202)["delivery"] == "queued"
    assert Message.objects.get().subject.isprintable()


START = "Started: 2026-11-03 04:00:00 UTC"
#: A time, and whether it is read as four o'clock. RFC 3339 §5.6; ISO 8601 without a colon is what `date +%FT%T%z` and
#: PHP's DATE_ISO8601 write, no zone what borg does.
TIMES: list[tuple[Any, bool]] = [
    ("2026-11-03T04:00:00Z", True), ("2026-11-03T05:00:00+0100", True), ("2026-11-03T04:00:00+00", True),
    ("2026-11-03 04:00:00.5+00:00", True), ("2026-11-03T04:00:00,123456789+00:00", True),
    ("2026-11-03 05:00:00 +0100", True), ("2026-11-03 04:00:00 UTC", True), ("2026-11-03T04:00Z", True),
    ("Tue, 03 Nov 2026 05:00:00 +0100", True), ("3 Nov 2026 04:00:00 GMT", True), (1_793_678_400, True),
    (1_793_678_400.25, True),
    ("2026-11-03T04:00:00", False), ("2026-11-03T04:00:00.123456", False), ("2026-11-03", False), ("04:00", False),
    ("yesterday", False), ("", False), (" ", False), (None, False), (True, False), ([], False), ({}, False),
    (0, False), (5, False), (-1, False), (1_793_678_400_000, False), (1e300, False), ("1793678400", False),
    ("0001-01-01T00:00:00Z", False), ("0001-01-01T00:00:00+23:59", False), ("9999-12-31T23:59:59-23:59", False),
    ("1970-01-01T00:00:00Z", False), ("2026-13-03T04:00:00Z", False), ("2026-02-30T04:00:00Z", False),
    ("31 Feb 2026 04:00:00 +0000", False), ("Tue Nov  3 05:00:00 CET 2026", False), ("x" * 100_000, False),
    ("2026-11-03T04:00:00Z\r\nBcc: x", False),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["started_at", "finished_at"])
def test_a_report_is_mailed_whatever_its_times_look_like(
    api: APIClient, recipients: RelaySettings, name: str, subtests: pytest.Subtests
) -> None:
    shown = {"started_at": START, "finished_at": START.replace("Started", "Finished")}[name]
    for value, is_read in TIMES:
        with subtests.test(ascii(value)[:80]):
            body = {"job": "nightly", "status": "failure", name: value}
            pk = ok(api.post(BACKUPS, body), 202)["id"]
            payload = Message.objects.get(pk=pk).body
            assert payload is not None
            assert (shown in payload.reveal().decode()) is is_read


def test_an_end_before_the_start_is_left_out(api: APIClient, recipients: RelaySettings) -> None:
    ok(api.post(BACKUPS, FULL | {"finished_at": "2026-11-03T03:59:59Z"}), 202)
    payload = Message.objects.get().body
    assert payload is not None
    text = payload.reveal().decode()
    assert START in text
    assert "Finished" not in text
    assert "Took" not in text


# --- logged ------------------------------------------------------------------------------------------------
def warnings(caplog: Any) -> list[str]:
    return [
        one.getMessage()
        for one in caplog.records
        if one.levelname == "WARNING" and "backup" in one.getMessage()
    ]


def test_a_success_is_only_logged_unless_that_is_wished(
    api: APIClient, recipients: RelaySettings, caplog: Any
) -> None:
    assert ok(api.post(BACKUPS, SUCCESS), 202) == {"delivery": "logged"}
    assert any("nightly" in one.getMessage() for one in caplog.records)
    assert not Message.objects.exists()


def test_without_a_relay_a_failure_is_a_warning(api: APIClient, caplog: Any) -> None:
    assert ok(api.post(BACKUPS, FULL), 202) == {"delivery": "logged"}
    assert len(warnings(caplog)) == 1 and "no relay" in warnings(caplog)[0]


@pytest.mark.parametrize("body", [FULL, SUCCESS])
def test_without_a_recipient_it_is_a_warning(
    api: APIClient, wished: RelaySettings, caplog: Any, body: Any
) -> None:
    wished.backup_recipients = []
    wished.save()
    assert ok(api.post(BACKUPS, body), 202) == {"delivery": "logged"}
    assert len(warnings(caplog)) == 1 and "no recipient" in warnings(caplog)[0]


# --- refused -----------------------------------------------------------------------------------------------
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"job": None}, "job"), ({"job": ""}, "job"), ({"job": 5}, "job"), ({"job": "a\r\nBcc: x"}, "job"),
    ({"job": "x" * 201}, "job"),
    ({"status": None}, "status"), ({"status": "ok"}, "status"), ({"status": True}, "status"),
    ({"status": []}, "status"),
    ({"status": {}}, "status"),
    ({"size_bytes": -1}, "size_bytes"), ({"size_bytes": 1.5}, "size_bytes"),
    ({"size_bytes": "5"}, "size_bytes"),
    ({"size_bytes": True}, "size_bytes"), ({"size_bytes": 2**63}, "size_bytes"), ({"message": 5}, "message"),
    ({"message": []}, "message"), ({"nope": 1}, "nope"), ({"id": 1}, "id"),
]  # fmt: skip


def test_what_is_no_report_is_refused_by_its_field(
    api: APIClient, recipients: RelaySettings, subtests: pytest.Subtests
) -> None:
    for part, field in REFUSED:
        with subtests.test(ascii((part, field))[:80]):
            assert list(wrong(api.post(BACKUPS, FULL | part))) == [field]
            assert not Message.objects.exists()


def test_job_and_status_are_required(api: APIClient) -> None:
    assert wrong(api.post(BACKUPS, {})).keys() == {"job", "status"}


def test_a_size_beyond_reason_is_400(
    api: APIClient, recipients: RelaySettings, subtests: pytest.Subtests
) -> None:
    for raw in [b"1e400", b"-1e400", b"9" * 4000]:
        with subtests.test(ascii(raw)[:80]):
            body = b'{"job": "x", "status": "failure", "size_bytes": %s}' % raw
            assert list(wrong(api.post(BACKUPS, body, content_type="application/json"))) == ["size_bytes"]


# --- once --------------------------------------------------------------------------------------------------
def test_the_same_key_and_body_is_one_mail(keyed: Keyed, recipients: RelaySettings) -> None:
    assert ok(keyed(BACKUPS, FULL), 202) == ok(keyed(BACKUPS, FULL), 202)
    error(keyed(BACKUPS, FULL | {"job": "weekly"}), 409, "idempotency_conflict")
    assert Message.objects.count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_eight_at_once_with_one_key_are_one_mail(
    keyed: Keyed, recipients: RelaySettings, rings: list[str], at_once: Any
) -> None:
    answers = at_once(8, lambda: keyed(BACKUPS, FULL))
    assert len({ok(answer, 202)["id"] for answer in answers}) == 1
    assert Message.objects.count() == len(rings) == 1
