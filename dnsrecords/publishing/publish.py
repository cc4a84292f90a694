"""Publishes a domain's records automatically, if the operator has set up a name service for it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dnsrecords.answers import Answer, Outcome
from dnsrecords.judging.judge import judge
from dnsrecords.kinds.registry import kind_of, wanted
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import DomainCheck, Publisher, RecordCheck
from dnsrecords.names import within
from dnsrecords.publishing import rules
from dnsrecords.publishing.plan import Zone, addresses, plan, publishable, questions
from dnsrecords.publishing.services import PublishFailed, ZoneChanged
from dnsrecords.publishing.services.registry import service
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import digest
from dnsrecords.verdicts import Status, Verdict
from mailboxes import changes
from mailboxes.models import Domain
from quazzar.access import audit
from quazzar.errors import QuazzarError
from quazzar.sealing.binding import has_moved
from quazzar.validation import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from dnsrecords.answers import Lookup, Question
    from dnsrecords.publishing.plan import Entry, Plan
    from dnsrecords.publishing.services import NameService, Published
    from dnsrecords.records.record import Record

logger = logging.getLogger(__name__)

#: Seconds for what has to be looked up elsewhere to judge what is there.
_DEADLINE = 9.0
#: How often to read the zone again if someone else changes it at the same time.
_TRIES = 3
#: The interval between attempts after a failure, and while something is wrong.
_AGAIN_AFTER_FAILURE, _AGAIN_WHILE_WRONG = timedelta(minutes=10), timedelta(hours=1)
_SIDE_BY_SIDE = 8
#: CNAMEs that are followed; a longer chain is a circle, or might as well be one.
_MOST_ALIASES = 8


class NoPublisher(QuazzarError):
    """Automatic publishing is not set up for this domain."""

    code = "no_publisher"
    message = "No name server is set up to publish this domain's records."
    hint = "Enter the zone's primary name server and a TSIG key first."
    status = 409


class SecretUnreadable(QuazzarError):
    """The TSIG secret was sealed with a key that is gone."""

    code = "publisher_secret_unreadable"
    message = "The TSIG secret was sealed with a key that is no longer in the key file."
    hint = "Enter the secret again."
    status = 409


# --- settings ----------------------------------------------------------------------------------------------
def for_domain(domain: Domain) -> Publisher | None:
    """How the domain's records are published; None: nothing is set up."""
    return Publisher.objects.filter(pk=domain.pk).first()


def set_up(domain_id: int, fields: Mapping[str, Any]) -> Publisher:
    """Stores how a domain's records are published.

    Args:
        fields: server, port, zone, key_name, algorithm, secret. Those that are missing stay as they are, or get
            their default. An empty secret stays as it is while server, port, key name and algorithm do (see
            `quazzar.sealing.binding`).

    Raises:
        NotFound: there is no such domain.
        InvalidFields: something is wrong.
    """
    with changes.writing():
        domain = changes.existing(Domain.objects.all(), domain_id)
        row = for_domain(domain) or Publisher(domain=domain)
        wrong = Wrong()
        rules_of: dict[str, Callable[[Any], Any]] = {
            "server": rules.server,
            "port": rules.port,
            "zone": lambda zone: rules.zone(zone, domain.name),
            "key_name": rules.key_name,
            "algorithm": rules.algorithm,
        }
        values = {
            name: wrong.checked(name, rule, fields.get(name, getattr(row, name)), default=getattr(row, name))
            for name, rule in rules_of.items()
        }
        if fields.get("secret"):
            values["secret"] = wrong.checked("secret", rules.secret, fields["secret"], default="")
        elif row.secret is None:
            wrong.add("secret", "Enter the secret of the TSIG key.")
        elif has_moved({name: getattr(row, name) for name in rules.SECRET_PLACE}, values, rules.SECRET_PLACE):
            wrong.add("secret", rules.PLACE_CHANGED)
        wrong.raise_if_any()
        changed = {
            name: (getattr(row, name), value)
            for name, value in values.items()
            if row._state.adding or name == "secret" or getattr(row, name) != value
        }
        for name, value in values.items():
            setattr(row, name, value)
        # Of another server nothing is known yet.
        row.published_for, row.tried_at, row.last_error = "", None, None
        row.save()
        if changed:
            audit.record("domain.publisher_set", domain.name, changes=changed)
    return Publisher.objects.get(pk=domain_id)


def remove(domain_id: int) -> None:
    """Forgets the name server; what is published stays.

    Raises:
        NotFound: there is no such domain.
        NoPublisher: there is none.
    """
    with changes.writing():
        domain = changes.existing(Domain.objects.all(), domain_id)
        if not Publisher.objects.filter(pk=domain_id).delete()[0]:
            raise NoPublisher
        audit.record("domain.publisher_removed", domain.name, ["publisher"])


