"""Operators in the console: superusers manage them, and the audit log knows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from quazzar.access import roles
from quazzar.models import AuditEntry
from quazzar.rights import PERMISSIONS
from tests.tiers import some

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


@pytest.mark.slow
def test_permissions_are_offered_in_words(console: Client, other_staff: User) -> None:
    page = console.get(f"{LIST}{other_staff.pk}/change/").content.decode()
    for words in (*PERMISSIONS.values(), *(role.name for role in roles.ROLES)):
        assert (words[:1].upper() + words[1:]).replace("'", "&#x27;") in page
    for role in roles.ROLES:
        assert role.words.replace("'", "&#x27;") in page
    assert "Can add session" not in page


def test_a_permission_is_given_and_recorded(console: Client, other_staff: User) -> None:
    permission = roles.permissions().get(codename="view_message")
    console.post(f"{LIST}{other_staff.pk}/change/", details(other_staff, user_permissions=[permission.pk]))
    assert User.objects.get(pk=other_staff.pk).has_perm("mailrelay.view_message")
    assert "user_permissions" in AuditEntry.objects.get(action="operator.changed").fields


def test_a_changed_password_is_recorded_without_it(console: Client, other_staff: User) -> None:
    typed = {"usable_password": "true", "password1": "another-one-42", "password2": "another-one-42"}
    console.post(f"{LIST}{other_staff.pk}/password/", typed)
    assert User.objects.get(pk=other_staff.pk).check_password("another-one-42")
    assert AuditEntry.objects.get(action="operator.changed").fields == ["password"]


def test_every_grant_is_a_permission_that_exists(db: None) -> None:
    assert roles.permissions().count() == len(PERMISSIONS)


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
    other_staff.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(other_staff)
    for page in (LIST, f"{LIST}add/", f"{LIST}{operator.pk}/change/", f"{LIST}{operator.pk}/password/"):
        assert client.get(page).status_code == 403


# --- an owner, who is no superuser


@pytest.fixture
def owner(client: Client, other_staff: User) -> Client:
    other_staff.groups.add(Group.objects.get(name="Owner"))
    client.force_login(other_staff)
    return client


@pytest.mark.slow
def test_an_owner_makes_an_operator_with_a_role_who_can_sign_in_and_work(owner: Client) -> None:
    page = owner.get(f"{LIST}add/").content.decode()
    assert not re.search(r'name="(is_staff|is_superuser|usable_password)"', page)
    typed = {
        "username": "night",
        "usable_password": "true",
        "password1": "a-long-one-42",
        "password2": "a-long-one-42",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [Group.objects.get(name="Mail admin").pk],
    }
    owner.post(f"{LIST}add/", typed)
    night = User.objects.get(username="night")
    assert (night.is_staff, night.is_superuser) == (True, False)
    client = Client()
    entered = {"username": "night", "password": "a-long-one-42", "next": "/admin/"}
    assert client.post("/admin/login/", entered, follow=True).status_code == 200
    assert client.get("/admin/mail-relay/").status_code == 200
    assert client.get(LIST).status_code == 403


def test_an_owner_takes_nothing_from_a_superuser_and_makes_none(
    owner: Client, operator: User, other_staff: User, outsider: User
) -> None:
    typed = {"usable_password": "true", "password1": "another-one-42", "password2": "another-one-42"}
    for path, body in {
        "password/": typed,
        "change/": details(operator, is_active=""),
        "delete/": {"post": "yes"},
    }.items():
        assert owner.post(f"{LIST}{operator.pk}/{path}", body).status_code == 403, path
    chosen = {"action": "delete_selected", "_selected_action": [operator.pk, outsider.pk], "post": "yes"}
    assert owner.post(LIST, chosen).status_code == 403
    operator.refresh_from_db()
    assert operator.is_active and operator.check_password("operator-pass")
    for user in (outsider, other_staff):
        owner.post(f"{LIST}{user.pk}/change/", details(user, is_superuser="on"))
    assert not User.objects.exclude(pk=operator.pk).filter(is_superuser=True).exists()


def test_nobody_but_a_superuser_changes_their_own_access(owner: Client, other_staff: User) -> None:
    changed = {"groups": [Group.objects.get(name="Viewer").pk], "user_permissions": [], "is_staff": ""}
    owner.post(f"{LIST}{other_staff.pk}/change/", details(other_staff, **changed, email="me@example.com"))
    other_staff.refresh_from_db()
    assert (other_staff.email, other_staff.is_staff) == ("me@example.com", True)
    assert [group.name for group in other_staff.groups.all()] == ["Owner"]


@pytest.mark.slow
@pytest.mark.long
def test_who_manages_operators_gives_only_what_they_have(
    client: Client, other_staff: User, outsider: User
) -> None:
    other_staff.user_permissions.set(roles.permissions(["quazzar.manage_operator", "mailrelay.view_message"]))
    client.force_login(other_staff)
    page = client.get(f"{LIST}{outsider.pk}/change/").content.decode()
    assert (
        "See messages (without their content)" in page
        and "Change the mail server" not in page
        and "Viewer:" not in page
    )
    change = f"{LIST}{outsider.pk}/change/"
    for name in some(PERMISSIONS, 4):
        row = roles.permissions([name]).get()
        client.post(change, details(outsider, user_permissions=[row.pk]))
    for group in Group.objects.all():
        client.post(change, details(outsider, groups=[group.pk]))
        client.post(f"{LIST}{other_staff.pk}/change/", details(other_staff, groups=[group.pk]))
    assert User.objects.get(pk=outsider.pk).get_all_permissions() <= other_staff.get_all_permissions()
    assert not outsider.groups.exists() and not other_staff.groups.exists()


@pytest.mark.slow
def test_what_cannot_be_given_here_stays(console: Client, other_staff: User) -> None:
    own = Group.objects.create(name="Of our own")
    other_staff.groups.add(own)
    other_staff.user_permissions.add(Permission.objects.get(codename="delete_session"))
    viewer = Group.objects.get(name="Viewer")
    console.post(f"{LIST}{other_staff.pk}/change/", details(other_staff, groups=[viewer.pk]))
    assert set(other_staff.groups.all()) == {own, viewer}
    assert other_staff.user_permissions.get().codename == "delete_session"


@pytest.mark.slow
def test_the_list_names_roles(console: Client, other_staff: User) -> None:
    assert "No role" in console.get(LIST).content.decode()
    other_staff.groups.add(Group.objects.get(name="Sender"))
    page = console.get(LIST).content.decode()
    assert "Sender" in page and "No role" not in page


# --- the last owner, and the form


@pytest.mark.slow
def test_the_last_owner_is_neither_demoted_nor_locked_out_nor_deleted(
    console: Client, operator: User, other_staff: User
) -> None:
    change = f"{LIST}{operator.pk}/change/"
    for changes in ({"is_active": ""}, {"is_superuser": ""}):
        page = console.post(change, details(operator, **{"is_superuser": "on", **changes})).content.decode()
        assert "No one would be left to manage operators" in page
    operator.refresh_from_db()
    assert operator.is_active and operator.is_superuser
    other_staff.groups.add(Group.objects.get(name="Owner"))
    console.post(change, details(operator, is_superuser=""))
    operator.refresh_from_db()
    assert not operator.is_superuser


@pytest.mark.parametrize("why", ["locked out", "invited", "not staff", "a viewer"])
def test_somebody_who_cannot_manage_operators_now_is_no_other_owner(
    console: Client, operator: User, other_staff: User, why: str
) -> None:
    other_staff.groups.add(Group.objects.get(name="Viewer" if why == "a viewer" else "Owner"))
    other_staff.is_active = why != "locked out"
    other_staff.is_staff = why != "not staff"
    if why == "invited":
        other_staff.set_unusable_password()
    other_staff.save()
    console.post(f"{LIST}{operator.pk}/change/", details(operator, is_superuser=""))
    operator.refresh_from_db()
    assert operator.is_superuser


def test_who_only_manages_does_not_delete_the_last_owner(
    client: Client, operator: User, other_staff: User, outsider: User
) -> None:
    User.objects.filter(pk=operator.pk).delete()
    other_staff.groups.add(Group.objects.get(name="Owner"))
    User.objects.filter(pk=outsider.pk).update(is_staff=True)
    outsider.user_permissions.set(roles.permissions())
    client.force_login(User.objects.get(pk=outsider.pk))
    assert client.post(f"{LIST}{other_staff.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [other_staff.pk], "post": "yes"}
    client.post(LIST, chosen)
    assert User.objects.filter(pk=other_staff.pk).exists()


@pytest.mark.slow
def test_the_form_has_no_field_of_djangos_jungle(console: Client, other_staff: User, outsider: User) -> None:
    for path in (f"{other_staff.pk}/change/", "add/", f"{other_staff.pk}/password/"):
        page = console.get(LIST + path).content.decode()
        for words in ("Password-based", "Raw passwords", "Staff status", "Superuser status", "Last name"):
            assert words not in page, (path, words)
    assert 'name="is_staff"' not in console.get(f"{LIST}{other_staff.pk}/change/").content.decode()
    assert 'name="is_staff"' in console.get(f"{LIST}{outsider.pk}/change/").content.decode()


@pytest.mark.slow
def test_names_are_shown_as_they_are_written_and_pages_say_operators(
    console: Client, other_staff: User
) -> None:
    User.objects.filter(pk=other_staff.pk).update(username="anna@lab.test")
    page = console.get(f"{LIST}{other_staff.pk}/change/").content.decode()
    assert "anna@lab.test" in page and "Anna@lab.test" not in page
    for path in (LIST, f"{LIST}{other_staff.pk}/change/", f"{LIST}{other_staff.pk}/delete/"):
        page = console.get(path).content.decode()
        assert "Operators" in page and "Users" not in page and "Authentication and Authorization" not in page


def test_the_page_of_an_operator_shows_factor_and_sessions(console: Client, other_staff: User) -> None:
    Client().force_login(other_staff)
    page = console.get(f"{LIST}{other_staff.pk}/change/").content.decode()
    assert "Where other is signed in" in page and "Sign out everywhere" in page and "Second factor" in page


def test_the_list_asks_for_nothing_per_operator(console: Client, operator: User) -> None:
    def look() -> int:
        with CaptureQueriesContext(connection) as queries:
            console.get(LIST)
        return len(queries)

    few = look()
    for number in range(9):
        User.objects.create_user(f"o{number}", is_staff=True).groups.add(Group.objects.get(name="Viewer"))
    assert look() == few
