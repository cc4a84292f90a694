"""Notices within a minute, with a few queries, that a record on which mail depends has changed; then a check is due."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from dnsrecords.checking import check, schedule
from dnsrecords.kinds.registry import wanted
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import DomainCheck
from dnsrecords.records.facts import Facts
from mailboxes.models import Domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dnsrecords.answers import Answer

#: Seconds between two turns, and for all questions of one.
_EVERY, _DEADLINE = 20, 9.0
#: Domains in a turn.
MOST = 20
_KEPT_SECONDS = 86_400


def watch() -> list[str]:
    """Ask for the required records of some domains, and make those due whose answers differ from last time.

    Only the scheduled check judges the records; this only says that it would find something new.

    Returns:
        The names of the domains that are due now.
    """
    looked_up = Domain.objects.filter(dns__checked_at__isnull=False).order_by("pk")
    domains = whose_turn(list(looked_up), int(time.time() // _EVERY))
    questions = {
        facts.domain: [record.question for record in wanted(facts) if record.required]
        for facts in Facts.for_domains(domains)
    }
    resolver = Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=_DEADLINE, port=check.PORT)
    with resolver:
        answers = resolver.authoritative_all(question for asked in questions.values() for question in asked)
    now = {_key(name): digest(answers[each] for each in asked) for name, asked in questions.items()}
    before = cache.get_many(now)
    cache.set_many(now, _KEPT_SECONDS)
    # Without answers to compare with – the first turn, or the cache was lost – something may have changed since the
    # last check: so there is one more check, and later changes differ from these answers.
    changed = [domain for domain in domains if before.get(key := _key(domain.name)) != now[key]]
    if changed:
        DomainCheck.objects.filter(domain__in=changed).update(due_at=timezone.now())
        schedule.wake()
    return [domain.name for domain in changed]


def digest(answers: Iterable[Answer]) -> str:
    """The same for the same answers, in whichever order a name server gives the values. Pure."""
    said = sorted((each.name, each.type, each.outcome, each.cname, sorted(each.values)) for each in answers)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def whose_turn(domains: Sequence[Domain], number: int) -> Sequence[Domain]:
    """The domains to ask for in this turn; all of them, if they are few. Pure."""
    if len(domains) <= MOST:
        return domains
    start = number * MOST % len(domains)
    return [*domains, *domains][start : start + MOST]


def _key(name: str) -> str:
    return f"dns-tripwire:{name}"
