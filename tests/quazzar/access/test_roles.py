"""Roles: what they are made of, that they are kept, who may give them, and the page that lists them."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection

from quazzar import rights
from quazzar.access import roles
from quazzar.rights import PERMISSIONS
from tests import rolespage

pytestmark = pytest.mark.django_db


def names(group: Group) -> set[str]:
    rows = group.permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def member(name: str, **columns: Any) -> User:
    user = User.objects.create_user(f"a {name}", is_staff=True, **columns)
    user.groups.add(Group.objects.get(name=name))
    return user


def test_the_page_has_what_is_declared() -> None:
    page = rolespage.PAGE.read_text()
    assert page == rolespage.written(page), "run make roles"


def test_every_right_names_permissions_that_exist_and_every_permission_is_of_use() -> None:
    assert roles.permissions().count() == len(PERMISSIONS)
    used = {name for right in rights.every().values() for name in right.permissions}
    assert used == PERMISSIONS.keys()


def test_each_role_is_a_group_with_its_permissions() -> None:
    for role in roles.ROLES:
        assert names(Group.objects.get(name=role.name)) == role.permissions


@pytest.mark.slow
def test_migrate_gives_roles_back_what_they_lost_and_takes_what_they_should_not_have() -> None:
    viewer = Group.objects.get(name="Viewer")
    viewer.permissions.set(Permission.objects.filter(codename__in=["change_stack", "delete_session"]))
    Group.objects.get(name="Sender").delete()
    user = member("Viewer")
    call_command("migrate", verbosity=0)
    test_each_role_is_a_group_with_its_permissions()
    assert [group.name for group in user.groups.all()] == ["Viewer"]


@pytest.mark.slow
def test_a_group_that_had_a_roles_name_before_roles_keeps_its_rights_and_gains_none() -> None:
    migration = importlib.import_module("quazzar.migrations.0002_operators")
    Group.objects.all().delete()
    own = Group.objects.create(name="Owner")
    migration.make_room(apps, type("Editor", (), {"connection": connection}))
    call_command("migrate", verbosity=0)
    own.refresh_from_db()
    assert own.name == f"Owner (before roles, {own.pk})"
    assert names(own) == set()


def test_each_role_holds_what_the_next_one_may_see() -> None:
    owner, admin, sender, viewer = (role.permissions for role in roles.ROLES)
    assert sender | viewer < admin < owner == PERMISSIONS.keys()
    assert not {name for name in viewer if ".view_" not in name}


def test_scopes_are_those_that_are_of_use() -> None:
    expected = {
        "Owner": ["mail:read", "mail:write", "mail:send"],
        "Mail admin": ["mail:read", "mail:write", "mail:send"],
        "Sender": ["mail:read", "mail:send"],
        "Viewer": ["mail:read"],
    }
    for name, scopes in expected.items():
        assert rights.scopes_of(member(name)) == scopes
    assert rights.scopes_of(User.objects.create_user("nobody", is_staff=True)) == []


def test_a_refusal_says_what_is_missing_and_whom_to_ask_for_which_role() -> None:
    ask = "Ask an owner of this node for a role that includes this, such as"
    for right, sentences in {
        rights.SEE_DOMAINS: f"You are not allowed to see domains and their DNS records. {ask} Viewer.",
        rights.SEND: f"You are not allowed to send mail, alerts and backup reports. {ask} Sender.",
        rights.CHANGE_SERVER: f"You are not allowed to change the mail server. {ask} Mail admin.",
        rights.SEE_KEYS: f"You are not allowed to see your own API keys. {ask} Sender.",
        rights.SEE_AUDIT_LOG: "You are not allowed to see the audit log. Only the role Owner includes this: "
        "ask an owner of this node.",
        rights.OWN_ACCOUNT: "Only operators who can open the console may do this.",
    }.items():
        assert roles.refusal(right) == sentences


def test_nobody_gives_what_they_do_not_have(operator: User) -> None:
    owner, admin = member("Owner"), member("Mail admin")
    assert [role.name for role in roles.grantable_roles(owner)] == [role.name for role in roles.ROLES]
    assert "Owner" not in [role.name for role in roles.grantable_roles(admin)]
    assert "quazzar.manage_operator" not in roles.grantable(admin)


def test_nobody_manages_an_operator_who_may_do_more(operator: User) -> None:
    owner, admin, viewer = member("Owner"), member("Mail admin"), member("Viewer")
    manager = User.objects.create_user("manager", is_staff=True)
    manager.user_permissions.set(roles.permissions(["quazzar.manage_operator", "mailrelay.view_message"]))
    asleep = User.objects.create_user("asleep", is_staff=True, is_active=False)
    asleep.groups.add(Group.objects.get(name="Owner"))
    everybody = [operator, owner, admin, viewer, manager, asleep]
    for actor, allowed in {
        operator: everybody,
        owner: [owner, admin, viewer, manager, asleep],
        admin: [],
        viewer: [],
        manager: [manager],
    }.items():
        assert [user for user in everybody if roles.may_manage(actor, user)] == allowed, actor
