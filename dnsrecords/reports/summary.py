"""What the reports on a domain say, for page, API and metrics: sources by name, days, reporters, and advice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone

from dnsrecords.dmarc.policy import POLICIES
from dnsrecords.models import Network, ReceivedReport, ReportedMail, ReportedTls
from dnsrecords.records import options
from dnsrecords.reports import advice, senders
from dnsrecords.reports.advice import Advice, Numbers
from dnsrecords.reports.values import OK
from mailboxes.changes import batches
from mailboxes.models import Domain, Stack
from mailrelay.models import RelaySettings

#: Days that can be shown, and the number of sources and addresses of one that are.
PERIODS = (7, 30, 90, 365)
_MOST_SOURCES, _MOST_ADDRESSES = 100, 10
#: Groups of mails by address and result that are read. Of others only the sum is.
_MOST_GROUPS = 2_000
#: How far back the advice looks.
_ADVICE_DAYS = 90
_PASSED = Q(dkim=True) | Q(spf=True)


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a source."""

    address: str
    host: str
    passed: int
    failed: int


@dataclass(slots=True)
class Source:
    """Everyone who is called by one name."""

    name: str
    is_ours: bool = False
    is_service: bool = False
    passed: int = 0
    failed: int = 0
    #: Passed DKIM and SPF, of those that passed.
    dkim: int = 0
    spf: int = 0
    refused: int = 0
    quarantined: int = 0
    countries: Counter[str] = field(default_factory=Counter)
    networks: Counter[str] = field(default_factory=Counter)
    signers: Counter[str] = field(default_factory=Counter)
    addresses: list[Address] = field(default_factory=list)
    advice: str = ""

    @property
    def total(self) -> int:
        """Mails that the reports say this sender sent, whether or not they passed."""
        return self.passed + self.failed

    @property
    def whose(self) -> str:
        """Whose its mail is, as ``advice.whose`` counts it: yours, partly yours, or empty."""
        if self.is_ours or not self.failed:
            return "Yours"
        return "Partly yours" if self.passed else ""

    @property
    def main_networks(self) -> list[str]:
        """The networks that most of its mail comes from."""
        return [network for network, _ in self.networks.most_common(2)]

    @property
    def main_countries(self) -> list[str]:
        """The countries that most of its mail comes from."""
        return [country for country, _ in self.countries.most_common(4)]


@dataclass(frozen=True, slots=True)
class Day:
    """The mails of a day."""

    day: date
    passed: int = 0
    failed: int = 0
    strange: int = 0