# --- publishing --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Job:
    """All that is needed from rows to publish a domain's records; what follows needs none.

    Attributes:
        records: those that can be published in the zone.
        digest: of the records, to notice when others are wanted.
        ours: what was put into the zone by us earlier.
        connect: reaches the name service.
        replace: replace records that are not ours where a wanted record belongs.
    """

    domain: Domain
    facts: Facts
    records: tuple[Record, ...]
    zone: str
    digest: str
    ours: frozenset[Entry]
    connect: Callable[[], NameService] = field(repr=False)
    replace: bool = False


def publish(domain: Domain, *, replace: bool = False) -> Plan:
    """Brings the zone up to date now.

    Args:
        replace: replace records that are not ours where a wanted record belongs.

    Returns:
        What was changed, and what is in the way.

    Raises:
        NoPublisher, SecretUnreadable: there is nothing to do it with.
        PublishFailed: the name server did not take it; nothing was changed.
    """
    row = for_domain(domain)
    if row is None:
        raise NoPublisher
    job = _job(row, domain, Facts.for_domain(domain), replace=replace)
    try:
        outcome = _carry_out(job)
    except PublishFailed as exc:
        _note_failure(row, exc)
        raise
    _note_success(job, outcome)
    return outcome


def publish_due() -> int:
    """Publishes what has changed since, or is wrong, for every domain that has a name server.

    What somebody else has put there stays.

    Returns:
        For how many domains it was tried.
    """
    before = timezone.now() - _AGAIN_AFTER_FAILURE
    may_be_tried = Q(tried_at=None) | Q(tried_at__lt=before) | Q(last_error__isnull=True)
    publishers = list(Publisher.objects.filter(may_be_tried).select_related("domain"))
    rows = {row.pk: row for row in publishers}
    jobs = list(_jobs(publishers))
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for job, outcome in zip(jobs, pool.map(_try, jobs), strict=True):
            if isinstance(outcome, PublishFailed):
                logger.warning("dns: publishing %s failed: %s", job.domain.name, outcome.message)
                _note_failure(rows[job.domain.pk], outcome)
            else:
                _note_success(job, outcome)
    return len(jobs)


def _jobs(rows: list[Publisher]) -> Iterator[_Job]:
    """The jobs that are due."""
    wrong = set(
        RecordCheck.objects.filter(domain__in=[row.pk for row in rows])
        .exclude(status__in=[Status.OK, Status.UNCHECKED])
        .values_list("domain_id", flat=True)
    )
    before = timezone.now() - _AGAIN_WHILE_WRONG
    for row, facts in zip(rows, Facts.for_domains([row.domain for row in rows]), strict=True):
        try:
            job = _job(row, row.domain, facts)
        except QuazzarError as exc:
            _note_failure(row, exc)
            continue
        again = row.pk in wrong and (row.tried_at is None or row.tried_at < before)
        if again or job.digest != row.published_for:
            yield job


def _job(row: Publisher, domain: Domain, facts: Facts, *, replace: bool = False) -> _Job:
    if row.secret is None or not row.secret.readable:
        raise SecretUnreadable
    secret, zone = row.secret.reveal(), row.zone or domain.name
    records = publishable(wanted(facts), zone)
    return _Job(
        domain=domain,
        facts=facts,
        records=records,
        zone=zone,
        digest=digest(records),
        ours=frozenset((name, type_, value) for name, type_, value in row.ours),
        connect=lambda: service(row, zone, secret),
        replace=replace,
    )


def _try(job: _Job) -> Plan | PublishFailed:
    try:
        return _carry_out(job)
    except PublishFailed as exc:
        return exc


def _carry_out(job: _Job) -> Plan:
    """Reads, plans and changes, without a row."""
    name_service = job.connect()
    with Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=_DEADLINE) as resolver:
        earlier = None
        for _ in range(_TRIES):
            answered, lent = _read(job, name_service)
            lookup = _lookup(job.zone, name_service, resolver, answered, lent)
            verdicts = {record.id: _verdict(record, job.facts, lookup) for record in job.records}
            zone = _zone(job, answered, lent, lookup)
            outcome = plan(job.records, verdicts, zone, job.ours, replace=job.replace)
            try:
                if outcome.changes:
                    name_service.apply(outcome.changes)
            except ZoneChanged:
                if zone == earlier:
                    raise _not_as_answered(job.zone) from None
                earlier = zone
                continue
            return outcome
    raise PublishFailed(
        f"Someone else changed the zone {job.zone} during each attempt.",
        code="update_overtaken",
        hint="Try again when nobody else is changing it.",
    )


