"""Looks a domain's records up, judges them, and keeps the result. The one way in for API, console and schedule."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from dnsrecords.answers import Answer, Outcome, remembering
from dnsrecords.checking import alerts, dnssec, results
from dnsrecords.checking.results import News, Result
from dnsrecords.dkim import progress
from dnsrecords.judging import detours, propagation
from dnsrecords.judging.judge import Judgement, questions
from dnsrecords.kinds.registry import wanted
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import DomainCheck
from dnsrecords.mtasts import fetch as policyfetch
from dnsrecords.mtasts import policy
from dnsrecords.records.facts import Facts
from dnsrecords.verdicts import Status
from mailboxes.models import Domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dnsrecords.answers import Lookup, Question, ServerAnswer
    from dnsrecords.mtasts.policy import Fetch
    from dnsrecords.records.record import Record

#: Seconds for all that is asked about a domain, whatever its name servers do; judging it takes the rest of ten.
DEADLINE = 9.0
#: Shares of that, counted from the start: each step that asks has to end then, so that servers that are silent in one
#: leave time for the next. The steps: the records, how far they have spread, what judging them needs, what stands in
#: SPF records; the rest is for telling wildcards from records.
_OWN, _CACHES, _FURTHER, _JUDGING = 0.55, 0.65, 0.8, 0.93
#: Fetches the MTA-STS policy of a domain as others do.
FETCH = policyfetch.fetch
#: Where the name servers of zones listen.
PORT = 53
#: A domain is looked up once an hour; while something is wrong, more often, so that the page soon turns green.
_USUAL, _SOON = timedelta(hours=1), timedelta(minutes=10)
#: Domains under way at once; nearly all of the time is waiting.
_SIDE_BY_SIDE = 16


def check(domain: Domain) -> None:
    """Looks one domain up now, and tells the operator what broke or recovered."""
    facts = Facts.for_domain(domain)
    with ThreadPoolExecutor(1) as pool:
        signed = pool.submit(_is_signed, facts)
        outcome = look(facts)
    news = _keep(domain, outcome)
    _note_signed(signed.result())
    if progress.advance(domain, results.published_keys(outcome)):
        news += _keep(domain, look(Facts.for_domain(domain)))
    alerts.tell(news)


def check_due(most: int = 1000) -> int:
    """Looks up every domain whose time has come, side by side.

    Returns:
        How many domains were looked up.
    """
    _enroll()
    due = [pk for pk in _due(most) if _claim(pk)]
    domains = list(Domain.objects.filter(pk__in=due))
    news: list[News] = []
    facts = list(Facts.for_domains(domains))
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        # All have the same hostname.
        signed = [pool.submit(_is_signed, first) for first in facts[:1]]
        looks = {
            pool.submit(look, its_facts): domain for domain, its_facts in zip(domains, facts, strict=True)
        }
        # Kept as they are done, so that dead name servers delay nobody else; database work stays in this thread.
        for done in as_completed(looks):
            domain, outcome = looks[done], done.result()
            news += _keep(domain, outcome)
            if progress.advance(domain, results.published_keys(outcome)):
                DomainCheck.objects.filter(pk=domain.pk).update(due_at=timezone.now())
    for future in signed:
        _note_signed(future.result())
    alerts.tell(news)
    alerts.tell_retired(progress.remove_retired())
    return len(domains)


# --- when --------------------------------------------------------------------------------------------------
def _enroll() -> None:
    """Gives domains that are new a time within the hour."""
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


# --- DNSSEC ------------------------------------------------------------------------------------------------
def _is_signed(facts: Facts) -> bool | None:
    """Whether the zone of the mail server's hostname is signed; None: not known, or nothing depends on it."""
    if not facts.tlsa:
        return None
    with _resolver() as resolver:
        answers = resolver.lookup_all(dnssec.questions(facts.hostname))
        return dnssec.is_signed(facts.hostname, remembering(resolver.lookup, answers))


def _note_signed(signed: bool | None) -> None:
    if signed is not None:
        DomainCheck.objects.exclude(signed=signed).update(signed=signed)


