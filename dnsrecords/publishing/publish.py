"""Publishes a domain's records by machine, where the operator has set up a name service for it."""

from __future__ import annotations

import hashlib
import json
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
from dnsrecords.checking import report
from dnsrecords.judging import judge as comparing
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import DomainCheck, Publisher, RecordCheck
from dnsrecords.publishing import plan as publishplan
from dnsrecords.publishing import rules as publishrules
from dnsrecords.publishing.services import PublishFailed, ZoneChanged
from dnsrecords.publishing.services.registry import service
from dnsrecords.records import facts as domainfacts
from dnsrecords.records.build import within
from dnsrecords.records.facts import SECRETS
from dnsrecords.verdicts import Status
from mailboxes import changes
from mailboxes.models import Domain
from quazzar.access import audit
from quazzar.errors import QuazzarError
from quazzar.validation import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dnsrecords.publishing.plan import Ours, Plan
    from dnsrecords.publishing.services import Found, NameService, Question
    from dnsrecords.records.build import Facts, Record
    from dnsrecords.verdicts import Verdict

logger = logging.getLogger(__name__)

#: Seconds for what has to be looked up elsewhere to judge what is there.
_DEADLINE = 9.0
#: Somebody else may change the zone at the same time; so often it is looked at anew.
_TRIES = 3
#: After a failure, and while something is found wrong, it is tried again this often.
_AGAIN_AFTER_FAILURE, _AGAIN_WHILE_WRONG = timedelta(minutes=10), timedelta(hours=1)
_SIDE_BY_SIDE = 8
#: CNAMEs that are followed; a longer chain is a circle, or might as well be one.
_MOST_ALIASES = 8


class NoPublisher(QuazzarError):
    """Nothing is set up to publish this domain's records by machine."""

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
def of(domain: Domain) -> Publisher | None:
    """The row, or None."""
    return Publisher.objects.filter(pk=domain.pk).first()


def set_up(domain_id: int, given: Mapping[str, Any]) -> Publisher:
    """Stores the settings. What is not given is as before, or the default.

    Args:
        given: server, port, zone, key_name, algorithm, secret; an empty secret is the one from before.

    Raises:
        NotFound: there is no such domain.
        InvalidFields: something is wrong.
    """
    with changes.writing():
        domain = changes.found(Domain.objects.defer(*SECRETS), domain_id)
        row = of(domain) or Publisher(domain=domain)
        wrong = Wrong()
        values = {
            "server": wrong.checked(
                "server", publishrules.server, given.get("server", row.server), default=""
            ),
            "port": wrong.checked("port", publishrules.port, given.get("port", row.port), default=0),
            "zone": wrong.checked(
                "zone", publishrules.zone, given.get("zone", row.zone), domain.name, default=""
            ),
            "key_name": wrong.checked(
                "key_name", publishrules.key_name, given.get("key_name", row.key_name), default=""
            ),
            "algorithm": wrong.checked(
                "algorithm", publishrules.algorithm, given.get("algorithm", row.algorithm), default=""
            ),
        }
        if given.get("secret"):
            values["secret"] = wrong.checked("secret", publishrules.secret, given["secret"], default="")
        elif row.secret is None:
            wrong.add("secret", "Enter the secret of the TSIG key.")
        wrong.raise_if_any()
        for name, value in values.items():
            setattr(row, name, value)
        # Of another server nothing is known yet.
        row.published_for, row.tried_at, row.last_error = "", None, None
        row.save()
        audit.record("domain.publisher_set", domain.name, sorted(values))
    return Publisher.objects.get(pk=domain_id)


def remove(domain_id: int) -> None:
    """Forgets the name server; what is published stays.

    Raises:
        NotFound: there is no such domain.
        NoPublisher: there is none.
    """
    with changes.writing():
        domain = changes.found(Domain.objects.defer(*SECRETS), domain_id)
        if not Publisher.objects.filter(pk=domain_id).delete()[0]:
            raise NoPublisher
        audit.record("domain.publisher_removed", domain.name, ["publisher"])


# --- publishing --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Job:
    """All that is needed from rows to publish a domain's records; what follows needs none."""

    domain: Domain
    facts: Facts
    wanted: tuple[Record, ...]
    zone: str
    digest: str
    ours: frozenset[Ours]
    connect: Callable[[], NameService] = field(repr=False)
    replace: bool = False


def publish(domain: Domain, *, replace: bool = False) -> Plan:
    """Brings the zone up to date; says what was done, and what is in the way.

    Args:
        replace: what is not ours gives way, where it stands in the place of a wanted record.

    Raises:
        NoPublisher, SecretUnreadable: there is nothing to do it with.
        PublishFailed: the name server did not take it; nothing was changed.
    """
    row = of(domain)
    if row is None:
        raise NoPublisher
    job = _job(row, domain, domainfacts.of(domain), replace=replace)
    try:
        plan = _carried_out(job)
    except PublishFailed as exc:
        _note_failure(row, exc)
        raise
    _note_success(job, plan)
    return plan


