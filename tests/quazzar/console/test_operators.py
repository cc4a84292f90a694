"""Operators in the console: superusers manage them, and the audit log knows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from quazzar.console.operators import GRANTS, grantable
from quazzar.models import AuditEntry

LIST = "/admin/auth/user/"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def details(user: User, **changes: Any) -> dict[str, Any]:
    kept = {"username": user.username, "email": "x@example.com", "is_active": "on", "is_staff": "on"}
    return {**kept, **changes}


def test_a_superuser_makes_an_operator(console: Client) -> None:
    password = {"usable_password": "true", "password1": "a-long-one-42", "password2": "a-long-one-42"}
    console.post(f"{LIST}add/", {"username": "night", **password})
    assert User.objects.get(username="night").check_password("a-long-one-42")
    entry = AuditEntry.objects.get(action="operator.created")
    assert (entry.actor, entry.target) == ("user:operator", "night")
    assert "a-long-one-42" not in str(entry.fields)


def test_permissions_are_offered_in_words(console: Client, other_staff: User) -> None:
    page = console.get(f"{LIST}{other_staff.pk}/change/").content.decode()
    for label in GRANTS.values():
        assert label.replace("'", "&#x27;") in page
    assert "Can add session" not in page


def test_a_permission_is_given_and_recorded(console: Client, other_staff: User) -> None:
    permission = grantable().get(codename="view_message")
    console.post(f"{LIST}{other_staff.pk}/change/", details(other_staff, user_permissions=[permission.pk]))
    assert User.objects.get(pk=other_staff.pk).has_perm("mailrelay.view_message")
    assert "user_permissions" in AuditEntry.objects.get(action="operator.changed").fields


def test_a_changed_password_is_recorded_without_it(console: Client, other_staff: User) -> None:
    typed = {"usable_password": "true", "password1": "another-one-42", "password2": "another-one-42"}
    console.post(f"{LIST}{other_staff.pk}/password/", typed)
    assert User.objects.get(pk=other_staff.pk).check_password("another-one-42")
    assert AuditEntry.objects.get(action="operator.changed").fields == ["password"]


def test_every_grant_is_a_permission_that_exists(db: None) -> None:
    assert grantable().count() == len(GRANTS)


def test_an_operator_is_deleted_and_recorded(console: Client, other_staff: User) -> None:
    console.post(f"{LIST}{other_staff.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=other_staff.pk).exists()
    assert AuditEntry.objects.get(action="operator.deleted").target == "other"


def test_nobody_removes_himself(console: Client, operator: User) -> None:
    assert console.post(f"{LIST}{operator.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [operator.pk], "post": "yes"}
    console.post(LIST, chosen)
    assert User.objects.filter(pk=operator.pk).exists()


def test_staff_cannot_manage_operators_whatever_they_were_given(
    client: Client, operator: User, other_staff: User
) -> None:
    from django.contrib.auth.models import Permission

    other_staff.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(other_staff)
    for page in (LIST, f"{LIST}add/", f"{LIST}{operator.pk}/change/", f"{LIST}{operator.pk}/password/"):
        assert client.get(page).status_code == 403
