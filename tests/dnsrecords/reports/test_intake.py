"""Reports are stored once, as counts per day, and only about our own domains."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dnsrecords.models import Network, ReceivedReport, RefusedReport, ReportedMail, ReportedTls
from dnsrecords.reports import intake, reading, retention
from dnsrecords.reports.values import Unfit
from mailboxes.models import Domain
from mailrelay.inbox import readers
from mailrelay.models import Inbox
from tests.dnsrecords.reports.conftest import Reported, times, tls_report
from tests.dnsrecords.reports.shapes import document, mail, record
from tests.mailboxes import factories

Way = intake.Way


def take(data: bytes) -> intake.Taken:
    return intake.take(data, Way.COMMAND)


def today(*records: str, **more: Any) -> bytes:
    begin, end = times(1)
    return document(*records, **{"begin": begin, "end": end, **more})


def counts() -> dict[tuple[str, bool, bool], int]:
    return {(row.address, row.dkim, row.spf): row.count for row in ReportedMail.objects.all()}


def test_the_same_result_of_several_reports_is_one_row(domain: Domain) -> None:
    take(today(record("192.0.2.1", 2), record("192.0.2.1", 3), record("192.0.2.2", 1, "fail"), number="1"))
    take(today(record("192.0.2.1", 5), number="2"))
    assert counts() == {("192.0.2.1", True, True): 10, ("192.0.2.2", False, True): 1}
    assert set(Network.objects.values_list("address", flat=True)) == {"192.0.2.1", "192.0.2.2"}
    assert [(row.total, row.failed) for row in ReceivedReport.objects.order_by("id")] == [(6, 0), (5, 0)]


def test_the_same_report_counts_once_however_it_is_packed(domain: Domain) -> None:
    data = today(record("192.0.2.1", 2))
    assert len(take(data).stored) == 1
    for again in (data, gzip.compress(data), mail(data, "text/xml")):
        taken = take(again)
        assert (taken.stored, taken.repeated) == ((), 1)
    assert counts() == {("192.0.2.1", True, True): 2}


def test_another_reporter_may_use_the_same_id(domain: Domain) -> None:
    assert take(today(record("192.0.2.1"), org="a.example")).stored
    assert take(today(record("192.0.2.1"), org="b.example")).stored
    assert not take(today(record("192.0.2.1"), org="A.example")).stored


def test_reports_on_domains_of_others_are_refused_and_counted(domain: Domain) -> None:
    data = today(record("192.0.2.1"), domain="example.net").replace(b"example.com", b"example.net")
    for _ in range(2):
        with pytest.raises(Unfit, match="no domain of this node"):
            take(data)
    assert not ReceivedReport.objects.exists() and not Network.objects.exists()
    assert RefusedReport.objects.get().count == 2
    assert intake.refused_since(timezone.now().date()) == {"not_ours": 2}


@pytest.mark.parametrize(
    ("published", "header_from", "owner"),
    [
        ("example.com", "example.com", "example.com"),
        ("example.com", "news.example.com", "example.com"),
        ("example.com", "sub.example.com", "sub.example.com"),
        ("sub.example.com", "a.sub.example.com", "sub.example.com"),
        ("com", "example.com", "example.com"),
        ("example.com", "", "example.com"),
    ],
)
def test_mail_belongs_to_the_nearest_domain_of_ours(
    domain: Domain, published: str, header_from: str, owner: str
) -> None:
    factories.domain("sub.example.com", dkim_public_key="QUJD")
    begin, end = times(1)
    data = document(record("192.0.2.1", 3), domain=published, begin=begin, end=end)
    take(data.replace(b"<header_from>example.com", f"<header_from>{header_from}".encode()))
    assert [(row.domain.name, row.count) for row in ReportedMail.objects.select_related("domain")] == [
        (owner, 3)
    ]


@pytest.mark.parametrize("ago", [-4, 401, 5000])
def test_a_report_on_the_future_or_a_time_long_past_is_refused(domain: Domain, ago: int) -> None:
    begin, end = times(ago)
    with pytest.raises(Unfit):
        take(document(record("192.0.2.1"), begin=begin, end=end))
    assert intake.refused_since(timezone.now().date()) == {"dates": 1}


def test_rows_of_a_day_have_a_limit_and_nothing_is_lost(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_ROWS", 5)
    take(today(*(record(f"192.0.2.{number}", 1, "fail", "fail") for number in range(20)), number="1"))
    take(today(*(record(f"198.51.100.{number}", 2) for number in range(20)), number="2"))
    assert sum(counts().values()) == 60
    assert counts()["", False, False] == 15 and counts()["", True, True] == 40
    assert ReportedMail.objects.count() == 7


def test_reports_of_a_day_have_a_limit(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_A_DAY", 2)
    for number in "12":
        take(today(record("192.0.2.1"), number=number))
    with pytest.raises(Unfit, match="within a day"):
        take(today(record("192.0.2.1"), number="3"))
    assert not take(today(record("192.0.2.1"), number="2")).stored
    assert counts() == {("192.0.2.1", True, True): 2}


def test_tls_sessions_are_counted_by_result(domain: Domain) -> None:
    (row,) = take(tls_report(1, 40, 2)).stored
    take(tls_report(2, 5))
    assert (row.kind, row.total, row.failed) == ("tls", 42, 2)
    found = ReportedTls.objects.order_by("day", "result").values_list("result", "count")
    assert list(found) == [("ok", 5), ("certificate-expired", 2), ("ok", 40)]


def test_halves_of_characters_are_left_out(domain: Domain) -> None:
    data = tls_report(1, 3).replace(b'"google.com"', b'"goo\\ud800gle\\u202e.com\\u0000"')
    assert data.count(b"ud800") == 1
    (row,) = take(data).stored
    assert row.organisation == "goo gle .com"


def test_with_a_retention_of_no_days_nothing_is_stored(domain: Domain, settings: Any) -> None:
    settings.QUAZZAR_REPORT_RETENTION_DAYS = 0
    with pytest.raises(Unfit, match="switched off"):
        take(today(record("192.0.2.1")))
    assert not ReceivedReport.objects.exists()


# --- from an inbox -----------------------------------------------------------------------------------------
PROOF = b"Authentication-Results: mail.example.com;\r\n\tdkim=pass header.d=reporter.example;\r\n\tdmarc=pass (policy=reject)\r\n"


@pytest.mark.parametrize(
    ("head", "proven"),
    [
        (b"", False),
        (PROOF, True),
        (PROOF.replace(b"dmarc=pass", b"dmarc=fail"), False),
        (PROOF.replace(b"mail.example.com", b"mail.evil.example"), False),
        (PROOF.replace(b"dmarc=pass", b"dmarc=none") + PROOF, False),
    ],
)
def test_a_mail_with_a_report_is_stored_with_its_sender(domain: Domain, head: bytes, proven: bool) -> None:
    raw = head + mail(today(record("192.0.2.1")), "application/xml")
    assert reading.read(raw) and reading.read(raw)
    row = ReceivedReport.objects.get()
    assert (row.sender, row.is_authenticated, row.way) == ("noreply@reporter.example", proven, "mail")


def test_of_an_inbox_elsewhere_nobody_is_proven(domain: Domain) -> None:
    """Another server lets through what anybody writes in our mail server's name."""
    Inbox.objects.create(host="imap.example.net", username="dmarc")
    assert reading.origin(PROOF + b"From: <noreply@google.com>\r\n\r\n") == ("noreply@google.com", False)
    Inbox.objects.update(owned=True)
    assert reading.origin(PROOF + b"From: <noreply@google.com>\r\n\r\n") == ("noreply@google.com", True)


