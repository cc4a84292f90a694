"""The page of expected reports, and the form of one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mailrelay.expected import changes
from mailrelay.models import ExpectedReport
from quazzar.access.roles import ROLES

pytestmark = pytest.mark.django_db
PAGE = "/admin/expected/"
NIGHTLY = {"kind": "daily", "at": "02:04"}
FORM = {"name": "photos", "schedule": "daily", "at": "02:00", "tolerance": "1", "tolerance_unit": "60"}


@pytest.fixture(autouse=True)
def _berlin(settings: Any) -> None:
    settings.QUAZZAR_TIME_ZONE = "Europe/Berlin"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def report(name: str = "nightly", **columns: Any) -> ExpectedReport:
    now = timezone.now()
    arrivals = [[round((now - timedelta(days=day, hours=1)).timestamp()), True] for day in range(9, -1, -1)]
    fields = {
        "kind": "backup",
        "title": name,
        "key": name,
        "state": "proposed",
        "schedule": NIGHTLY,
        "arrivals": arrivals,
        "last_at": now - timedelta(hours=1),
        "confidence": 1.0,
    }
    return ExpectedReport.objects.create(name=name, **{**fields, **columns})


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_each_state_is_said_in_words(console: Client) -> None:
    late = timezone.now() - timedelta(hours=2)
    report("a", state="late", since=late, due_at=late, late_at=late)
    report("b", state="failed")
    report("c", state="on_time", due_at=timezone.now())
    report("d", state="paused")
    report("e", state="learning", schedule=None)
    report("f", state="waiting", last_at=None, arrivals=[], muted_until=timezone.now() + timedelta(days=1))
    report("g")
    shown = text(console.get(PAGE))
    for words in (
        "Late",
        "Failed",
        "On time",
        "Paused",
        "Learning (1)",
        "Waiting",
        "Muted",
        "2 late or failed",
        "Watch g",
    ):
        assert words in shown
    assert re.search(r"[Dd]aily about 02:04 CES?T ± 20 min", shown)
    assert "No one is told when a report is late" in shown
    order = [shown.index(f'aria-label="Edit {name}"') for name in "abfcd"]
    assert order == sorted(order)


@pytest.mark.slow
def test_one_press_watches_and_others_ignore_pause_and_delete(console: Client) -> None:
    row = report()
    for verb, state in (("watch", "on_time"), ("pause", "paused"), ("ignore", "ignored")):
        answer = console.post(reverse(f"admin:expected_report_{verb}", args=[row.pk]), follow=True)
        row.refresh_from_db()
        assert row.state == state and "nightly is" in text(answer)
    console.post(reverse("admin:expected_report_delete", args=[row.pk]))
    assert not ExpectedReport.objects.exists()
    assert "No reports yet" in text(console.get(PAGE))


def test_what_has_no_schedule_is_not_watched_but_asked_for_one(console: Client) -> None:
    row = report(state="learning", schedule=None)
    answer = console.post(reverse("admin:expected_report_watch", args=[row.pk]), follow=True)
    assert answer.redirect_chain[-1][0] == reverse("admin:expected_report", args=[row.pk])
    assert "This report has no schedule yet" in text(answer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "stored", "tolerance"),
    [
        ({}, {"kind": "daily", "at": "02:00"}, 60),
        (
            {"schedule": "every", "every": "2", "every_unit": "60", "tolerance": ""},
            {"kind": "every", "minutes": 120},
            12,
        ),
        (
            {"schedule": "weekly", "days": ["monday", "friday"]},
            {"kind": "weekly", "days": ["monday", "friday"], "at": "02:00"},
            60,
        ),
        ({"schedule": "monthly", "day": "31"}, {"kind": "monthly", "day": 31, "at": "02:00"}, 60),
        (
            {"schedule": "weekday", "week": "first", "weekday": "sunday"},
            {"kind": "monthly", "week": "first", "weekday": "sunday", "at": "02:00"},
            60,
        ),
    ],
)
def test_a_report_is_added_by_hand_and_shown_as_it_was_typed(
    console: Client, typed: dict[str, Any], stored: dict[str, Any], tolerance: int
) -> None:
    assert console.post(reverse("admin:expected_report_add"), {**FORM, **typed}).status_code == 302
    row = ExpectedReport.objects.get()
    assert (row.schedule, row.tolerance, row.state) == (stored, tolerance, "waiting")
    again = console.get(reverse("admin:expected_report", args=[row.pk])).context["form"].initial
    console.post(reverse("admin:expected_report", args=[row.pk]), {**again, "mute": ""})
    row.refresh_from_db()
    assert (row.schedule, row.tolerance) == (stored, tolerance)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": ""}, "Enter a name."),
        ({"at": ""}, "Enter the time as 02:04"),
        ({"schedule": "weekly"}, "A weekly schedule needs days"),
        ({"schedule": "every", "every": "0"}, "Enter 1 or more."),
        ({"tolerance": "100000"}, "The tolerance must be 1 to 44,640 minutes."),
    ],
)
def test_what_is_typed_wrong_is_said_beside_it(console: Client, typed: dict[str, Any], sentence: str) -> None:
    answer = console.post(reverse("admin:expected_report_add"), {**FORM, **typed})
    assert answer.status_code == 200 and sentence in text(answer)
    assert not ExpectedReport.objects.exists()


def test_it_can_be_muted_and_stays_so_when_it_is_saved_again(console: Client) -> None:
    row = changes.watch(report().pk)
    at = reverse("admin:expected_report", args=[row.pk])
    form = console.get(at).context["form"].initial
    console.post(at, {**form, "mute": "1440"})
    row.refresh_from_db()
    until = row.muted_until
    assert until is not None and until > timezone.now() + timedelta(hours=23)
    form = console.get(at).context["form"].initial
    console.post(at, {**form, "name": "photos"})
    row.refresh_from_db()
    assert (row.name, row.muted_until) == ("photos", until)


def test_the_lists_are_fetched_again_only_when_something_changed(console: Client) -> None:
    row = report()
    headers = {"HX-Request": "true", "HX-Target": "expected"}
    first = console.get(PAGE, headers=headers)
    seen = text(first).partition('name="seen" value="')[2].partition('"')[0]
    assert console.get(PAGE, {"seen": seen}, headers=headers).status_code == 204
    changes.watch(row.pk)
    assert "On time" in text(console.get(PAGE, {"seen": seen}, headers=headers))


def test_a_viewer_sees_it_and_is_offered_nothing_to_press(client: Client) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.groups.add(Group.objects.get(name=ROLES[-1].name))
    client.force_login(viewer)
    row = report()
    shown = text(client.get(PAGE))
    assert "nightly" in shown and "Watch nightly" not in shown and "Add a report" not in shown
    own = reverse("admin:expected_report", args=[row.pk])
    assert own in shown
    page = text(client.get(own))
    assert "Latest reports" in page and "May be late by" not in page and "Pause" not in page
    assert client.post(own, {"name": "x"}).status_code == 403
    assert client.post(reverse("admin:expected_report_watch", args=[row.pk])).status_code == 403


def test_a_page_of_many_reports_asks_no_more_than_one_of_few(
    console: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        report(f"r{number}", state="on_time" if number % 2 else "proposed")
    with django_assert_max_num_queries(14):
        console.get(PAGE)
