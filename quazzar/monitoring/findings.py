"""Runs the doctor's checks when they are due, and stores what they found, since when, and what changed."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from quazzar.models import Finding as Row
from quazzar.models import FindingChange
from quazzar.monitoring import doctor
from quazzar.monitoring.doctor import Check, Finding, Level

logger = logging.getLogger(__name__)

#: Failing checks run at least this often, so that they disappear from the screen soon after the problem is fixed.
WHILE_WRONG = timedelta(minutes=1)
#: The clock ticks a little early or late; that must not skip a whole turn.
_SLACK = timedelta(seconds=5)
#: How long changes are kept, and how many of each check.
KEPT_FOR = timedelta(days=90)
KEPT_OF_EACH = 200


def look(names: Collection[str] | None = None, now: datetime | None = None) -> list[str]:
    """Run the checks that are due, or those named whether they are due or not, and store what they found.

    Safe to call from several processes at once: of two runs of the same check, the one that began later counts.

    Returns:
        The names of the checks that were run.
    """
    checks = doctor.registered()
    rows = {row.check_name: row for row in Row.objects.all()}
    now = now or timezone.now()
    if names is None:
        chosen = [check for check in checks if is_due(check, rows.get(check.name), now)]
        if any(check.is_local for check in chosen) and not doctor.stores_local():
            chosen = [check for check in chosen if not check.is_local]
        _forget(rows.keys() - {check.name for check in checks})
    else:
        chosen = [check for check in checks if check.name in names]
    found = list(doctor.examine(chosen))
    with transaction.atomic():
        # Locked, so that two runs do not both write the same change.
        locked = Row.objects.select_for_update().filter(check_name__in=[check.name for check in chosen])
        rows = {row.check_name: row for row in locked}
        same = []
        for check, finding in found:
            row = rows.get(check.name)
            if row is None or row.checked_at <= now:
                values = _values(check, finding, row, now)
                if row is not None and all(getattr(row, name) == values[name] for name in values):
                    same.append(row.pk)
                else:
                    _store(check, finding, row, values, now)
        Row.objects.filter(pk__in=same).update(checked_at=now)
    return [check.name for check in chosen]


def look_again(names: Collection[str]) -> list[str]:
    """Like ``look``, for an operator who asks: also refreshes what the checks read, which may take a while."""
    for check in doctor.registered():
        if check.name in names and check.again is not None:
            check.again()
    return look(names)


def is_due(check: Check, row: Row | None, now: datetime) -> bool:
    """Whether the check should run now. Pure."""
    # A check that has nothing to check costs next to nothing, and must see at once that there is something.
    if row is None or row.is_idle or row.checked_at > now:
        return True
    every = check.every if row.level == Level.OK else min(check.every, WHILE_WRONG)
    return now - row.checked_at >= every - _SLACK


def since(before: Row | None, finding: Finding, at: datetime) -> datetime:
    """Since when the check has had this level. Pure."""
    if finding.since is not None:
        return min(finding.since, at)
    if before is None or (before.level == Level.OK) != (finding.level is Level.OK):
        return at
    return before.since


def is_change(before: Row | None, finding: Finding) -> bool:
    """Whether it belongs in the history: another level, the same level for another reason, or now in use. Pure."""
    if before is None or before.level != finding.level or before.is_idle != finding.is_idle:
        return True
    return as_finding(before).problem != finding.problem


def as_finding(row: Row) -> Finding:
    """The finding that a row stores."""
    return Finding(Level(row.level), row.sentence, row.advice, row.since, row.is_idle)


def _values(check: Check, finding: Finding, before: Row | None, at: datetime) -> dict[str, Any]:
    return {
        "area": check.area,
        "page": check.page,
        "level": finding.level,
        "is_idle": finding.is_idle,
        "sentence": finding.sentence,
        "advice": finding.advice,
        "since": since(before, finding, at),
    }


def _store(check: Check, finding: Finding, before: Row | None, values: dict[str, Any], at: datetime) -> None:
    _, created = Row.objects.update_or_create(check_name=check.name, defaults={**values, "checked_at": at})
    # Of two workers that find a check without a row, which nobody could lock, one made the row.
    if is_change(before, finding) and (created or before is not None):
        FindingChange.objects.create(
            check_name=check.name,
            level=finding.level,
            is_idle=finding.is_idle,
            sentence=finding.sentence,
            at=at,
        )
        if before is not None:
            logger.info("doctor: %s: %s: %s", check.name, finding.level, finding.sentence)


def _forget(names: Collection[str]) -> None:
    """Delete the findings of checks that no longer exist."""
    if names:
        Row.objects.filter(check_name__in=names).delete()
        FindingChange.objects.filter(check_name__in=names).delete()


def purge() -> int:
    """Delete old changes, but the latest of each check. Returns how many."""
    deleted = 0
    before = timezone.now() - KEPT_FOR
    for name in Row.objects.values_list("check_name", flat=True):
        changes = FindingChange.objects.filter(check_name=name)
        ids = list(changes.order_by("-id").values_list("id", flat=True)[:KEPT_OF_EACH])
        if not ids:
            continue
        deleted += changes.filter(id__lt=ids[-1]).delete()[0]
        deleted += changes.filter(id__lt=ids[0], at__lt=before).delete()[0]
    return deleted