def _not_as_answered(zone: str) -> PublishFailed:
    return PublishFailed(
        f"The name server's answers for {zone} do not match what it stores: it twice refused a change that "
        "depends on its own answers.",
        code="update_not_as_answered",
        hint=(
            "Find out whether several servers share its address, or whether it generates records such as "
            "ALIAS or LUA. Publish to the primary that stores the zone."
        ),
    )


def _read(
    job: _Job, name_service: NameService
) -> tuple[dict[Question, tuple[Published, ...]], frozenset[Question]]:
    """What the zone answers, and for which questions it is a wildcard that does."""
    hosts = addresses((job.domain.name, job.facts.hostname), job.zone)
    aliases = ((host, "CNAME") for host, _ in hosts)
    answered = name_service.read(dict.fromkeys([*questions(job.records, job.ours), *hosts, *aliases]))
    # No wildcard answers for the zone's own name.
    found = [
        (name, type_)
        for (name, type_), values in answered.items()
        if name != job.zone and any(not value.above for value in values)
    ]
    return answered, frozenset(found) - name_service.stored(found)


def _zone(
    job: _Job,
    answered: Mapping[Question, tuple[Published, ...]],
    lent: Collection[Question],
    lookup: Lookup,
) -> Zone:
    """What the zone has, and the addresses that its hosts have by a wildcard, perhaps through a CNAME."""
    hosts = addresses((job.domain.name, job.facts.hostname), job.zone)
    return Zone(
        {question: () if question in lent else values for question, values in answered.items()},
        {
            (host, type_): lookup(host, type_).values
            for host, type_ in hosts
            if not {(host, type_), (host, "CNAME")}.isdisjoint(lent)
        },
    )


def _verdict(record: Record, facts: Facts, lookup: Lookup) -> Verdict:
    """How a record stands in the zone. What only a wildcard answers is missing there: other changes may end it."""
    answer = lookup(*record.question)
    verdict = judge(record, facts, answer, lookup)
    if answer.wildcard is None or not verdict.ok:
        return verdict
    kept = verdict.advice or (verdict.found[0] if kind_of(record).merges else "")
    return Verdict(Status.MISSING, advice=kept, left_out=verdict.left_out)


def _lookup(
    zone: str,
    name_service: NameService,
    resolver: Resolver,
    in_zone: dict[Question, tuple[Published, ...]],
    lent: Collection[Question],
) -> Lookup:
    """Look-ups in which names in the zone have what its primary has, which the world may see only later."""

    def lookup(name: str, type_: str, left: int = _MOST_ALIASES) -> Answer:
        if not within(name, zone):
            return resolver.lookup(name, type_)
        unread = [question for question in ((name, type_), (name, "CNAME")) if question not in in_zone]
        if unread:
            in_zone.update(name_service.read(unread))
        if any(entry.above for entry in in_zone[name, "CNAME"]):
            return resolver.lookup(name, type_)
        values = tuple(entry.value for entry in in_zone[name, type_])
        alias = next((entry.value for entry in in_zone[name, "CNAME"]), "") if type_ != "CNAME" else ""
        if alias and not values:
            behind = lookup(alias, type_, left - 1) if left else Answer(name, type_, Outcome.BAD)
            wild = tuple(sorted(behind.values)) if (name, "CNAME") in lent else None
            return Answer(name, type_, behind.outcome, behind.values, cname=alias, wildcard=wild, zone=zone)
        outcome = Outcome.FOUND if values else Outcome.NO_DATA
        wild = tuple(sorted(values)) if (name, type_) in lent else None
        return Answer(name, type_, outcome, values, wildcard=wild, zone=zone)

    return lookup


# --- the result ---------------------------------------------------------------------------------------
def _note_failure(row: Publisher, error: QuazzarError) -> None:
    shown = {"code": error.code, "message": error.message, "hint": error.hint}
    Publisher.objects.filter(pk=row.pk).update(last_error=shown, tried_at=timezone.now())


def _note_success(job: _Job, outcome: Plan) -> None:
    now = timezone.now()
    with transaction.atomic():
        Publisher.objects.filter(pk=job.domain.pk).update(
            ours=sorted(map(list, outcome.ours)),
            published_for=job.digest,
            published_at=now,
            tried_at=now,
            last_error=None,
        )
        if outcome.changes:
            DomainCheck.objects.filter(pk=job.domain.pk).update(due_at=now)
            types = sorted({change.type for change in outcome.changes})
            audit.record("domain.published", job.domain.name, types)