def publish_due() -> int:
    """Publishes what has changed since, or was found wrong, for every domain that has a name server; says how many.

    What somebody else has put there stays.
    """
    now = timezone.now()
    rows = Publisher.objects.filter(
        Q(tried_at=None) | Q(tried_at__lt=now - _AGAIN_AFTER_FAILURE) | Q(last_error__isnull=True)
    ).select_related("domain").defer(*(f"domain__{name}" for name in SECRETS))  # fmt: skip
    known = list(rows)
    jobs = [job for job in _jobs(known) if job is not None]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for job, outcome in zip(jobs, pool.map(_tried, jobs), strict=True):
            if isinstance(outcome, PublishFailed):
                logger.warning("dns: publishing %s failed: %s", job.domain.name, outcome.message)
                _note_failure(next(row for row in known if row.pk == job.domain.pk), outcome)
            else:
                _note_success(job, outcome)
    return len(jobs)


def _jobs(rows: list[Publisher]) -> Iterable[_Job | None]:
    wrong = set(
        RecordCheck.objects.filter(domain__in=[row.pk for row in rows])
        .exclude(status__in=[Status.OK, Status.UNCHECKED])
        .values_list("domain_id", flat=True)
    )
    before = timezone.now() - _AGAIN_WHILE_WRONG
    for row, facts in zip(rows, domainfacts.of_all([row.domain for row in rows]), strict=True):
        try:
            job = _job(row, row.domain, facts)
        except QuazzarError as exc:
            _note_failure(row, exc)
            continue
        again = row.pk in wrong and (row.tried_at is None or row.tried_at < before)
        yield job if again or job.digest != row.published_for else None


def _job(row: Publisher, domain: Domain, facts: Facts, *, replace: bool = False) -> _Job:
    if row.secret is None or not row.secret.readable:
        raise SecretUnreadable
    secret, zone = row.secret.reveal(), row.zone or domain.name
    wanted = publishplan.publishable(report.records_of(facts), zone)
    said = json.dumps([[each.name, each.type, each.value, each.ttl] for each in wanted])
    return _Job(
        domain=domain,
        facts=facts,
        wanted=wanted,
        zone=zone,
        digest=hashlib.sha256(said.encode()).hexdigest(),
        ours=frozenset((name, type_, value) for name, type_, value in row.ours),
        connect=lambda: service(row, zone, secret),
        replace=replace,
    )


def _tried(job: _Job) -> Plan | PublishFailed:
    try:
        return _carried_out(job)
    except PublishFailed as exc:
        return exc


def _carried_out(job: _Job) -> Plan:
    """Reads, plans and changes, without a row."""
    name_service = job.connect()
    with Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=_DEADLINE) as resolver:
        for _ in range(_TRIES):
            found = name_service.read(publishplan.questions(job.wanted, job.ours))
            lookup = _lookup(job.zone, name_service, resolver, dict(found))
            verdicts = {each.id: _verdict(each, job.facts, lookup) for each in job.wanted}
            plan = publishplan.plan(job.wanted, verdicts, found, job.ours, replace=job.replace)
            try:
                if plan.changes:
                    name_service.apply(plan.changes)
            except ZoneChanged:
                continue
            return plan
    raise PublishFailed(
        f"The zone {job.zone} was changed by somebody else each time.", code="update_overtaken",
        hint="Try again when nobody else changes it.",
    )  # fmt: skip


def _lookup(
    zone: str, name_service: NameService, resolver: Resolver, known: dict[Question, tuple[Found, ...]]
) -> Callable[[str, str], Answer]:
    """Of names in the zone what its primary has, which the world may see only later."""

    def lookup(name: str, type_: str, left: int = _MOST_ALIASES) -> Answer:
        if not within(name, zone):
            return resolver.lookup(name, type_)
        wanted = [each for each in ((name, type_), (name, "CNAME")) if each not in known]
        if wanted:
            known.update(name_service.read(wanted))
        values = tuple(each.value for each in known[name, type_])
        alias = next((each.value for each in known[name, "CNAME"]), "") if type_ != "CNAME" else ""
        if alias and not values:
            behind = lookup(alias, type_, left - 1) if left else Answer(name, type_, Outcome.BAD)
            return Answer(name, type_, behind.outcome, behind.values, cname=alias)
        return Answer(name, type_, Outcome.FOUND if values else Outcome.NO_DATA, values)

    return lookup


def _verdict(record: Record, facts: Facts, lookup: Callable[[str, str], Answer]) -> Verdict:
    return comparing.judge(record, facts, lookup(record.name, record.type), lookup)


# --- what came of it ---------------------------------------------------------------------------------------
def _note_failure(row: Publisher, error: QuazzarError) -> None:
    said = {"code": error.code, "message": error.message, "hint": error.hint}
    Publisher.objects.filter(pk=row.pk).update(last_error=said, tried_at=timezone.now())


def _note_success(job: _Job, plan: Plan) -> None:
    now = timezone.now()
    with transaction.atomic():
        Publisher.objects.filter(pk=job.domain.pk).update(
            ours=sorted(map(list, plan.ours)),
            published_for=job.digest,
            published_at=now,
            tried_at=now,
            last_error=None,
        )
        if plan.changes:
            DomainCheck.objects.filter(pk=job.domain.pk).update(due_at=now)
            audit.record("domain.published", job.domain.name, sorted({each.type for each in plan.changes}))
