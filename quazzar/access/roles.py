"""The roles of operators. Each is a Django group, whose permissions are kept as they are defined here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Permission, User
from django.db.models import Q

from quazzar.rights import MANAGE_OPERATORS, PERMISSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.apps import AppConfig
    from django.db.models import QuerySet

    from quazzar.rights import Right


@dataclass(frozen=True, slots=True)
class Role:
    """A name for a set of permissions."""

    name: str
    #: What the operator form says about it.
    words: str
    permissions: frozenset[str]


_MAIL_APPS = ("mailrelay", "mailboxes")
_KEYS = {"quazzar.view_apikey", "quazzar.add_apikey", "quazzar.change_apikey"}
_SEE = {
    name for name in PERMISSIONS if name.split(".")[1].startswith("view_") and name.startswith(_MAIL_APPS)
}
_MAIL = {name for name in PERMISSIONS if name.startswith(_MAIL_APPS)}
_SEND = {"mailrelay.view_message", "mailrelay.add_message", "mailrelay.change_message"}

OWNER = "Owner"
#: The most powerful one first.
ROLES = (
    Role(OWNER, "Can do everything, and manages operators", frozenset(PERMISSIONS)),
    Role("Mail admin", "Manages the relay, the mail server, mailboxes and DNS", frozenset(_MAIL | _KEYS)),
    Role("Sender", "Sends mail and alerts, and retries messages", frozenset(_SEND | _KEYS)),
    Role("Viewer", "Sees everything about mail, and changes nothing", frozenset(_SEE)),
)


def keep(sender: AppConfig, **options: Any) -> None:
    """After ``migrate``: make the groups, and give each exactly its role's permissions.

    Connected for the app that is migrated first, so the permissions of the later ones are made here.
    """
    # After a flush there is no ``apps``: then the installed ones are used.
    using, apps = options["using"], options.get("apps", installed)
    for app in filter(installed.is_installed, (*_MAIL_APPS, "quazzar")):
        create_permissions(installed.get_app_config(app), verbosity=0, using=using, apps=apps)
    groups = apps.get_model("auth", "Group").objects.using(using)
    rows = apps.get_model("auth", "Permission").objects.using(using)
    for role in ROLES:
        group, _ = groups.get_or_create(name=role.name)
        group.permissions.set(rows.filter(_named(role.permissions)))


def permissions(names: Iterable[str] = PERMISSIONS) -> QuerySet[Permission]:
    """Rows of these permissions, ``app_label.codename``, by app and model."""
    rows = Permission.objects.filter(_named(names)).select_related("content_type")
    return rows.order_by("content_type__app_label", "content_type__model", "pk")


def _named(names: Iterable[str]) -> Q:
    wanted = Q(pk=None)
    for name in names:
        app, _, codename = name.partition(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    return wanted


def of(user: User) -> list[Role]:
    """The operator's roles, the most powerful one first."""
    names = set(user.groups.values_list("name", flat=True))
    return [role for role in ROLES if role.name in names]


def refusal(right: Right) -> str:
    """A sentence for a caller without a right: what is not allowed, and the least powerful role to ask for."""
    holding = [role.name for role in ROLES if role.permissions.intersection(right.permissions)]
    if not holding:
        return right.missing
    if holding == [OWNER]:
        return f"{right.missing} Only the role Owner includes this: ask an owner of this node."
    return f"{right.missing} Ask an owner of this node for a role that includes this, such as {holding[-1]}."


# --- who may grant what


def grantable(actor: User) -> set[str]:
    """Names of the permissions that the actor may give to others: those that the actor has."""
    return {name for name in PERMISSIONS if actor.has_perm(name)}


def grantable_roles(actor: User) -> list[Role]:
    """Roles that the actor may give to others: those that hold nothing that the actor lacks."""
    return [role for role in ROLES if role.permissions <= grantable(actor)]


def may_manage(actor: User, operator: User) -> bool:
    """Whether the actor may change or delete this operator, who then must not be more powerful than the actor."""
    if actor.is_superuser:
        return True
    if operator.is_superuser or not MANAGE_OPERATORS(actor):
        return False
    # To Django, an operator who may not sign in has no permissions, so the stored ones are used.
    theirs = _stored(operator)
    return all(map(actor.has_perm, theirs))


def owners() -> QuerySet[User]:
    """Those who can manage operators now: owners and superusers who can sign in."""
    found = User.objects.filter(Q(is_superuser=True) | Q(groups__name=OWNER), is_active=True, is_staff=True)
    return found.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).distinct()


def is_last_owner(operator: User) -> bool:
    """Whether nobody else could manage operators without this one."""
    found = list(owners()[:2])
    return found == [operator]


def are_all_owners(operators: QuerySet[User]) -> bool:
    """Whether nobody could manage operators without these."""
    return not owners().exclude(pk__in=operators.values("pk")).exists()


def _stored(operator: User) -> set[str]:
    rows = Permission.objects.filter(Q(user=operator) | Q(group__user=operator)).select_related(
        "content_type"
    )
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}
