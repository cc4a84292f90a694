"""How often an operator's codes may be guessed, from all addresses together: who guesses knows the password already.

django-axes counts these failures by address as well, as it counts wrong passwords.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from quazzar.models import Operator

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Wrong codes in a row, after which none counts for a while. Six digits with three valid codes at a time: one in ten
#: thousand of those who know the password gets in by guessing for an hour.
MOST = 10
REST = timedelta(minutes=15)


def take(user: User) -> bool:
    """Count an attempt, before it is looked at; False if there were too many.

    Parallel guesses cannot slip through: the database counts each one.
    """
    now = timezone.now()
    Operator.objects.get_or_create(user=user)
    is_over = Q(code_tried_at=None) | Q(code_tried_at__lte=now - REST)
    allowed = Operator.objects.filter(Q(code_failures__lt=MOST) | is_over, user=user)
    count = Case(When(is_over, then=Value(1)), default=F("code_failures") + 1)
    return allowed.update(code_failures=count, code_tried_at=now) == 1


def forget(user: User) -> None:
    """The last attempt was right."""
    Operator.objects.filter(user=user).update(code_failures=0, code_tried_at=None)