@dataclass(frozen=True, slots=True)
class TlsFailure:
    """Sessions that failed in one way."""

    result: str
    host: str
    count: int
    advice: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What reports say about a domain in the last ``days``.

    Attributes:
        policy: that the reporters saw last; empty: none.
        sessions: TLS sessions that succeeded, and ``tls_failed`` those that did not.
    """

    domain: Domain
    days: int
    numbers: Numbers
    sentence: str
    policy: str
    dmarc: Advice
    mta_sts: Advice
    sources: Sequence[Source]
    by_day: Sequence[Day]
    sessions: int
    tls_failed: int
    tls_failures: Sequence[TlsFailure]
    reporters: Sequence[dict[str, Any]]
    last: datetime | None

    @property
    def is_empty(self) -> bool:
        """Nothing was ever reported in this time."""
        return not self.reporters


def of(domain: Domain, days: int = 30) -> Summary:
    """What the reports on the last days say."""
    today = timezone.now().date()
    since = today - timedelta(days=days - 1)
    mail = ReportedMail.objects.filter(domain=domain, day__gte=since)
    node = this_node()
    ours = _our_addresses(node)
    active = _days(mail, ours)
    numbers = _numbers(active.values())
    received = ReceivedReport.objects.filter(
        domain=domain, ends__gte=timezone.now() - timedelta(days=days + 1)
    )
    reporters = received.values("kind", "organisation").order_by("organisation", "kind")
    good, bad, failures = _tls(domain, since)
    return Summary(
        domain=domain,
        days=days,
        numbers=numbers,
        sentence=advice.whose(numbers),
        policy=published(domain),
        dmarc=dmarc_advice(domain),
        mta_sts=tls_advice(domain),
        sources=_sources(mail, node, ours, domain, numbers),
        by_day=[active.get(day, Day(day)) for day in (since + timedelta(days=ago) for ago in range(days))],
        sessions=good,
        tls_failed=bad,
        tls_failures=failures,
        reporters=list(
            reporters.annotate(
                reports=Count("id"),
                mails=Sum("total"),
                last=Max("ends"),
                authenticated=Count("id", filter=Q(is_authenticated=True)),
            )[:_MOST_SOURCES]
        ),
        last=received.aggregate(last=Max("received_at"))["last"],
    )


def this_node() -> senders.Node:
    """What this node sends from."""
    relay = RelaySettings.load()
    return senders.Node(
        addresses=frozenset(settings.QUAZZAR_PUBLIC_ADDRESSES),
        hostname=Stack.load().hostname,
        relay=relay.provider if relay.configured else "",
        relay_host=relay.host if relay.configured else "",
    )


def published(domain: Domain) -> str:
    """The policy that reporters saw last; empty: there is no report yet."""
    rows = ReceivedReport.objects.filter(domain=domain, kind=ReceivedReport.Kind.DMARC).order_by("-ends")
    return rows.values_list("policy", flat=True).first() or ""


# --- the next stage ----------------------------------------------------------------------------------------
def dmarc_advice(domain: Domain) -> Advice:
    """Whether the next policy can be published, by the reports since reporters see this one or a stronger one."""
    policy = published(domain)
    if policy not in POLICIES:
        return advice.dmarc("", Numbers())
    earliest = timezone.now() - timedelta(days=_ADVICE_DAYS)
    strong = POLICIES[POLICIES.index(policy) :]
    rows = ReceivedReport.objects.filter(domain=domain, kind=ReceivedReport.Kind.DMARC, ends__gte=earliest)
    weaker = rows.exclude(policy__in=strong).aggregate(last=Max("ends"))["last"]
    rows = rows.filter(policy__in=strong, **({"begins__gte": weaker} if weaker else {}))
    first = rows.aggregate(first=Min("begins"))["first"]
    if first is None:
        return advice.dmarc(policy, Numbers())
    mail = ReportedMail.objects.filter(domain=domain, day__gte=first.date())
    return advice.dmarc(policy, _numbers(_days(mail, _our_addresses(this_node())).values()))


def tls_advice(domain: Domain) -> Advice:
    """Whether MTA-STS can be enforced, by the TLS reports of the last 30 days."""
    mode = str(options.for_domain(domain).mta_sts)
    rows = ReportedTls.objects.filter(domain=domain, day__gte=timezone.now().date() - timedelta(days=29))
    days = rows.values("day").distinct().count()
    good = rows.filter(result=OK).aggregate(number=Sum("count"))["number"] or 0
    bad = rows.exclude(result=OK).aggregate(number=Sum("count"))["number"] or 0
    return advice.mta_sts(mode, days, good, bad, options.objection() if mode == options.Mode.TESTING else "")


# --- sources -----------------------------------------------------------------------------------------------
def _days(mail: Any, ours: Sequence[str]) -> dict[date, Day]:
    """The days on which mail was reported. In the database: anybody can send reports that name many addresses."""
    passed, failed = Sum("count", filter=_PASSED, default=0), Sum("count", filter=~_PASSED, default=0)
    totals = mail.values("day").order_by().annotate(passed=passed, other=failed)
    of_ours: Counter[date] = Counter()
    for some in batches(ours):
        rows = mail.filter(address__in=some).exclude(_PASSED).values("day").order_by()
        of_ours.update(dict(rows.annotate(number=Sum("count")).values_list("day", "number")))
    return {
        day: Day(day, passed, of_ours[day], other - of_ours[day])
        for day, passed, other in totals.values_list("day", "passed", "other")
    }


def _numbers(days: Iterable[Day]) -> Numbers:
    active = [day for day in days if day.passed or day.failed or day.strange]
    return Numbers(
        len(active),
        sum(day.passed for day in active),
        sum(day.failed for day in active),
        sum(day.strange for day in active),
    )


def _our_addresses(node: senders.Node) -> list[str]:
    """Addresses that this node or its relay sends from, of those whose names are known."""
    named = Q(name=node.hostname)
    for suffix in senders.of_relay(node):
        named |= Q(name=suffix) | Q(name__endswith=f".{suffix}")
    rows = Network.objects.exclude(name="").filter(named)
    found = {row.address for row in rows if _sender(row.address, {row.address: row}, node).is_ours}
    return sorted(node.addresses | found)


def _sources(
    mail: Any, node: senders.Node, ours: Sequence[str], domain: Domain, numbers: Numbers
) -> list[Source]:
    groups = _groups(mail, ours)
    known = _networks(group["address"] for group in groups)
    found: dict[str, Source] = {}
    per_address: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for group in groups:
        address, number = group["address"], group["number"]
        who = _sender(address, known, node)
        source = found.setdefault(who.name, Source(who.name, who.is_ours, who.is_service))
        has_passed = group["dkim"] or group["spf"]
        per_address[who.name, address][not has_passed] += number
        _count(source, group, number, known.get(address), has_passed=has_passed)
    _add_rest(found, numbers)
    for (name, address), (passed, failed) in sorted(per_address.items(), key=lambda item: -sum(item[1])):
        if address and len(found[name].addresses) < _MOST_ADDRESSES:
            host = known[address].name if address in known else ""
            found[name].addresses.append(Address(address, host, passed, failed))
    for source in found.values():
        source.advice = advice.source(
            source.passed,
            source.failed,
            is_ours=source.is_ours,
            is_service=source.is_service,
            name=source.name,
            domain=domain.name,
        )
    return sorted(found.values(), key=lambda source: (not source.is_ours, -source.total))[:_MOST_SOURCES]


def _groups(mail: Any, ours: Sequence[str]) -> list[dict[str, Any]]:
    """Mails by address and result: all of ours, and the most frequent of others."""
    fields = ("address", "dkim", "spf", "disposition", "signer")
    grouped = mail.values(*fields).annotate(number=Sum("count"))
    found = [group for some in batches(ours) for group in grouped.filter(address__in=some).order_by()]
    own = {*ours}
    others = grouped.order_by("-number")[:_MOST_GROUPS]
    return found + [group for group in others if group["address"] not in own]


def _add_rest(found: dict[str, Source], numbers: Numbers) -> None:
    """What is in no group that was read."""
    passed = numbers.passed - sum(source.passed for source in found.values())
    failed = numbers.failed + numbers.strange - sum(source.failed for source in found.values())
    if passed or failed:
        rest = found.setdefault(senders.OTHERS, Source(senders.OTHERS))
        rest.passed += passed
        rest.failed += failed


def _count(
    source: Source, group: dict[str, Any], number: int, network: Network | None, *, has_passed: bool
) -> None:
    if has_passed:
        source.passed += number
    else:
        source.failed += number
    source.dkim += number if group["dkim"] else 0
    source.spf += number if group["spf"] else 0
    source.refused += number if group["disposition"] == "reject" else 0
    source.quarantined += number if group["disposition"] == "quarantine" else 0
    if network and network.country:
        source.countries[network.country] += number
    if network and network.operator:
        source.networks[network.operator] += number
    if group["signer"]:
        source.signers[group["signer"]] += number


def _networks(addresses: Iterable[str]) -> dict[str, Network]:
    rows: dict[str, Network] = {}
    for some in batches({address for address in addresses if address}):
        rows |= {row.address: row for row in Network.objects.filter(address__in=some)}
    return rows


def _sender(address: str, known: dict[str, Network], node: senders.Node) -> senders.Sender:
    network = known.get(address)
    return senders.sender(address, network.name if network else "", network.operator if network else "", node)


def _tls(domain: Domain, since: date) -> tuple[int, int, list[TlsFailure]]:
    rows = ReportedTls.objects.filter(domain=domain, day__gte=since).values("result", "host").order_by()
    groups = list(rows.annotate(number=Sum("count")))
    good = sum(group["number"] for group in groups if group["result"] == OK)
    failures = [
        TlsFailure(
            group["result"], group["host"], group["number"], advice.TLS_FAILURES.get(group["result"], "")
        )
        for group in sorted(groups, key=lambda group: -group["number"])
        if group["result"] != OK
    ]
    return good, sum(failure.count for failure in failures), failures[:_MOST_SOURCES]
