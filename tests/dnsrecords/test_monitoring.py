"""What the node reports about DNS records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dnsrecords import monitoring
from dnsrecords.kinds.registry import KINDS
from dnsrecords.models import DomainCheck, RecordCheck
from mailboxes.models import Domain
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
BROKE_AT = datetime(2026, 11, 29, 2, 19, tzinfo=UTC)


@pytest.fixture
def domain() -> Domain:
    domain = factories.domain()
    DomainCheck.objects.create(domain=domain, checked_at=datetime.now(UTC))
    for record in ("mx", "spf", "dkim", "dmarc", "tls_rpt"):
        RecordCheck.objects.create(domain=domain, record=record, status="ok", was_ok=True, since=BROKE_AT)
    return domain


def becomes(status: str, *records: str, **columns: object) -> None:
    rows = RecordCheck.objects.filter(record__in=records)
    rows.update(status=status, message="There is no such record.", **columns)


def test_the_required_records_are_those_that_the_kinds_require() -> None:
    assert tuple(kind.key for kind in KINDS if kind.required) == monitoring.REQUIRED


def test_all_is_well(domain: Domain) -> None:
    assert monitoring.examine().sentence == "The DNS records for mail are correct for 1 domain."
    becomes("missing", "tls_rpt")  # recommended, and the operator was not mailed that it broke
    assert monitoring.examine().level == "ok"
    domain.delete()
    assert monitoring.examine().sentence == "No domains have been checked yet."


@pytest.mark.parametrize(
    ("status", "records", "columns", "level", "sentence"),
    [
        ("missing", ["mx"], {}, "failed", "MX of example.com: There is no such record."),
        ("mismatch", ["mx", "spf"], {}, "failed", "There is no such record. Also: SPF of example.com."),
        ("missing", ["dkim"], {"was_ok": False}, "warning", "Not published yet: DKIM of example.com."),
        ("error", ["dmarc"], {}, "warning", "DMARC of example.com: There is no such record."),
        ("missing", ["tls_rpt"], {"told": True}, "warning", "TLS RPT of example.com"),
    ],
)
def test_what_is_wrong_is_named(
    domain: Domain, status: str, records: list[str], columns: dict[str, object], level: str, sentence: str
) -> None:
    becomes(status, *records, **columns)
    finding = monitoring.examine()
    assert finding.level == level
    assert sentence in finding.sentence
    assert finding.since == BROKE_AT


@pytest.mark.parametrize(
    ("status", "record", "columns"),
    [("mismatch", "mx", {}), ("error", "mx", {}), ("mismatch", "tls_rpt", {"told": True})],
)
def test_the_advice_never_contradicts_the_sentence(
    domain: Domain, status: str, record: str, columns: dict[str, object]
) -> None:
    """The sentence already says what to change: perhaps to delete a record, or to mend this node's resolver."""
    becomes(status, record, **columns)
    advice = monitoring.examine().advice
    assert advice.endswith("The DNS records page shows each record.")
    assert ("may be refused" in advice) == ((status, record) == ("mismatch", "mx"))


def test_what_broke_goes_before_what_was_never_there(domain: Domain) -> None:
    becomes("missing", "mx", was_ok=False, since=BROKE_AT - timedelta(days=1))
    becomes("missing", "spf")
    assert "SPF of example.com" in monitoring.examine().sentence
