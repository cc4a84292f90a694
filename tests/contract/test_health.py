"""GET /api/mail/health and its history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from rest_framework.test import APIClient

from quazzar.models import Finding, FindingChange
from quazzar.monitoring import doctor
from quazzar.monitoring.doctor import Area, failed, ok
from quazzar.rights import SEE_RELAY

HEALTH, HISTORY = "/api/mail/health", "/api/mail/health/history"


@pytest.fixture
def found(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay has failed for an hour; there is room on the disk."""
    monkeypatch.setattr(doctor, "_registered", {})
    doctor.register("disk", lambda: ok("x"))
    doctor.register("relay", lambda: failed("x"), area=Area.RELAY, page="admin:mail_relay", right=SEE_RELAY)
    now = timezone.now()
    Finding.objects.create(check_name="disk", level="ok", sentence="9 GiB free.", since=now, checked_at=now)
    since = now - timedelta(hours=1)
    Finding.objects.create(
        check_name="relay",
        area="relay",
        level="failed",
        sentence="Refused.",
        advice="Test it.",
        since=since,
        checked_at=now,
    )
    for name, level in (("relay", "ok"), ("disk", "ok"), ("relay", "failed")):
        FindingChange.objects.create(check_name=name, level=level, sentence="So.", at=since)


def test_it_tells_of_every_check_the_worst_first(api: APIClient, found: None) -> None:
    told = api.get(HEALTH).json()
    assert set(told) == {"level", "checks"}
    assert told["level"] == "failed"
    relay, disk = told["checks"]
    assert relay.pop("since") < relay.pop("checked_at")
    assert relay == {
        "name": "relay",
        "area": "relay",
        "level": "failed",
        "sentence": "Refused.",
        "advice": "Test it.",
        "is_idle": False,
        "is_old": False,
        "page": "/admin/mail-relay/",
    }
    assert (disk["name"], disk["area"], disk["level"], disk["page"]) == ("disk", "node", "ok", None)


def test_what_nobody_has_checked_lately_is_unknown(api: APIClient, found: None) -> None:
    Finding.objects.update(checked_at=timezone.now() - timedelta(minutes=9))
    relay, disk = api.get(HEALTH).json()["checks"]
    assert (relay["level"], relay["is_old"]) == ("failed", True)
    assert (disk["level"], disk["is_old"]) == ("unknown", True)
    assert disk["sentence"].startswith("Not checked for 9 min.")


def test_a_key_sees_what_its_user_may_see(
    found: None, other_staff: User, client_with: Callable[..., APIClient]
) -> None:
    client = client_with(other_staff, "mail:read")
    told = client.get(HEALTH).json()
    assert (told["level"], [check["name"] for check in told["checks"]]) == ("ok", ["disk"])
    assert [row["name"] for row in client.get(HISTORY).json()["results"]] == ["disk"]
    other_staff.groups.add(Group.objects.get(name="Viewer"))
    assert client.get(HEALTH).json()["level"] == "failed"


def test_a_key_needs_the_scope_and_the_node_the_plan(
    found: None, operator: User, client_with: Callable[..., APIClient], plan: Callable[[str], None]
) -> None:
    for path in (HEALTH, HISTORY):
        assert APIClient().get(path).status_code == 401
        assert client_with(operator, "mail:send").get(path).status_code == 403
    plan("community")
    assert client_with(operator).get(HEALTH).status_code == 402


def test_the_history_is_a_list_with_filters(api: APIClient, found: None) -> None:
    told = api.get(HISTORY).json()
    assert [(row["name"], row["level"]) for row in told["results"]] == [
        ("relay", "failed"),
        ("disk", "ok"),
        ("relay", "ok"),
    ]
    assert set(told["results"][0]) == {"name", "level", "sentence", "at"}
    assert api.get(HISTORY, {"name": "relay"}).json()["count"] == 2
    assert api.get(HISTORY, {"name": "relay", "level": "ok"}).json()["count"] == 1
    assert api.get(HISTORY, {"check": "relay"}).status_code == 400
