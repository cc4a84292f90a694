"""A domain of this node, and reports about it on chosen days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from dnsrecords.models import ReceivedReport
from dnsrecords.reports import intake
from mailboxes.models import Domain
from tests.dnsrecords.reports.shapes import document, tls
from tests.mailboxes import factories

Reported = Callable[..., ReceivedReport]


@pytest.fixture
def domain(db: None) -> Domain:
    factories.stack(enabled=True, hostname="mail.example.com")
    return factories.domain("example.com", dkim_public_key="QUJD")


@pytest.fixture
def reported(domain: Domain) -> Reported:
    """``reported(3, record(…), policy="none")``: a DMARC report on the day three days ago, stored."""

    def store(ago: int, *records: str, policy: str = "quarantine", org: str = "google.com") -> ReceivedReport:
        begin, end = times(ago)
        data = document(*records, begin=begin, end=end, policy=policy, number=f"{org}-{ago}", org=org)
        (row,) = intake.take(data, intake.Way.COMMAND).stored
        return row

    return store


def times(ago: int) -> tuple[int, int]:
    """The seconds in which a day began and ended."""
    start = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=ago)
    return int(start.timestamp()), int(start.timestamp()) + 86_399


def tls_report(ago: int, good: int, bad: int = 0, kind: str = "certificate-expired") -> bytes:
    """A TLS report on the day so many days ago."""
    begin, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in times(ago))
    details = [
        {"result-type": kind, "receiving-mx-hostname": "mail.example.com", "failed-session-count": bad}
    ]
    policy = {
        "policy": {"policy-type": "sts", "policy-domain": "example.com"},
        "summary": {"total-successful-session-count": good, "total-failure-session-count": bad},
        "failure-details": details if bad else [],
    }
    return tls(
        "google.com", f"tls-{ago}", policy, **{"date-range": {"start-datetime": begin, "end-datetime": end}}
    )
