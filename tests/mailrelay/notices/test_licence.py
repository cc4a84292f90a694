"""Mails about the licence, the banner, the doctor's line and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailrelay.models import LicenceWatch, Message, RelaySettings
from mailrelay.notices import licence
from mailrelay.tasks import watch_licence
from quazzar.monitoring import nodechecks
from tests.conftest import signed

DAY = 86_400


@pytest.fixture
def told(relay: RelaySettings, settings: Any, tmp_path: Any) -> Callable[..., list[str]]:
    """``told("pro", 3 * DAY)``: the subjects of all mails so far, once this licence is installed and checked."""
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "license.jwt"
    relay.alert_recipients = ["ops@example.com"]
    relay.save()

    def look(plan: str = "", seconds: float = 30 * DAY) -> list[str]:
        if plan:
            settings.QUAZZAR_LICENSE_FILE.write_text(signed(plan, seconds=int(seconds)))
        else:
            settings.QUAZZAR_LICENSE_FILE.unlink(missing_ok=True)
        watch_licence()
        subjects = Message.objects.order_by("pk").values_list("subject", flat=True)
        return [subject.split(": ", 1)[1] for subject in subjects]

    return look


def test_each_warning_and_the_lapse_are_mailed_once(told: Callable[..., list[str]], api: Any) -> None:
    assert told("pro") == []
    expected: list[str] = []
    for seconds, subject in [
        (14 * DAY, "Mail Relay ends in 14 days"),
        (7 * DAY, "Mail Relay ends in 7 days"),
        (DAY - 60, "Mail Relay ends in 24 h"),
    ]:
        expected.append(subject)
        assert told("pro", seconds) == expected
        watch_licence()
        assert Message.objects.count() == len(expected)
    expected.append("alerts are refused from now on")
    assert told("pro", -1) == expected == told("pro", -1)
    assert api.post("/api/mail/alerts", {"rule": "Disk"}).status_code == 402
    last = Message.objects.order_by("-pk")[0]
    assert last.body is not None and "402" in str(last.body.reveal())
    assert (last.to, last.status) == (["ops@example.com"], "queued")
    assert told("business") == [*expected, "alerts are accepted again"]


@pytest.mark.parametrize(("plan", "seconds"), [("", 0), ("community", 30 * DAY), ("nonsense", 30 * DAY)])
def test_a_licence_that_is_taken_away_is_a_lapse_as_well(
    told: Callable[..., list[str]], plan: str, seconds: int
) -> None:
    assert told("pro") == []
    assert told(plan, seconds) == ["alerts are refused from now on"]


def test_a_node_that_never_had_a_licence_hears_nothing(told: Callable[..., list[str]]) -> None:
    assert told() == told() == []
    assert LicenceWatch.objects.get().is_entitled is False


def test_without_a_relay_it_is_logged_once(db: None, plan: Any, caplog: pytest.LogCaptureFixture) -> None:
    licence.watch()
    plan("community")
    for _ in range(3):
        licence.watch()
    assert caplog.text.count("alerts are refused from now on") == 2  # what it is, and why it was not mailed


@pytest.mark.slow
def test_a_banner_says_so_for_the_last_two_weeks(
    client: Client, operator: User, told: Callable[..., list[str]], other_staff: User
) -> None:
    told("pro", 20 * DAY)
    for user in (operator, other_staff):
        client.force_login(user)
        assert "Your licence ends" not in client.get("/admin/tables/").content.decode()
    told("pro", 6 * DAY + 60)
    for user in (operator, other_staff):
        client.force_login(user)
        for page in ("/admin/tables/", "/admin/password_change/"):
            shown = client.get(page).content.decode()
            assert "Your licence ends in 6 days." in shown
            assert ("Install a licence" in shown) == user.is_superuser
    client.logout()
    assert "Your licence ends" not in client.get("/admin/login/").content.decode()


def test_the_lock_card_says_what_is_refused(client: Client, operator: User, plan: Any) -> None:
    plan("community")
    client.force_login(operator)
    page = client.get("/admin/mail-relay/").content.decode()
    assert "refused with 402 and not kept" in page and "Nothing is lost" not in page


@pytest.mark.slow
def test_doctor_and_metrics_know(client: Client, told: Callable[..., list[str]]) -> None:
    told("pro", 20 * DAY)
    assert nodechecks.licence().level == "ok"
    told("pro", 3 * DAY + 60)
    assert "ends in 3 days. After that, the API refuses alerts" in nodechecks.licence().sentence
    shown = client.get("/metrics").content.decode()
    assert "quazzar_licence_valid 1.0" in shown
    stamp = float(shown.split("\nquazzar_licence_expiry_timestamp_seconds ")[1].split("\n")[0])
    assert abs(stamp - (timezone.now() + timedelta(days=3)).timestamp()) < 300
    told("pro", -1)
    shown = client.get("/metrics").content.decode()
    assert "quazzar_licence_valid 0.0" in shown and "quazzar_licence_expiry" not in shown
