"""What Home says about DNS: its tile, and a first step."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Q

from dnsrecords.kinds.registry import KINDS
from dnsrecords.models import BlocklistEntry, DomainCheck, RecordCheck
from dnsrecords.verdicts import Status
from mailboxes.models import Domain, Stack
from quazzar import rights
from quazzar.home import registry
from quazzar.home.registry import Fact, Link, Part, Step, Tile
from quazzar.monitoring.doctor import Area

_REQUIRED = [kind.key for kind in KINDS if kind.required]


def register() -> None:
    """Register all of it; called by the app's ready()."""
    registry.register("dnsrecords", look)
    registry.register_step(
        Step(
            key="dns",
            title="Publish its DNS records",
            text="Done when the check finds a domain's four required records correct.",
            link=Link("Show the records", "admin:dns_overview"),
            right=rights.CHANGE_DNS,
            is_done=lambda user: bool(_right()),
            is_needed=lambda: Stack.load().enabled,
        )
    )


def look(user: Any) -> Part:
    """How many domains are right in DNS, if the operator may see them."""
    if not rights.SEE_DNS(user):
        return Part()
    domains = Domain.objects.count()
    if not domains:
        link = Link("Add a domain", "admin:mail_boxes_domains", right=rights.ADD_DOMAINS)
        return Part((Tile(Area.DNS, "DNS", "language", link, off="No domains added yet."),))
    checked = DomainCheck.objects.aggregate(at=Max("checked_at"))["at"]
    facts = [Fact("Domains", f"{_right():,} of {domains:,} correct")]
    if checked is not None:
        facts.append(Fact("Checked", at=checked))
    if listed := BlocklistEntry.objects.filter(listed=True).count():
        facts.append(Fact("On blocklists", f"{listed:,}"))
    return Part(
        (Tile(Area.DNS, "DNS", "language", Link("Open DNS records", "admin:dns_overview"), tuple(facts)),)
    )


def _right() -> int:
    """How many domains have all their required records right."""
    rows = RecordCheck.objects.filter(record__in=_REQUIRED).order_by().values("domain")
    good = rows.annotate(n=Count("id", filter=Q(status=Status.OK.value)))
    return good.filter(n=len(_REQUIRED)).count()
