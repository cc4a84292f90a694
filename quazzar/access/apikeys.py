"""Make, check and revoke API keys: ``qzr_`` + prefix (8) + secret (32) + check digits (6), in base 62."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from quazzar import actors, notes, rights
from quazzar.access import audit
from quazzar.errors import InvalidFields, QuazzarError
from quazzar.models import ApiKey, AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User

MARK = "qzr_"
PREFIX_LENGTH = 8
_SECRET_LENGTH = 32
_CHECK_LENGTH = 6
_BODY_LENGTH = PREFIX_LENGTH + _SECRET_LENGTH
_ALPHABET = string.digits + string.ascii_letters
_SHAPE = re.compile(rf"{MARK}[0-9A-Za-z]{{{_BODY_LENGTH + _CHECK_LENGTH}}}", re.ASCII)
#: ``last_used_at`` is written at most this often, so that a key in steady use does not cost a write per request.
USE_NOTED_EVERY = timedelta(minutes=1)
REFUSED = "apikey.refused"
REFUSAL_NOTED_EVERY = timedelta(days=1)


class KeyRefused(QuazzarError):
    """The API key does not give access."""

    code = "authentication_failed"
    message = "This API key is not valid here. Check that you copied it completely, or create a new one."
    status = 401


def mint(
    user: User, name: str, scopes: Iterable[str] = ApiKey.Scope.values, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key with these scopes, whatever its user may do: that is checked when the key is used.

    Returns its row and its text; the text is not stored, so this is the only time to show it.

    Raises:
        ValueError: there is no scope, or an unknown one.
    """
    wanted = set(scopes)
    if not wanted or not wanted <= set(ApiKey.Scope.values):
        raise ValueError(f"scopes are {', '.join(ApiKey.Scope.values)}, at least one of them")
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_BODY_LENGTH))
    text = f"{MARK}{body}{check_digits(body)}"
    row = ApiKey.objects.create(
        user=user,
        name=name,
        prefix=body[:PREFIX_LENGTH],
        digest=_digest(text),
        scopes=[scope for scope in ApiKey.Scope.values if scope in wanted],
        expires_at=expires_at,
    )
    audit.record("apikey.created", row, changes={"scopes": (None, row.scopes)})
    return row, text


def issue(
    user: User, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key for an operator, like ``mint``, with only scopes that the operator can use.

    Raises:
        InvalidFields: the operator cannot use one of them. ValueError: there is no scope, or an unknown one.
    """
    wanted = set(scopes)
    excess = sorted(wanted.intersection(ApiKey.Scope.values).difference(rights.scopes_of(user)))
    if excess:
        raise InvalidFields(
            {"scopes": [f"{user.get_username()} does not have the permissions for {', '.join(excess)}."]}
        )
    return mint(user, name, wanted, expires_at)


def verify(text: str) -> ApiKey:
    """The row of a key with its user; records that the key was used.

    Raises:
        KeyRefused: the key is unknown, revoked or expired, or its user may not sign in.
    """
    if not well_formed(text):
        raise KeyRefused("This is not an API key. Was it cut off when you copied it?")
    prefix = text[len(MARK) : len(MARK) + PREFIX_LENGTH]
    try:
        row = ApiKey.objects.select_related("user").get(prefix=prefix)  # first() would sort them
    except ApiKey.DoesNotExist:
        raise KeyRefused from None
    if not secrets.compare_digest(row.digest, _digest(text)):
        raise KeyRefused
    for refused, why, sentence in (
        (row.revoked_at is not None, "revoked", "This API key was revoked. Create a new one."),
        (row.expired, "expired", "This API key has expired. Create a new one."),
        (
            not row.user.is_active,
            "its operator may not sign in",
            "The user of this API key can no longer sign in.",
        ),
    ):
        if refused:
            _note_refusal(row, why)
            raise KeyRefused(sentence)
    _note_use(row)
    return row


def revoke(row: ApiKey) -> bool:
    """Revoke the key at once; returns False if it was revoked before."""
    if not ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    audit.record("apikey.revoked", row)
    return True


def well_formed(text: str) -> bool:
    """Whether the text can be a key: detects copying mistakes and foreign tokens without a query."""
    if not _SHAPE.fullmatch(text):
        return False
    body = text[len(MARK) : -_CHECK_LENGTH]
    return text.endswith(check_digits(body))


def check_digits(body: str) -> str:
    """The CRC-32 of the key's body in base 62; with it secret scanners recognise a leaked key offline."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _digest(text: str) -> str:
    # A fast hash is enough: the secret has 190 random bits, there is nothing to guess.
    return hashlib.sha256(text.encode()).hexdigest()


def _note_refusal(row: ApiKey, why: str) -> None:
    """Record, once a day for each address, that a revoked or expired key is still in use.

    Only callers with the whole key get here, so strangers cannot fill the log.
    """
    address = actors.address.get()
    same = AuditEntry.objects.filter(
        action=REFUSED, address=address, at__gt=timezone.now() - REFUSAL_NOTED_EVERY
    )
    with notes.hurried(), actors.acting_as(actors.Actor("anonymous")):
        if not same.filter(target=str(row)).exists():
            audit.record(REFUSED, row, [why])


def _note_use(row: ApiKey) -> None:
    now = timezone.now()
    if row.last_used_at is not None and now - row.last_used_at < USE_NOTED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    with notes.hurried():
        ApiKey.objects.filter(stale, pk=row.pk).update(last_used_at=now)
