"""Looks up a domain's records, judges them, and stores the results. API, console and schedule all call this module."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from dnsrecords.answers import Answer, Outcome, remembering
from dnsrecords.checking import alerts, dnssec, results, schedule
from dnsrecords.checking.results import News, Result
from dnsrecords.dkim import progress
from dnsrecords.judging import detours, propagation
from dnsrecords.judging.judge import Judgement, questions
from dnsrecords.kinds.registry import kind_of, wanted
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import DomainCheck
from dnsrecords.mtasts import fetch as policyfetch
from dnsrecords.mtasts import policy
from dnsrecords.records.facts import Facts
from dnsrecords.verdicts import Status
from mailboxes.models import Domain
from quazzar.monitoring import findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from dnsrecords.answers import Lookup, Question, ServerAnswer
    from dnsrecords.mtasts.policy import Fetch
    from dnsrecords.records.record import Record

#: Seconds for all queries about a domain, whatever its name servers do; judging takes the rest of ten seconds.
DEADLINE = 9.0
#: Shares of that, counted from the start: each step that sends queries has to end by then, so that servers that do not
#: answer in one leave time for the next. The steps: the records, how far they have spread, what judging them needs,
#: the names in SPF records; the rest is for telling wildcards from records.
_OWN, _CACHES, _FURTHER, _JUDGING = 0.55, 0.65, 0.8, 0.93
#: Fetches the MTA-STS policy of a domain as others do.
FETCH = policyfetch.fetch
#: Seconds to fetch a policy that no record points to any more.
_LEFT_OVER = 2.0
#: Where the name servers of zones listen.
PORT = 53
#: The least time in seconds that a second look-up needs.
_AGAIN = 4.0
#: Domains that are checked at the same time; nearly all of the time is spent waiting.
_SIDE_BY_SIDE = 16


def check(domain: Domain) -> None:
    """Checks one domain now, and mails the operator what broke or recovered."""
    facts = Facts.for_domain(domain)
    began = schedule.begin(domain, facts)
    with ThreadPoolExecutor(1) as pool:
        signed = pool.submit(_is_signed, facts)
        outcome = look(facts)
    news = _keep(domain, outcome, began)
    _note_signed(signed.result())
    if progress.advance(domain, results.published_keys(outcome)):
        # Another key signs. If there is no time left to check again, the worker does.
        left = DEADLINE - (timezone.now() - began).total_seconds()
        if left > _AGAIN:
            facts = Facts.for_domain(domain)
            news += _keep(domain, look(facts, left), schedule.begin(domain, facts))
    alerts.tell(news)
    findings.look({"dns"})


def check_due(most: int = 1000) -> int:
    """Checks every domain that is due, in parallel.

    Returns:
        How many domains were checked.
    """
    claimed = schedule.claim_due(most)
    news: list[News] = []
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        # All have the same hostname.
        signed = [pool.submit(_is_signed, facts) for _, facts, _ in claimed[:1]]
        looks = {pool.submit(look, facts): (domain, began) for domain, facts, began in claimed}
        # Stored as they finish, so that dead name servers do not delay other domains; database work stays in this
        # thread.
        for done in as_completed(looks):
            (domain, began), outcome = looks[done], done.result()
            news += _keep(domain, outcome, began)
            progress.advance(domain, results.published_keys(outcome))
    for future in signed:
        _note_signed(future.result())
    alerts.tell(news)
    alerts.tell_retired(progress.remove_retired())
    if claimed:
        findings.look({"dns"})
    return len(claimed)


# --- DNSSEC ------------------------------------------------------------------------------------------------
def _is_signed(facts: Facts) -> bool | None:
    """Whether the zone of the mail server's hostname is signed; None: not known, or nothing depends on it."""
    if not facts.tlsa:
        return None
    with _resolver() as resolver:
        answers = resolver.lookup_all(dnssec.questions(facts.hostname))
        return dnssec.is_signed(facts.hostname, remembering(resolver.lookup, answers))


def _note_signed(signed: bool | None) -> None:
    if signed is not None and DomainCheck.objects.exclude(signed=signed).update(signed=signed):
        schedule.wake()  # a TLSA record is wanted now, or no longer


# --- one domain --------------------------------------------------------------------------------------------
def look(facts: Facts, seconds: float | None = None) -> list[Result]:
    """Asks the zone's name servers for every record, and judges the answers. Reads and writes no rows.

    Args:
        seconds: for all that is asked; None: `DEADLINE`.
    """
    records = wanted(facts)
    ends = time.monotonic() + (seconds or DEADLINE)
    with _resolver(seconds) as resolver, ThreadPoolExecutor(1) as pool:
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
    """Those of the wrong records for which a wildcard answers, each with the wildcard's answer."""
    # This name was never queried before, so no cache has it.
    label = f"quazzar-{secrets.token_hex(6)}"
    doubted = {}
    for record, judgement in judged.items():
        wrong = judgement.verdict.status in (Status.MISSING, Status.MISMATCH)
        if wrong and not kind_of(record).zone_of_others:
            names = detours.unused_names(record.name, answers[record.question].zone, label)
            # There may be addresses instead of a CNAME record.
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


def _resolver(seconds: float | None = None) -> Resolver:
    return Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=seconds or DEADLINE, port=PORT)


def _with_addresses(facts: Facts, lookup: Lookup) -> Facts:
    """Where the operator has not set the node's public addresses, those of its hostname: SPF has to let them send."""
    if facts.addresses or not facts.hostname:
        return facts
    # The stack neither listens nor sends by IPv6.
    return facts.at([*facts.hidden_addresses, *lookup(facts.hostname, "A").values])


def _fetching(pool: ThreadPoolExecutor, facts: Facts, lookup: Lookup, ends: float) -> Fetch:
    """Fetches the MTA-STS policy as others get it, if there may be one.

    There may be if a record announces it or, where this node serves none, if a former provider may still serve one.
    """
    record = lookup(policy.record_name(facts.domain), "TXT") if facts.hostname else None
    if record is None or (facts.mta_sts and not record.exists):
        return lambda: None
    answers = [lookup(policy.host(facts.domain), type_) for type_ in ("A", "AAAA")]
    announced = any(value.startswith("v=STSv1") for value in record.values)
    seconds = min(ends - time.monotonic(), policyfetch.SECONDS if announced or facts.mta_sts else _LEFT_OVER)
    if seconds <= 0 or any(answer.outcome is Outcome.UNASKED for answer in answers):
        return lambda: None
    addresses = [value for answer in answers for value in answer.values]
    if not addresses and not facts.mta_sts:
        return lambda: None
    fetched = pool.submit(FETCH, facts.domain, addresses, seconds=seconds).result
    return lambda: replace(fetched(), announced=announced)


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


# --- the result --------------------------------------------------------------------------------------
def _keep(domain: Domain, outcome: Sequence[Result], began: datetime) -> list[News]:
    now = timezone.now()
    settled = all(result.verdict.ok for result in outcome if result.record.required)
    due = schedule.next_due(domain, now, settled=settled)
    return results.keep(domain, outcome, now, due, began=began)
