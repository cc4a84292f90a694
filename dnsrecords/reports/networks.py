"""Looks up whose addresses are that reports name: their confirmed name, and the network with its country.

The network comes from Team Cymru's DNS service (https://www.team-cymru.com/ip-asn-mapping), through the resolver that
everything else uses. QUAZZAR_REPORT_NETWORKS turns this off.
"""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from dnsrecords.faults import failed
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import Network
from dnsrecords.reports import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnsrecords.answers import Answer, Question

#: Addresses of one turn, and the seconds for all their questions.
MOST, _DEADLINE = 60, 40.0
#: What is known is looked up again after this time.
_OLD = timedelta(days=60)
_ORIGIN, _ORIGIN6, _NETWORKS = "origin.asn.cymru.com", "origin6.asn.cymru.com", "asn.cymru.com"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an address is; empty and None: not known."""

    name: str = ""
    asn: int | None = None
    operator: str = ""
    country: str = ""


def look_up_unknown() -> int:
    """Look up addresses that are not known yet, or not any more; returns how many were looked at."""
    if not settings.QUAZZAR_REPORT_NETWORKS:
        return 0
    now = timezone.now()
    rows = list(Network.objects.filter(looked_up_at=None).order_by("id")[:MOST])
    if len(rows) < MOST:
        # Those that a recent report named.
        recent = Network.objects.filter(reported_on__gte=(now - timedelta(days=30)).date())
        rows += recent.filter(looked_up_at__lt=now - _OLD).order_by("reported_on")[: MOST - len(rows)]
    owners = look_up(row.address for row in rows)
    for row in rows:
        owner = owners.get(row.address)
        if owner is None:
            continue  # DNS did not answer: the next turn asks again
        Network.objects.filter(pk=row.pk).update(looked_up_at=now, **asdict(owner))
    return len(rows)


def look_up(addresses: Iterable[str]) -> dict[str, Owner]:
    """The owner of each address; those about which DNS does not answer are left out."""
    wanted = list(dict.fromkeys(addresses))
    if not wanted:
        return {}
    with Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=_DEADLINE) as resolver:
        first = resolver.lookup_all(
            question for each in wanted for question in (_reverse(each), _origin(each))
        )
        heard = [each for each in wanted if not failed(first[_origin(each)].outcome)]
        networks = {each: _network(first[_origin(each)].values) for each in heard}
        names = {each: _names(first[_reverse(each)]) for each in heard}
        second = resolver.lookup_all(
            [
                *(_forward(name, each) for each in heard for name in names[each]),
                *((f"as{asn}.{_NETWORKS}", "TXT") for asn, _ in networks.values() if asn),
            ]
        )
    return {each: _owner(each, names[each], *networks[each], second) for each in heard}


def _owner(
    address: str, names: list[str], asn: int | None, country: str, answers: Mapping[Question, Answer]
) -> Owner:
    confirmed = (
        name for name in names if address in map(values.address, answers[_forward(name, address)].values)
    )
    described = answers[f"as{asn}.{_NETWORKS}", "TXT"].values if asn else ()
    return Owner(next(confirmed, ""), asn, _operator(described), country)


def _reverse(address: str) -> Question:
    return ipaddress.ip_address(address).reverse_pointer, "PTR"


def _origin(address: str) -> Question:
    labels = ipaddress.ip_address(address).reverse_pointer.rpartition(".")[0].rpartition(".")[0]
    return f"{labels}.{_ORIGIN6 if ':' in address else _ORIGIN}", "TXT"


def _forward(name: str, address: str) -> Question:
    return name, "AAAA" if ":" in address else "A"


def _names(answer: Answer) -> list[str]:
    return [name for name in sorted(map(values.name, answer.values)) if name][:3]


def _network(texts: Iterable[str]) -> tuple[int | None, str]:
    """``15169 | 192.0.2.0/24 | US | arin | 2000-03-30``: number and country of the most specific route."""
    found = []
    for text in texts:
        fields = [field.strip() for field in text.split("|")]
        numbers = fields[0].split()  # a route may have several origins
        if len(fields) >= 3 and numbers and numbers[0].isdigit() and len(numbers[0]) <= 10:
            length = fields[1].rpartition("/")[2]
            found.append((int(length) if length.isdigit() else 0, int(numbers[0]), _country(fields[2])))
    return max(found)[1:] if found else (None, "")


def _country(text: str) -> str:
    return text.upper() if len(text) == 2 and text.isascii() and text.isalpha() else ""


def _operator(texts: Iterable[str]) -> str:
    """``15169 | US | arin | 2000-03-30 | GOOGLE - Google LLC, US``: the last field, without handle and country."""
    for text in texts:
        described = values.text(text.rpartition("|")[2])
        name, comma, country = described.rpartition(",")
        described = name if comma and _country(country.strip()) else described
        return described.partition(" - ")[2] or described
    return ""
