"""How often an operator's codes may be guessed, from all addresses together.

A person who guesses codes already knows the password. django-axes counts these failures by address as well, as it
counts wrong passwords.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from quazzar.models import Operator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Wrong codes in a row, after which no code is accepted for a while. With six digits and three valid codes at a time,
#: guessing for an hour succeeds once in ten thousand times.
MOST = 10
REST = timedelta(minutes=15)


def take(user: User) -> bool:
    """Count an attempt before it is checked; False if there were too many.

    Parallel guesses cannot slip through: the database counts each one.
    """
    now = timezone.now()
    Operator.objects.get_or_create(user=user)
    is_over = Q(code_tried_at=None) | Q(code_tried_at__lte=now - REST)
    allowed = Operator.objects.filter(Q(code_failures__lt=MOST) | is_over, user=user)
    count = Case(When(is_over, then=Value(1)), default=F("code_failures") + 1)
    return allowed.update(code_failures=count, code_tried_at=now) == 1


def forget(user: User) -> None:
    """Reset the count after a correct code."""
    Operator.objects.filter(user=user).update(code_failures=0, code_tried_at=None)