# --- one domain --------------------------------------------------------------------------------------------
def look(facts: Facts) -> list[Result]:
    """Asks the zone's name servers for every record, and judges the answers. Reads and writes no rows."""
    records = wanted(facts)
    ends = time.monotonic() + DEADLINE
    with _resolver() as resolver, ThreadPoolExecutor(1) as pool:
        resolver.allow(_OWN)
        answers = resolver.authoritative_all(record.question for record in records)
        resolver.allow(_CACHES)
        # Where there is one resolver only, its answer says no more than the zone's own.
        several = len(settings.QUAZZAR_DNS_RESOLVERS) > 1
        caches = resolver.by_each(record.question for record in records if record.required) if several else {}
        resolver.allow(_FURTHER)
        further = {
            question: None
            for record in records
            for question in questions(record, facts, answers[record.question])
            if question not in answers
        }
        lookup = remembering(resolver.lookup, {**resolver.lookup_all(further), **answers})
        facts = _with_addresses(facts, lookup)
        fetch = _fetching(pool, facts, lookup, ends)
        resolver.allow(_JUDGING)
        judged = {
            record: Judgement(record, facts, answers[record.question], lookup, fetch) for record in records
        }
        resolver.allow(1.0)
        for record, answer in _by_wildcards(judged, answers, lookup, resolver).items():
            judged[record] = Judgement(record, facts, answer, lookup, fetch)
        return [
            _result(record, judgement, answers[record.question].servers, caches.get(record.question, ()))
            for record, judgement in judged.items()
        ]


def _by_wildcards(
    judged: Mapping[Record, Judgement],
    answers: Mapping[Question, Answer],
    lookup: Lookup,
    resolver: Resolver,
) -> dict[Record, Answer]:
    """Of the records that are wrong, those for which a wildcard answers, each with what it answers."""
    # Nobody asked for this name before, so that no cache has it.
    label = f"quazzar-{secrets.token_hex(6)}"
    doubted = {}
    for record, judgement in judged.items():
        if judgement.verdict.status in (Status.MISSING, Status.MISMATCH):
            names = detours.unused_names(record.name, answers[record.question].zone, label)
            # In the place of a CNAME record there may be addresses.
            types = (record.type, "A", "AAAA") if record.type == "CNAME" else (record.type,)
            there = (type_ for type_ in types if _anything(lookup(record.name, type_)))
            if names and (type_ := next(there, None)):
                doubted[record] = [(name, type_) for name in names]
    asked = resolver.authoritative_all(question for pair in doubted.values() for question in pair)
    found = {}
    for record, pair in doubted.items():
        beside, below = (asked[question] for question in pair)
        if detours.is_wildcard(beside, below):
            values = tuple(sorted(beside.values)) if beside.type == record.type else ()
            found[record] = replace(answers[record.question], wildcard=values)
    return found


def _anything(answer: Answer) -> bool:
    return answer.exists or bool(answer.cname)


def _resolver() -> Resolver:
    return Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=DEADLINE, port=PORT)


def _with_addresses(facts: Facts, lookup: Lookup) -> Facts:
    """Where the operator has not set the node's public addresses, those of its hostname: SPF has to let them send."""
    if facts.addresses or not facts.hostname:
        return facts
    addresses = [value for type_ in ("A", "AAAA") for value in lookup(facts.hostname, type_).values]
    return replace(facts, addresses=tuple(addresses))


def _fetching(pool: ThreadPoolExecutor, facts: Facts, lookup: Lookup, ends: float) -> Fetch:
    """Begins to fetch the MTA-STS policy as others get it, if there is a record for it, and waits when it is needed."""
    if not facts.mta_sts or not lookup(policy.record_name(facts.domain), "TXT").exists:
        return lambda: None
    answers = [lookup(policy.host(facts.domain), type_) for type_ in ("A", "AAAA")]
    seconds = min(ends - time.monotonic(), policyfetch.SECONDS)
    if seconds <= 0 or any(answer.outcome is Outcome.UNASKED for answer in answers):
        return lambda: None
    addresses = [value for answer in answers for value in answer.values]
    return pool.submit(FETCH, facts.domain, addresses, seconds=seconds).result


def _result(
    record: Record, judgement: Judgement, servers: Sequence[ServerAnswer], caches: Sequence[ServerAnswer]
) -> Result:
    verdict = judgement.verdict
    if verdict.status is Status.UNCHECKED:
        return Result(record, verdict, zone=judgement.zone)
    zone, readers = (propagation.seen(asked, judgement.is_right) for asked in (servers, caches))
    sentences = [zone.sentence()] if servers else []
    sentences += [readers.sentence("resolvers")] if caches else []
    everywhere = verdict.ok and (zone.complete or not servers)
    return Result(record, verdict, "; ".join(sentences), everywhere, judgement.zone)


# --- what comes of it --------------------------------------------------------------------------------------
def _keep(domain: Domain, outcome: Sequence[Result]) -> list[News]:
    now = timezone.now()
    due = now + (_USUAL if _settled(outcome) else _SOON)
    return results.keep(domain, outcome, now, due)


def _settled(outcome: Iterable[Result]) -> bool:
    return all(result.verdict.ok for result in outcome if result.record.required)
