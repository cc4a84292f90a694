"""Doctor looks whether the addresses for reports in DNS records have a reader."""

from __future__ import annotations

import pytest

from dnsrecords.models import RecordCheck
from dnsrecords.reports import standing
from mailboxes.models import Domain, Stack
from quazzar.monitoring.doctor import Level
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    factories.stack(enabled=True, hostname="mail.example.com", own_address="quazzar@mail.example.com")
    domain = factories.domain("example.com")
    publish(
        domain, "dmarc", "v=DMARC1; p=none; rua=mailto:dmarc@example.com,mailto:reports@elsewhere.example"
    )
    publish(domain, "tls_rpt", "v=TLSRPTv1; rua=mailto:TLSRPT@Example.com")
    return domain


def publish(domain: Domain, record: str, *found: str) -> None:
    RecordCheck.objects.update_or_create(
        domain=domain, record=record, defaults={"found": [*found], "status": "ok"}
    )


def test_quazzar_s_own_mailbox_reads_them(domain: Domain) -> None:
    assert standing.examine().sentence == "Every address for reports in your DNS records has a reader."


def test_without_it_nobody_does_and_doctor_says_so(domain: Domain) -> None:
    Stack.objects.update(own_mailbox=False)
    found = standing.examine()
    assert found.level is Level.WARNING
    assert found.sentence == (
        "The DMARC record of example.com has reports sent to dmarc@example.com, where nobody reads them. "
        "The TLS-RPT record of example.com has reports sent to tlsrpt@example.com, where nobody reads them."
    )
    assert "Switch on Quazzar's own mailbox" in found.advice
    factories.mailbox("dmarc@example.com")
    publish(domain, "tls_rpt", "v=TLSRPTv1; rua=https://example.com/reports")
    assert standing.examine().level is Level.OK, "somebody has a mailbox of that name"


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1; p=none",
        "v=DMARC1; p=none; rua=mailto:a@elsewhere.example",
        "v=DMARC1; rua=dmarc@example.com",
        "",
    ],
)
def test_addresses_elsewhere_and_records_without_one_are_not_its_matter(domain: Domain, text: str) -> None:
    Stack.objects.update(own_mailbox=False)
    publish(domain, "dmarc", *filter(None, [text]))
    publish(domain, "tls_rpt")
    assert standing.examine().is_idle


def test_it_rests_while_the_mail_server_is_off(domain: Domain) -> None:
    Stack.objects.update(enabled=False)
    assert standing.examine().is_idle
