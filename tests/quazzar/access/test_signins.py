"""Sign-ins, failures, lockouts and sign-outs in the audit log."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from quazzar.access import signins
from quazzar.models import AuditEntry

pytestmark = pytest.mark.django_db
#: Typed into the wrong field.
SECRET = "hunter2-in-the-name-field"


def sign_in(name: str = "operator", password: str = "operator-pass", address: str = "203.0.113.5") -> Client:
    client = Client(REMOTE_ADDR=address)
    client.post("/admin/login/", {"username": name, "password": password})
    return client


def entries() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("actor", "action", "target"))


def addresses() -> set[str]:
    return set(AuditEntry.objects.values_list("address", flat=True))


def test_signing_in_and_out_is_recorded(operator: User) -> None:
    sign_in().post("/admin/logout/")
    assert entries() == [
        ("user:operator", "operator.signed_in", "operator"),
        ("user:operator", "operator.signed_out", "operator"),
    ]
    assert addresses() == {"203.0.113.5"}
    assert set(AuditEntry.objects.values_list("user_id", flat=True)) == {operator.pk}


def test_a_failure_is_recorded_with_a_known_name_alone(operator: User) -> None:
    sign_in(password="wrong-but-secret")
    sign_in(SECRET, "whatever")
    assert entries() == [
        ("anonymous", "operator.sign_in_failed", "operator"),
        ("anonymous", "operator.sign_in_failed", "an unknown name"),
    ]
    assert addresses() == {"203.0.113.5"}
    rows = str([vars(row) for row in AuditEntry.objects.all()])
    assert SECRET not in rows and "wrong-but-secret" not in rows


def test_who_may_not_open_the_console_is_a_failure_too(outsider: User) -> None:
    sign_in("outsider", "outsider-pass")
    assert entries() == [("anonymous", "operator.sign_in_failed", "outsider")]


def test_changing_ones_own_password_is_recorded(operator: User) -> None:
    client = sign_in()
    typed = {"old_password": "operator-pass", "new_password1": "short", "new_password2": "short"}
    client.post("/admin/password_change/", typed)
    assert "operator.changed" not in {action for _, action, _ in entries()}
    client.post(
        "/admin/password_change/",
        {**typed, "new_password1": "a-long-one-42", "new_password2": "a-long-one-42"},
    )
    entry = AuditEntry.objects.get(action="operator.changed")
    assert (entry.actor, entry.target, entry.fields) == ("user:operator", "operator", ["password"])


@pytest.mark.slow
def test_a_lockout_is_recorded_and_repeated_failures_are_not(
    operator: User, settings: pytest.FixtureRequest
) -> None:
    for _ in range(15):
        sign_in(password="wrong")
    assert [action for _, action, _ in entries()] == ["operator.sign_in_failed", "operator.locked_out"]


@pytest.mark.slow
def test_strangers_cannot_fill_the_log(
    operator: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(signins, "_MOST_FAILURES", 3)
    for number in range(8):
        sign_in(f"name{number}", "wrong", address=f"198.51.100.{number}")
    assert AuditEntry.objects.count() == 3
    assert "not in the audit log" in caplog.text
    monkeypatch.setattr(signins, "_AGAIN_AFTER", timedelta(0))
    sign_in()
    assert entries()[-1][1] == "operator.signed_in"


def test_signing_in_without_a_network_is_nobodys(operator: User) -> None:
    Client().force_login(operator)
    assert entries() == []
