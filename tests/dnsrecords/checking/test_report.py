"""The value to publish for a record is the same on the page, in the API, the zone file, alerts, and publishing."""

from __future__ import annotations

import dns.zone
import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from dnsrecords.checking import alerts, report
from dnsrecords.checking.report import Report
from dnsrecords.checking.results import News
from dnsrecords.models import RecordCheck
from dnsrecords.publishing.plan import Zone, plan
from dnsrecords.publishing.services import Published
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from mailboxes.models import Domain
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
MERGED = "v=spf1 include:a.spf.test mx -all"
#: Record id, status, found, advice → the value to publish, for example.com.
CASES = [
    ("spf", Status.MISMATCH, ["v=spf1 include:a.spf.test -all"], MERGED, MERGED),
    ("spf", Status.OK, [MERGED], "", MERGED),
    ("spf", Status.MISSING, [], "", "v=spf1 mx ~all"),
    ("dmarc", Status.OK, ["v=DMARC1; p=reject"], "", "v=DMARC1; p=reject"),
    (
        "dmarc",
        Status.MISMATCH,
        ["v=DMARC1; p=none"],
        "v=DMARC1; p=quarantine; fo=1",
        "v=DMARC1; p=quarantine; fo=1",
    ),
    ("dmarc", Status.OK, ["v=DMARC1;; p=reject"], "v=DMARC1; p=reject", "v=DMARC1; p=reject"),
    ("mx", Status.OK, ["5 mx.example.com", "10 mail.example.com"], "", "10 mail.example.com."),
]


@pytest.fixture
def domain() -> Domain:
    factories.stack(hostname="mail.example.com")
    return factories.domain("example.com")


def checked(domain: Domain, record_id: str, status: Status, found: list[str], advice: str) -> Record:
    record = next(row.record for row in Report.for_domain(domain).rows if row.record.id == record_id)
    values = {"expected": record.value, "status": status, "found": found, "advice": advice}
    RecordCheck.objects.update_or_create(domain=domain, record=record_id, defaults=values)
    return record


@pytest.mark.parametrize(("record_id", "status", "found", "advice", "value"), CASES)
def test_one_value_everywhere(
    domain: Domain,
    client: Client,
    operator: User,
    api: APIClient,
    record_id: str,
    status: Status,
    found: list[str],
    advice: str,
    value: str,
) -> None:
    record = checked(domain, record_id, status, found, advice)
    (row,) = [
        row
        for row in api.get(f"/api/mail/domains/{domain.pk}/dns").json()["records"]
        if row["id"] == record_id
    ]
    assert row["value"] == value and "".join(row["strings"]) in ("", value)
    client.force_login(operator)
    page = client.get(f"/admin/mail-relay/dns/{domain.pk}/").content.decode()
    assert value.removeprefix("10 ") in page
    zone = dns.zone.from_text(report.zone(domain), "example.com", relativize=False, check_origin=False)
    texts = [data.to_text() for data in zone.get_rdataset(f"{record.name}.", record.type) or ()]
    assert texts == [f'"{value}"' if record.type == "TXT" else value]
    verdict = Verdict(status, "Wrong.", tuple(found), advice)
    mail = "\n".join(alerts.compose([News("example.com", record, verdict, "broken", ())])[1])
    assert f"  expected: {value}" in mail


@pytest.mark.parametrize(("record_id", "status", "found", "advice", "value"), CASES)
def test_what_is_published_is_that_too(
    domain: Domain, record_id: str, status: Status, found: list[str], advice: str, value: str
) -> None:
    record = checked(domain, record_id, status, found, advice)
    zone = Zone({record.question: tuple(Published(text, text) for text in found)})
    outcome = plan([record], {record_id: Verdict(status, "", tuple(found), advice)}, zone, (), replace=True)
    added = [entry[2] for entry in outcome.added]
    assert added == ([] if status is Status.OK else [value])
