"""Looks a domain's records up, compares, and keeps what was found. The one way in for API, console and schedule."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from dnsrecords.checking import alerts, report, results
from dnsrecords.checking import dnssec as signing
from dnsrecords.checking.results import News, Result
from dnsrecords.dkim import ed25519 as secondkey
from dnsrecords.dkim import rotation
from dnsrecords.judging import judge as comparing
from dnsrecords.judging import propagation
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import DomainCheck
from dnsrecords.mtasts import fetch as policyfetch
from dnsrecords.mtasts import policy as stspolicy
from dnsrecords.records import facts as domainfacts
from dnsrecords.records.facts import SECRETS
from dnsrecords.verdicts import Status
from mailboxes.models import Domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dnsrecords.answers import Answer, ServerAnswer
    from dnsrecords.mtasts.policy import Fetched
    from dnsrecords.records.build import Facts, Record
    from dnsrecords.spf.evaluate import Lookup

#: Seconds for all that is asked about a domain, whatever its name servers do; judging it takes the rest of ten.
DEADLINE = 9.0
#: Fetches the MTA-STS policy of a domain as others do.
FETCH = policyfetch.fetch
#: Where the name servers of zones listen.
PORT = 53
#: A domain is looked up once an hour; while something is wrong, more often, so that the page soon turns green.
_USUAL, _SOON = timedelta(hours=1), timedelta(minutes=10)
#: Domains under way at once; nearly all of the time is waiting.
_SIDE_BY_SIDE = 16


def check(domain: Domain) -> list[News]:
    """Looks one domain up now, and tells the operator what broke or recovered."""
    facts = domainfacts.of(domain)
    with ThreadPoolExecutor(1) as pool:
        signed = pool.submit(_signed, facts)
        found = look(facts)
    news = _keep(domain, found)
    _note_signed(signed.result())
    secondkey.advance(domain, found)
    if rotation.advance(domain, found):
        domain.refresh_from_db()
        news += _keep(domain, look(domainfacts.of(domain)))
    alerts.tell(news)
    return news


def check_due(most: int = 1000) -> int:
    """Looks up every domain whose time has come, side by side; says how many."""
    _enroll()
    due = [pk for pk in _due(most) if _claim(pk)]
    domains = list(Domain.objects.filter(pk__in=due).defer(*SECRETS))
    news: list[News] = []
    facts = list(domainfacts.of_all(domains))
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        # All have the same hostname.
        signed = [pool.submit(_signed, each) for each in facts[:1]]
        looks = {pool.submit(look, each): domain for domain, each in zip(domains, facts, strict=True)}
        # Kept as they are done, so that dead name servers delay nobody else; database work stays in this thread.
        for done in as_completed(looks):
            domain, found = looks[done], done.result()
            news += _keep(domain, found)
            secondkey.advance(domain, found)
            if rotation.advance(domain, found):
                DomainCheck.objects.filter(pk=domain.pk).update(due_at=timezone.now())
    for each in signed:
        _note_signed(each.result())
    alerts.tell(news)
    alerts.tell_retired(rotation.retire_due())
    return len(domains)


def _enroll() -> None:
    """Domains that are new get a time within the hour."""
    new = Domain.objects.filter(dns=None).values_list("pk", flat=True)
    now = timezone.now()
    rows = [DomainCheck(domain_id=pk, due_at=now + _USUAL * _spread(pk)) for pk in new]
    DomainCheck.objects.bulk_create(rows, ignore_conflicts=True)


def _spread(pk: int) -> float:
    """From 0 to 1, the same for a domain at all times, and far apart for neighbours (Knuth's multiplier)."""
    return (pk * 2654435761 % 2**32) / 2**32


def _due(most: int) -> list[int]:
    rows = DomainCheck.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    return list(rows.values_list("pk", flat=True)[:most])


def _claim(pk: int) -> bool:
    """Whether this worker is the one to look it up; if it is killed, the next turn comes soon."""
    now = timezone.now()
    return bool(DomainCheck.objects.filter(pk=pk, due_at__lte=now).update(due_at=now + _SOON))


def _signed(facts: Facts) -> bool | None:
    """Whether the zone of the mail server's hostname is signed; None: not known, or nothing depends on it."""
    if not facts.tlsa:
        return None
    resolvers = tuple(settings.QUAZZAR_DNS_RESOLVERS)
    with Resolver(servers=resolvers, deadline=DEADLINE, port=PORT) as resolver:
        known = resolver.lookup_all(signing.questions(facts.hostname))
        return signing.is_signed(facts.hostname, lambda name, type_: known[name, type_])


def _note_signed(signed: bool | None) -> None:
    if signed is not None:
        DomainCheck.objects.exclude(signed=signed).update(signed=signed)


# --- one domain --------------------------------------------------------------------------------------------
def look(facts: Facts) -> list[Result]:
    """Asks the zone's name servers for every record, and compares. Reads and writes no rows."""
    records = report.records_of(facts)
    resolvers = tuple(settings.QUAZZAR_DNS_RESOLVERS)
    ends = time.monotonic() + DEADLINE
    with Resolver(servers=resolvers, deadline=DEADLINE, port=PORT) as resolver:
        own = [_question(record) for record in records]
        answers = resolver.authoritative_all(own)
        # Of one alone there is no more to tell than whether it has the record.
        required = [_question(record) for record in records if record.required]
        caches = resolver.by_each(required) if len(resolvers) > 1 else {}
        more = [each for record in records for each in comparing.questions(record, facts)]
        more += [
            each
            for record in records
            for each in comparing.further_questions(record, facts, answers[_question(record)])
        ]
        more += stspolicy.questions(facts, answers)
        known = {
            **resolver.lookup_all([each for each in dict.fromkeys(more) if each not in answers]),
            **answers,
        }

        def lookup(name: str, type_: str) -> Answer:
            if (name, type_) not in known:
                known[name, type_] = resolver.lookup(name, type_)
            return known[name, type_]

        facts = _with_addresses(facts, lookup)
        found = [
            _result(record, facts, answers[_question(record)], caches.get(_question(record), ()), lookup)
            for record in records
        ]
        policy = _policy(facts, answers, lookup, ends - time.monotonic())
        return [
            replace(each, verdict=stspolicy.judge(each.record, each.verdict, facts, policy)) for each in found
        ]


def _policy(
    facts: Facts, answers: Mapping[tuple[str, str], Answer], lookup: Lookup, seconds: float
) -> Fetched | None:
    """The MTA-STS policy as others get it; None: nothing is published that leads them to it, or time is up."""
    asked = stspolicy.questions(facts, answers)
    if not asked or seconds <= 0:
        return None
    addresses = [value for name, type_ in asked for value in lookup(name, type_).values]
    return FETCH(facts.domain, addresses, seconds=min(seconds, policyfetch.SECONDS))


def _question(record: Record) -> tuple[str, str]:
    return record.name, record.type


def _with_addresses(facts: Facts, lookup: Lookup) -> Facts:
    """Where nobody has said what the world calls this node, its hostname does: SPF has to let that send."""
    if facts.addresses or not facts.hostname:
        return facts
    found = [value for type_ in ("A", "AAAA") for value in lookup(facts.hostname, type_).values]
    return replace(facts, addresses=tuple(found))


def _result(
    record: Record, facts: Facts, answer: Answer, caches: Sequence[ServerAnswer], lookup: Lookup
) -> Result:
    verdict = comparing.judge(record, facts, answer, lookup)
    if verdict.status is Status.UNCHECKED:
        return Result(record, verdict)
    good = comparing.right(record, facts, answer, lookup)
    zone, spread = propagation.seen(answer, good), propagation.count(caches, good)
    said = [
        each for each in (zone.of and zone.sentence(), spread.of and spread.sentence("resolvers")) if each
    ]
    everywhere = verdict.ok and (zone.complete or not zone.of)
    return Result(record, verdict, "; ".join(said), everywhere)


def _keep(domain: Domain, found: Sequence[Result]) -> list[News]:
    now = timezone.now()
    due = now + (_USUAL if _settled(found) else _SOON)
    return results.keep(domain, found, now, due)


def _settled(found: Iterable[Result]) -> bool:
    return all(each.verdict.ok for each in found if each.record.required)
