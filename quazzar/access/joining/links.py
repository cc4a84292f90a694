"""One-time links to choose a password: for invited operators, and for those who were reset on the node.

The token is part of the link that browsers do not send (RFC 3986, 3.5), so that no log of a proxy has it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from quazzar import actors
from quazzar.access import audit, sessions
from quazzar.access.secondfactor import factors
from quazzar.models import OneTimeLink

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LIFE = timedelta(hours=72)
#: Where the console takes the token, after its own address.
PATH = "/admin/welcome/"


def make(user: User, purpose: OneTimeLink.Purpose) -> tuple[OneTimeLink, str]:
    """Make a link; earlier ones of this user stop working.

    Returns its row and its token; the token is not stored, so this is the only time to show it.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        revoke_open(user)
        row = OneTimeLink.objects.create(
            user=user,
            purpose=purpose,
            digest=_digest(token),
            made_by=actors.current_actor(),
            expires_at=timezone.now() + LIFE,
        )
    return row, token


def find(token: str) -> OneTimeLink | None:
    """The link with this token, if it still works."""
    row = OneTimeLink.objects.select_related("user").filter(digest=_digest(token.strip())).first()
    return row if row is not None and row.state == "open" and row.user.is_active else None


def use(row: OneTimeLink, password: str) -> bool:
    """Set the password, once; False if the link has been used or revoked since."""
    with transaction.atomic():
        still_open = OneTimeLink.objects.filter(
            pk=row.pk, used_at=None, revoked_at=None, expires_at__gt=timezone.now()
        )
        if not still_open.update(used_at=timezone.now()):
            return False
        row.user.set_password(password)
        row.user.save(update_fields=["password"])
        sessions.end_all(row.user)
        with actors.acting_as(audit.name_of(row.user)):
            audit.record(f"operator.{row.purpose}_used", row.user)
    return True


def revoke_open(user: User) -> int:
    """Make the user's links stop working; returns how many did."""
    links = OneTimeLink.objects.filter(user=user, used_at=None, revoked_at=None)
    return links.update(revoked_at=timezone.now())


def reset(user: User) -> str:
    """Take password, second factors and sessions from somebody who lost them, and return the token of a link."""
    with transaction.atomic():
        factors.remove_all(user)
        user.set_unusable_password()
        user.save(update_fields=["password"])
        sessions.end_all(user)
        _, token = make(user, OneTimeLink.Purpose.RESET)
        audit.record("operator.reset", user)
    return token


def _digest(token: str) -> str:
    # A fast hash is enough: the token has 256 random bits, there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
