"""Recovery codes: ten of them, for people who have lost every second factor. Each works once; only digests are
stored."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from quazzar.models import RecoveryCode

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COUNT = 10
# Without characters that look alike on paper.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4


def make(user: User) -> list[str]:
    """Replace the user's codes with new ones, and return them: they are not stored, so show them now."""
    codes = [_random() for _ in range(COUNT)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user=user, digest=_digest(user, code)) for code in codes
        )
    return codes


def use(user: User, text: str) -> bool:
    """Whether this is one of the user's unused codes. It is then used up."""
    unused = RecoveryCode.objects.filter(user=user, digest=_digest(user, text), used_at=None)
    return unused.update(used_at=timezone.now()) == 1


def left(user: User) -> int:
    """How many codes are not used yet."""
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


def looks_like(text: str) -> bool:
    """Whether this has the length of a recovery code, as typed with or without hyphens."""
    return len(_plain(text)) == _GROUPS * _GROUP


def _random() -> str:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _digest(user: User, text: str) -> str:
    # A fast hash is enough: a code has 79 random bits, there is nothing to guess.
    return hashlib.sha256(f"{user.pk}:{_plain(text)}".encode()).hexdigest()
