"""Codes of an authenticator app (RFC 6238): set up, confirmed by a first code, checked, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyotp
from django.utils import timezone
from pyotp.exceptions import OTPVerificationError

from quazzar.errors import AlreadyExists
from quazzar.models import Operator

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User

#: What the app shows above the name of the account.
ISSUER = "Quazzar"
#: Codes of this many half minutes before and after this one are accepted too, because clocks differ (RFC 6238, 5.2).
_WINDOW = 1


def new_secret() -> str:
    """A secret to put into an app, in base 32. It is stored once a code of the app confirms it."""
    return pyotp.random_base32()


def uri(user: User, secret: str, host: str) -> str:
    """What the QR code says (https://github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    return pyotp.TOTP(secret).provisioning_uri(name=f"{user.get_username()}@{host}", issuer_name=ISSUER)


def confirm(user: User, secret: str, code: str, *, now: datetime | None = None) -> bool:
    """Accept an app with this secret from now on, if this is one of its codes.

    Raises:
        AlreadyExists: the user has an app.
        KeyFileError: there is no usable key to seal the secret with.
    """
    now = now or timezone.now()
    step = _step(secret, code, now)
    if step is None:
        return False
    Operator.objects.get_or_create(user=user)
    without = Operator.objects.filter(user=user, totp_since=None)
    if not without.update(totp_secret=secret, totp_since=now, totp_step=step):
        raise AlreadyExists("You already have an authenticator app. Remove it to set up another.")
    return True


def check(user: User, code: str, *, now: datetime | None = None) -> bool:
    """Whether this is an unused code of the user's app."""
    row = Operator.objects.filter(user=user, totp_since__isnull=False).first()
    if row is None or row.totp_secret is None or not row.totp_secret.readable:
        return False
    step = _step(row.totp_secret.reveal(), code, now or timezone.now())
    if step is None:
        return False
    unused = Operator.objects.filter(user=user, totp_since__isnull=False, totp_step__lt=step)
    return unused.update(totp_step=step) == 1


def remove(user: User) -> bool:
    """Forget the app; False if there was none."""
    held = Operator.objects.filter(user=user, totp_since__isnull=False)
    return held.update(totp_secret=None, totp_since=None) == 1


def _step(secret: str, code: str, now: datetime) -> int | None:
    """The number of the half minute that the code belongs to; None if it is no code of this time."""
    digits = "".join(code.split())
    if not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(digits, for_time=now, valid_window=_WINDOW)
    except OTPVerificationError:
        return None