def test_every_inbox_is_searched_for_reports(domain: Domain) -> None:
    assert readers.read(mail(today(record("192.0.2.1")), "application/xml")) == ["DMARC and TLS reports"]
    assert ReceivedReport.objects.get().way == "mail"


def test_mail_without_a_report_is_left_alone_and_not_counted(domain: Domain) -> None:
    assert not reading.read(b"From: a@example.com\r\nSubject: hello\r\n\r\nPlease read my feedback.\r\n")
    assert not reading.read(b"")
    assert not RefusedReport.objects.exists()


def test_mail_with_a_report_on_others_is_left_alone_and_counted(domain: Domain) -> None:
    data = today(record("192.0.2.1")).replace(b"example.com", b"example.net")
    assert not reading.read(mail(data, "text/xml"))
    assert intake.refused_since(timezone.now().date()) == {"not_ours": 1}


# --- retention ---------------------------------------------------------------------------------------------
def test_what_is_old_is_removed_and_the_rest_stays(
    domain: Domain, reported: Reported, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_PORTION", 2)
    for ago in (1, 20, 30, 40):
        reported(ago, record(f"192.0.2.{ago}", 1), record("192.0.2.200", 1))
    take(tls_report(30, 4))
    RefusedReport.objects.create(day=(timezone.now() - timedelta(days=30)).date(), why="dates", count=1)
    settings.QUAZZAR_REPORT_RETENTION_DAYS = 25
    ReceivedReport.objects.filter(report_id="google.com-40").update(
        received_at=timezone.now() - timedelta(days=39)
    )
    assert retention.purge() == 4 + 1 + 1 + 1 + 2
    assert set(ReportedMail.objects.values_list("address", flat=True)) == {
        "192.0.2.1",
        "192.0.2.20",
        "192.0.2.200",
    }
    assert set(Network.objects.values_list("address", flat=True)) == {
        "192.0.2.1",
        "192.0.2.20",
        "192.0.2.200",
    }
    settings.QUAZZAR_REPORT_RETENTION_DAYS = 0
    retention.purge()
    assert not ReportedMail.objects.filter(day__lt=(timezone.now() - timedelta(days=4)).date()).exists()
