"""/api/mail/expected and /{id}."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from mailrelay.expected import arrivals
from mailrelay.models import ExpectedReport
from quazzar.access import apikeys
from quazzar.models import AuditEntry
from tests.conftest import with_key
from tests.contract.answers import error, ok, wrong

EXPECTED = "/api/mail/expected"
NIGHTLY = {"kind": "daily", "at": "02:04"}
KEYS = {
    "id", "name", "kind", "match", "source", "state", "since", "schedule", "schedule_text", "tolerance_minutes", "confidence",
    "last_at", "due_at", "late_at", "muted_until", "arrivals", "created_at",
}  # fmt: skip
SCHEDULES = [
    ({"kind": "every", "minutes": 90}, "every 90 minutes"),
    (NIGHTLY, "daily about 02:04"),
    ({"kind": "weekdays", "at": "18:30"}, "weekdays about 18:30"),
    ({"kind": "weekly", "days": ["sunday"], "at": "03:10"}, "weekly on Sunday about 03:10"),
    ({"kind": "monthly", "day": 1, "at": "05:00"}, "monthly on the 1st about 05:00"),
    ({"kind": "monthly", "day": 31, "at": "05:00"}, "monthly on the last day about 05:00"),
    (
        {"kind": "monthly", "week": "first", "weekday": "sunday", "at": "00:57"},
        "monthly on the first Sunday about 00:57",
    ),
]
NOT_SCHEDULES: list[Any] = [
    None, 5, "daily", [], {}, {"kind": 5}, {"kind": "yearly"}, {"kind": "every"}, {"kind": "every", "minutes": 0},
    {"kind": "every", "minutes": True}, {"kind": "every", "minutes": "5"}, {"kind": "every", "minutes": 10**9},
    {"kind": "daily"}, {"kind": "daily", "at": "2:04"}, {"kind": "daily", "at": "24:00"}, {"kind": "daily", "at": 5},
    {"kind": "weekly", "at": "02:04"}, {"kind": "weekly", "days": "monday", "at": "02:04"},
    {"kind": "weekly", "days": [[]], "at": "02:04"}, {"kind": "monthly", "day": 0, "at": "02:04"},
    {"kind": "monthly", "week": "fifth", "weekday": "monday", "at": "02:04"}, {"kind": "monthly", "at": "02:04"},
    {"kind": "monthly", "week": [], "weekday": "monday", "at": "02:04"}, {**NIGHTLY, "colour": "red"},
    {**NIGHTLY, "weekday": "someday"}, {**NIGHTLY, "minutes": 0}, {**NIGHTLY, "days": "monday"}, {**NIGHTLY, "week": 1},
]  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _berlin(settings: Any) -> None:
    settings.QUAZZAR_TIME_ZONE = "Europe/Berlin"
    arrivals.recent.forget()


def declared(api: APIClient, **fields: Any) -> Any:
    return ok(api.post(EXPECTED, {"name": "photos", "schedule": NIGHTLY, **fields}), 201)


def test_a_declared_report_is_201_and_shown_as_it_will_be_read(api: APIClient) -> None:
    made = declared(api)
    assert made == ok(api.get(f"{EXPECTED}/{made['id']}")) == ok(api.get(EXPECTED))["results"][0]
    assert made.keys() == KEYS
    assert (made["state"], made["kind"], made["match"], made["tolerance_minutes"]) == (
        "waiting",
        "any",
        "photos",
        20,
    )
    assert made["due_at"] is not None and made["last_at"] is None and made["arrivals"] == []


@pytest.mark.parametrize(("schedule", "words"), SCHEDULES)
def test_every_kind_of_schedule_is_taken_and_said(api: APIClient, schedule: Any, words: str) -> None:
    made = declared(api, schedule=schedule)
    assert (made["schedule"], made["schedule_text"]) == (schedule, words)


def test_what_is_no_schedule_is_refused(api: APIClient) -> None:
    for schedule in NOT_SCHEDULES:
        assert "schedule" in wrong(api.post(EXPECTED, {"name": "photos", "schedule": schedule}))
    assert not ExpectedReport.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "a\nb"), ("name", "x" * 201), ("name", 5), ("kind", "mail"), ("match", "a\nb"),
        ("tolerance_minutes", 0), ("tolerance_minutes", "20"), ("tolerance_minutes", 10**9), ("colour", "red"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_field(api: APIClient, field: str, value: Any) -> None:
    assert field in wrong(api.post(EXPECTED, {"name": "photos", "schedule": NIGHTLY, field: value}))


def test_the_first_report_that_fits_is_taken_for_it(api: APIClient) -> None:
    made = declared(api, kind="backup")
    ok(api.post("/api/mail/backups", {"job": "all photos", "status": "success"}), 202)
    ok(api.post("/api/mail/backups", {"job": "music", "status": "failure"}), 202)
    read = ok(api.get(f"{EXPECTED}/{made['id']}"))
    assert (read["match"], read["name"], [one["ok"] for one in read["arrivals"]]) == (
        "all photos",
        "photos",
        [True],
    )
    (music,) = ok(api.get(f"{EXPECTED}?state=learning"))["results"]
    assert [one["ok"] for one in music["arrivals"]] == [False]


def test_messages_are_known_by_key_and_subject(operator: User, api: APIClient, relay: Any) -> None:
    sender = with_key(apikeys.mint(operator, "nas", ["mail:send"])[1])
    for day in (3, 4):
        ok(
            sender.post(
                "/api/mail/messages",
                {"to": ["ops@example.com"], "subject": f"Backup of 2026-11-0{day}", "text": "x"},
            ),
            202,
        )
    (found,) = ok(api.get(EXPECTED))["results"]
    assert (found["kind"], found["source"], found["match"]) == ("message", "nas", "Backup of #")


def test_a_change_counts_at_once_and_put_resets_what_is_absent(api: APIClient) -> None:
    made = declared(api, tolerance_minutes=90)
    at = f"{EXPECTED}/{made['id']}"
    muted = ok(api.patch(at, {"muted_until": "2030-01-01T00:00:00Z"}))
    assert (muted["muted_until"], muted["tolerance_minutes"]) == ("2030-01-01T00:00:00Z", 90)
    put = ok(api.put(at, {"name": "pictures", "schedule": {"kind": "every", "minutes": 60}}))
    assert (put["name"], put["tolerance_minutes"], put["muted_until"]) == ("pictures", 20, None)
    assert put["schedule_text"] == "every hour" and put["due_at"] != made["due_at"]
    assert "schedule" in wrong(api.patch(at, {"schedule": {"kind": "every"}}))
    assert ok(api.get(at))["name"] == "pictures"
    assert ok(api.put(at, put))["schedule"] == put["schedule"]  # what was read can be sent back


def test_watch_pause_ignore_and_delete(api: APIClient) -> None:
    row = ExpectedReport.objects.create(name="nightly", title="nightly", key="k", kind="backup")
    at = f"{EXPECTED}/{row.pk}"
    error(api.post(f"{at}/watch"), 409, "no_schedule")
    error(api.post(f"{at}/pause"), 409, "no_schedule")
    assert ok(api.patch(at, {"schedule": NIGHTLY}))["state"] == "proposed"
    for verb, state in (
        ("ignore", "ignored"),
        ("watch", "waiting"),
        ("pause", "paused"),
        ("watch", "waiting"),
    ):
        assert ok(api.post(f"{at}/{verb}"))["state"] == state
    assert api.delete(at).status_code == 204
    error(api.post(f"{at}/watch"), 404, "not_found")
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert [action.partition(".")[2] for action in actions if action.startswith("expected_report")] == [
        "changed", "ignored", "watched", "paused", "watched", "deleted",
    ]  # fmt: skip


def test_the_same_idempotency_key_declares_once(api: APIClient) -> None:
    body, headers = {"name": "photos", "schedule": NIGHTLY}, {"Idempotency-Key": "k"}
    first = ok(api.post(EXPECTED, body, headers=headers), 201)
    assert ok(api.post(EXPECTED, body, headers=headers), 201) == first
    assert ExpectedReport.objects.count() == 1


def test_a_list_costs_the_same_however_long_it_is(
    api: APIClient, operator: User, django_assert_max_num_queries: Any
) -> None:
    ExpectedReport.objects.bulk_create(
        ExpectedReport(name=f"r{n}", title=f"r{n}", key=f"k{n}", schedule=NIGHTLY, arrivals=[[n, True]])
        for n in range(60)
    )
    with django_assert_max_num_queries(6):
        assert ok(api.get(f"{EXPECTED}?page_size=60&ordering=-name&search=r"))["count"] == 60
