"""Inviting somebody to operate the node: an operator without a password, and a link by which they choose one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction

from quazzar.access import audit, roles
from quazzar.access.joining import links
from quazzar.errors import InvalidFields, NotFound
from quazzar.models import OneTimeLink

if TYPE_CHECKING:
    from django.db.models import QuerySet

_PURPOSE = OneTimeLink.Purpose.INVITATION


def invite(actor: User, name: str, email: str, role: str) -> tuple[OneTimeLink, str]:
    """Make an operator with this role who can sign in once the link was used.

    Returns the link's row and token, which is not stored.

    Raises:
        InvalidFields: the name is taken or has other characters, or the actor cannot give the role.
    """
    given = next((each for each in roles.grantable_roles(actor) if each.name == role), None)
    if given is None:
        raise InvalidFields({"role": ["You can't give a role that can do more than you."]})
    user = User(username=User.normalize_username(name), email=email, is_staff=True)
    user.set_unusable_password()
    if User.objects.filter(username__iexact=user.username).exists():
        raise InvalidFields({"name": ["An operator with this name already exists."]})
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as exc:
        names = {"username": "name"}
        raise InvalidFields(
            {names.get(key, key): list(texts) for key, texts in exc.message_dict.items()}
        ) from exc
    with transaction.atomic():
        user.save()
        user.groups.add(Group.objects.get(name=given.name))
        audit.record("operator.invited", f"{user.username} as {given.name}")
        return links.make(user, _PURPOSE)


def waiting() -> QuerySet[OneTimeLink]:
    """Invitations that were neither used nor revoked, the newest first; some may have expired."""
    found = OneTimeLink.objects.filter(purpose=_PURPOSE, used_at=None, revoked_at=None)
    return found.select_related("user").prefetch_related("user__groups")


def again(actor: User, pk: int) -> tuple[OneTimeLink, str]:
    """Make a new link for an invitation; the old one stops working.

    Raises:
        NotFound: there is none that waits, or not for the actor.
    """
    row = _of(actor, pk)
    audit.record("operator.invited", row.user)
    return links.make(row.user, _PURPOSE)


def revoke(actor: User, pk: int) -> str:
    """Take an invitation back, and its operator, who never signed in; returns the name.

    Raises:
        NotFound: there is none that waits, or not for the actor.
    """
    row = _of(actor, pk)
    with transaction.atomic():
        audit.record("operator.invitation_revoked", row.user)
        links.revoke_open(row.user)
        if row.user.last_login is None and not row.user.has_usable_password():
            row.user.delete()
    return row.user.username


def _of(actor: User, pk: int) -> OneTimeLink:
    row = waiting().filter(pk=pk).first()
    if row is None or not roles.may_manage(actor, row.user):
        raise NotFound("This invitation was used or revoked.")
    return row
