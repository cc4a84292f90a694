"""An operator's second factors: which ones there are, checking a code, and removing all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from quazzar.access.secondfactor import attempts, recovery, totp
from quazzar.models import Operator, Passkey, RecoveryCode

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Held:
    """The second factors of an operator.

    Attributes:
        app_since: when the authenticator app was set up; None: there is none.
        app_works: whether its secret can be opened. It cannot once the key file was replaced.
        passkeys: by age.
        codes_left: recovery codes that were not used yet.
    """

    app_since: datetime | None
    app_works: bool
    passkeys: list[Passkey]
    codes_left: int

    def __bool__(self) -> bool:
        return self.app_since is not None or bool(self.passkeys)

    def passkeys_for(self, host: str) -> list[Passkey]:
        """The passkeys that work when the console is opened under this name."""
        return [passkey for passkey in self.passkeys if passkey.host == host]


def of(user: User) -> Held:
    """The second factors that the operator has."""
    row = Operator.objects.filter(user=user).first()
    since = row.totp_since if row else None
    works = bool(row and since and row.totp_secret is not None and row.totp_secret.readable)
    return Held(since, works, list(Passkey.objects.filter(user=user)), recovery.left(user))


def has_any(user: User) -> bool:
    """Whether signing in takes more than the password."""
    by_app = Operator.objects.filter(user=user, totp_since__isnull=False)
    return by_app.exists() or Passkey.objects.filter(user=user).exists()


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of checking a code.

    Attributes:
        right: it is accepted.
        resting: too many were wrong, so none is accepted for some minutes.
        by_recovery: it was a recovery code.
    """

    right: bool = False
    resting: bool = False
    by_recovery: bool = False


def answer(user: User, code: str) -> Answer:
    """Check a code of the authenticator app, or a recovery code; either works once."""
    if not attempts.take(user):
        return Answer(resting=True)
    by_recovery = recovery.looks_like(code)
    right = recovery.use(user, code) if by_recovery else totp.check(user, code)
    if right:
        attempts.forget(user)
    return Answer(right, by_recovery=right and by_recovery)


def remove_all(user: User) -> bool:
    """Take every second factor and all recovery codes from the operator; False if there were none."""
    with transaction.atomic():
        had = has_any(user)
        Operator.objects.filter(user=user).update(
            totp_secret=None, totp_since=None, code_failures=0, code_tried_at=None
        )
        Passkey.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
    return had
