"""What is kept of a check: the last state, the history, and what is news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dnsrecords.checking import alerts, results
from dnsrecords.checking.results import News, Result
from dnsrecords.models import DomainCheck, RecordChange, RecordCheck
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from mailboxes.models import Domain
from mailrelay.models import Message, RelaySettings
from tests.dnsrecords.mistakes import required
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MX, SPF, DKIM, DMARC = required(Facts("example.com", "mail.example.com", dkim_public_key="QUJD"))


@pytest.fixture
def domain() -> Domain:
    return factories.domain("example.com")


def kept(domain: Domain, record: Record, status: Status, *values: str, minutes: int = 0) -> list[News]:
    """The news of a check in which the record had this status and these values."""
    now = NOW + timedelta(minutes=minutes)
    verdict = Verdict(status, f"it is {status}", values)
    return results.keep(domain, [Result(record, verdict, "seen on 1 of 2 name servers")], now, now)


def test_a_check_is_kept(domain: Domain) -> None:
    kept(domain, MX, Status.MISSING)
    row = RecordCheck.objects.get()
    assert (row.record, row.status, row.message, row.found) == ("mx", "missing", "it is missing", [])
    assert (row.since, row.expected, row.propagation) == (NOW, MX.value, "seen on 1 of 2 name servers")
    assert DomainCheck.objects.get().checked_at == NOW


def test_since_when_it_is_so_stays_while_it_is_so(domain: Domain) -> None:
    kept(domain, MX, Status.MISSING)
    kept(domain, MX, Status.MISSING, minutes=5)
    assert RecordCheck.objects.get().since == NOW
    kept(domain, MX, Status.OK, "10 mail.example.com", minutes=9)
    assert RecordCheck.objects.get().since == NOW + timedelta(minutes=9)


def test_the_history_has_changes_only(domain: Domain) -> None:
    for minutes, status in enumerate([Status.MISSING, Status.MISSING, Status.OK, Status.OK, Status.MISSING]):
        kept(domain, MX, status, minutes=minutes)
    assert [(change.before, change.status) for change in RecordChange.objects.all()] == [
        ("ok", "missing"),
        ("missing", "ok"),
    ]


def test_another_wrong_value_is_history_too(domain: Domain) -> None:
    for host in ("old", "other", "other", "third"):
        kept(domain, MX, Status.MISMATCH, f"10 {host}.example.net")
    assert [change.found for change in RecordChange.objects.all()] == [
        ["10 third.example.net"],
        ["10 other.example.net"],
    ]


def test_a_value_that_changes_and_stays_right_is_told_with_before_and_after(domain: Domain) -> None:
    first, second = "v=spf1 mx ~all", "v=spf1 mx -all"
    kept(domain, SPF, Status.OK, first)
    kept(domain, SPF, Status.OK, second)
    (change,) = RecordChange.objects.all()
    assert (change.found_before, change.found) == ([first], [second])
    assert str(change) == "spf: value changed, still OK"


def test_another_order_of_the_same_values_is_no_change(domain: Domain) -> None:
    kept(domain, MX, Status.OK, "10 a.example", "20 b.example")
    kept(domain, MX, Status.OK, "20 b.example", "10 a.example")
    assert not RecordChange.objects.exists()


@pytest.mark.slow
def test_the_history_does_not_grow_for_ever(domain: Domain) -> None:
    for minutes in range(120):
        kept(domain, MX, Status.OK if minutes % 2 else Status.MISSING, minutes=minutes)
    assert RecordChange.objects.count() == 50


def test_a_record_that_is_no_longer_wanted_is_forgotten(domain: Domain) -> None:
    kept(domain, MX, Status.OK)
    kept(domain, SPF, Status.OK)
    assert [row.record for row in RecordCheck.objects.all()] == ["spf"]


def test_what_breaks_and_recovers_is_news(domain: Domain) -> None:
    assert kept(domain, MX, Status.OK, "10 mail.example.com") == []
    (broken,) = kept(domain, MX, Status.MISSING)
    assert (broken.event, broken.record, broken.before) == ("broken", MX, ("10 mail.example.com",))
    assert kept(domain, MX, Status.MISSING) == []
    assert [news.event for news in kept(domain, MX, Status.OK)] == ["recovered"]


def test_a_record_that_nobody_looked_at_is_no_news_and_forgets_nothing(domain: Domain) -> None:
    kept(domain, MX, Status.OK, "10 mail.example.com")
    assert [kept(domain, MX, Status.UNCHECKED) for _ in range(4)] == [[]] * 4
    assert kept(domain, MX, Status.ERROR) == []
    assert not RecordChange.objects.filter(status=Status.UNCHECKED).exists()
    assert [news.event for news in kept(domain, MX, Status.MISSING)] == ["broken"]


def test_a_value_that_is_new_does_not_break_when_it_is_not_there_yet(domain: Domain) -> None:
    kept(domain, MX, Status.OK)
    other = required(Facts("example.com", "other.example.com"))[0]
    assert kept(domain, other, Status.MISMATCH, "10 mail.example.com") == []


# --- mail about it -----------------------------------------------------------------------------------------
def broken(status: Status = Status.MISSING) -> News:
    return News(
        "example.com", MX, Verdict(status, "Nobody finds this node. Add the MX record."), "broken", ()
    )


def test_the_operator_gets_one_mail_about_all_of_it(relay: RelaySettings) -> None:
    relay.alert_recipients = ["ops@example.net"]
    relay.save()
    alerts.tell([broken(), News("example.org", SPF, Verdict(Status.OK), "recovered", ())])
    assert (
        Message.objects.get().subject == "[DNS] example.com: the record MX example.com is broken (and 1 more)"
    )


def test_the_mail_says_what_is_published_what_is_expected_and_what_to_do() -> None:
    text = "\n".join(alerts.compose([broken()])[1])
    assert "Add the MX record." in text
    assert "found:    nothing" in text
    assert "expected: 10 mail.example.com." in text


def test_nobody_to_tell_is_logged(caplog: pytest.LogCaptureFixture, relay: RelaySettings) -> None:
    alerts.tell([broken()])
    assert not Message.objects.exists()
    assert "is broken" in caplog.text and "no recipient" in caplog.text


def test_no_news_is_no_mail(relay: RelaySettings) -> None:
    relay.alert_recipients = ["ops@example.net"]
    relay.save()
    alerts.tell([])
    assert not Message.objects.exists()


def test_a_check_that_finds_the_same_writes_next_to_nothing(
    domain: Domain, django_assert_max_num_queries: Any
) -> None:
    def kept_all() -> None:
        results.keep(
            domain, [Result(record, Verdict(Status.OK)) for record in (MX, SPF, DKIM, DMARC)], NOW, NOW
        )

    with django_assert_max_num_queries(10):
        kept_all()
    with django_assert_max_num_queries(6):
        kept_all()
