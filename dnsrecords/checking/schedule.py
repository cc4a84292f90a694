"""When a domain is checked: every hour, sooner while something is wrong, at once when its records have changed.

The rows are the truth: a domain is due when its time has come, or when the wanted records differ from those of the
last check. A ring only makes the worker notice it at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from dnsrecords.kinds.registry import wanted
from dnsrecords.models import DomainCheck, Publisher
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import digest
from mailboxes import changes
from mailboxes.models import Domain
from quazzar.doorbell import ring

if TYPE_CHECKING:
    from datetime import datetime

    from quazzar.models import AuditEntry

CHECK_DUE = "dnsrecords.tasks.check_due"
_USUAL, _SOON = timedelta(hours=1), timedelta(minutes=10)
#: Name servers follow their primary within this time after publishing; during that time, a domain is checked every
#: minute.
_AFTER_PUBLISHING, _EACH_MINUTE = timedelta(minutes=10), timedelta(minutes=1)
#: What may change the records that are wanted, or published: the first word of the audit log's actions.
_SUBJECTS = {"domain", "stack", "relay"}


def on_audit(instance: AuditEntry, **_: object) -> None:
    """Wakes the worker when something that DNS records depend on has changed; a receiver of ``post_save``."""
    if instance.action.partition(".")[0] in _SUBJECTS:
        transaction.on_commit(wake)


def wake() -> None:
    """Wakes the worker for the domains that are due; never raises."""
    ring(CHECK_DUE)


def make_due() -> None:
    """Makes every domain due now."""
    DomainCheck.objects.filter(due_at__gt=timezone.now()).update(due_at=timezone.now())
    wake()


def claim_due(most: int) -> list[tuple[Domain, Facts, datetime]]:
    """The domains that this worker has to check, each with what its records depend on, and when its check begins."""
    _notice_changes()
    due = DomainCheck.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    domains = list(Domain.objects.filter(pk__in=list(due.values_list("pk", flat=True)[:most])))
    claimed = []
    for domain, facts in zip(domains, Facts.for_domains(domains), strict=True):
        now = timezone.now()
        free = DomainCheck.objects.filter(pk=domain.pk, due_at__lte=now)
        # If this worker is killed, the next check is due soon.
        if free.update(due_at=now + _SOON, looking_since=now, looked_for=digest(wanted(facts))):
            claimed.append((domain, facts, now))
    return claimed


def begin(domain: Domain, facts: Facts) -> datetime:
    """Records that a domain is being checked now."""
    now = timezone.now()
    values = {"looking_since": now, "looked_for": digest(wanted(facts))}
    if not DomainCheck.objects.filter(pk=domain.pk).update(**values):
        DomainCheck.objects.get_or_create(domain=domain, defaults={"due_at": now + _SOON, **values})
    return now


def _notice_changes() -> None:
    """Makes domains due whose wanted records differ from those of the last check, including new domains."""
    now = timezone.now()
    domains = list(Domain.objects.all())
    looked_for = dict(DomainCheck.objects.values_list("pk", "looked_for"))
    changed = [
        domain.pk
        for domain, facts in zip(domains, Facts.for_domains(domains), strict=True)
        if looked_for.get(domain.pk) != digest(wanted(facts))
    ]
    new = [DomainCheck(domain_id=pk, due_at=now) for pk in changed if pk not in looked_for]
    DomainCheck.objects.bulk_create(new, ignore_conflicts=True)
    for keys in changes.batches(changed):
        DomainCheck.objects.filter(pk__in=keys, due_at__gt=now).update(due_at=now)


def next_due(domain: Domain, now: datetime, *, settled: bool) -> datetime:
    """When a domain is due next.

    Args:
        settled: whether every required record is right.
    """
    if settled:
        # Spread out domains that were added or checked together.
        return now + _USUAL * (1 - _spread(domain.pk) / 4)
    published = Publisher.objects.filter(pk=domain.pk, published_at__gte=now - _AFTER_PUBLISHING)
    return now + (_EACH_MINUTE if published.exists() else _SOON)


def _spread(pk: int) -> float:
    """From 0 to 1, the same for a domain at all times, and far apart for neighbours (Knuth's multiplier)."""
    return (pk * 2654435761 % 2**32) / 2**32
