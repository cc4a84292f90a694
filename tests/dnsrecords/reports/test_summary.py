"""Whose mail it was, by day and sender, and which stage can be taken next."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from dnsrecords.models import Network
from dnsrecords.records import options
from dnsrecords.reports import advice, chart, intake, senders, summary
from dnsrecords.reports.advice import Numbers
from dnsrecords.reports.senders import Node
from mailboxes.models import Domain
from quazzar.home.chart import HEIGHT
from tests.dnsrecords.reports.conftest import Reported, tls_report
from tests.dnsrecords.reports.shapes import record
from tests.mailboxes import factories

NODE = Node(frozenset({"192.0.2.1"}), "mail.example.com", "sendgrid", "smtp.sendgrid.net")


def known(address: str, name: str = "", operator: str = "", country: str = "") -> None:
    values = {"name": name, "operator": operator, "country": country, "looked_up_at": timezone.now()}
    Network.objects.update_or_create(
        address=address, defaults=values, create_defaults={**values, "reported_on": timezone.now().date()}
    )


@pytest.mark.parametrize(
    ("address", "host", "operator", "name", "is_ours"),
    [
        ("192.0.2.1", "", "", "This node", True),
        ("192.0.2.2", "mail.example.com", "", "This node", True),
        ("192.0.2.3", "o1.sendgrid.net", "", "SendGrid (your relay)", True),
        ("192.0.2.4", "m1.mailgun.net", "", "Mailgun", False),
        ("192.0.2.5", "mx.notsendgrid.net", "", "notsendgrid.net", False),
        ("192.0.2.6", "a.b.example.co.uk", "ISP", "example.co.uk", False),
        ("192.0.2.7", "", "ISP Ltd", "ISP Ltd", False),
        ("192.0.2.8", "", "", "192.0.2.8", False),
        ("", "", "", "Other addresses", False),
    ],
)
def test_a_sender_has_a_name(address: str, host: str, operator: str, name: str, is_ours: bool) -> None:
    found = senders.sender(address, host, operator, NODE)
    assert (found.name, found.is_ours) == (name, is_ours)


def test_a_relay_of_ones_own_is_recognised_by_its_host() -> None:
    node = Node(relay_host="smtp.provider.example")
    assert senders.sender("192.0.2.1", "out7.provider.example", "", node).is_ours
    assert not senders.sender("192.0.2.1", "out7.other.example", "", node).is_ours


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (Numbers(11, 412, 0, 19), "412 mails were yours, 19 were not."),
        (Numbers(11, 1, 0, 1), "1 mail was yours, 1 was not."),
        (Numbers(11, 410, 2, 0), "412 mails were yours (2 of them failed). No mail came from elsewhere."),
        (Numbers(), "No mail was reported in this time."),
    ],
)
def test_it_says_whose_the_mail_was(numbers: Numbers, sentence: str) -> None:
    assert advice.whose(numbers) == sentence


@pytest.mark.parametrize(
    ("policy", "numbers", "go_on_to", "words"),
    [
        (
            "none",
            Numbers(11, 412, 0, 19),
            "quarantine",
            "11 days, 412 mails, 0 of yours failed: go on to quarantine.",
        ),
        ("none", Numbers(9, 412, 0), "", "Wait until reports cover 10 days and 20"),
        ("none", Numbers(11, 19, 0), "", "Wait until reports cover 10 days and 20"),
        ("none", Numbers(11, 411, 1), "", "don't make the policy stronger"),
        ("quarantine", Numbers(28, 20, 0), "reject", "go on to reject"),
        ("quarantine", Numbers(27, 412, 0), "", "28 days"),
        ("reject", Numbers(90, 412, 0), "", "the last stage"),
        ("", Numbers(), "", "Publish the DMARC record"),
    ],
)
def test_a_stage_is_advised_only_when_none_of_ours_failed_for_long_enough(
    policy: str, numbers: Numbers, go_on_to: str, words: str
) -> None:
    found = advice.dmarc(policy, numbers)
    assert found.go_on_to == go_on_to and words in found.sentence
    assert found.is_warning == bool(numbers.failed)


def test_senders_days_and_numbers_of_a_domain(domain: Domain, reported: Reported, settings: Any) -> None:
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["192.0.2.1"]
    known("192.0.2.1", "mail.example.com", "Home ISP", "DE")
    known("192.0.2.9", "", "Spam Hosting", "ZZ")
    reported(1, record("192.0.2.1", 10), record("192.0.2.9", 4, "fail", "fail"))
    reported(2, record("192.0.2.1", 3, "fail", "fail"), record("198.51.100.1", 2, "pass", "fail"))
    found = summary.of(domain, 7)
    assert found.numbers == Numbers(2, 12, 3, 4)
    assert [(each.name, each.is_ours, each.passed, each.failed) for each in found.sources] == [
        ("This node", True, 10, 3), ("Spam Hosting", False, 0, 4), ("198.51.100.1", False, 2, 0),
    ]  # fmt: skip
    # What the sentence counts as ours has the badge.
    assert [each.whose for each in found.sources] == ["Yours", "", "Yours"]
    ours, spam, forwarder = found.sources
    assert (dict(ours.countries), dict(ours.networks)) == ({"DE": 13}, {"Home ISP": 13})
    assert "Your own mail fails" in ours.advice and "forged" in spam.advice and forwarder.advice == ""
    assert [(each.passed, each.failed, each.strange) for each in found.by_day[-3:]] == [
        (2, 3, 0),
        (10, 0, 4),
        (0, 0, 0),
    ]
    assert [(each["organisation"], each["reports"], each["mails"]) for each in found.reporters] == [
        ("google.com", 2, 19)
    ]
    assert len(found.by_day) == 7 and found.dmarc.is_warning
    assert "not yours" in chart.of(found.by_day).summary


def test_of_many_senders_the_most_frequent_are_named_and_all_of_ours(
    domain: Domain, reported: Reported, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "_MOST_GROUPS", 3)
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["192.0.2.1"]
    strangers = [record(f"203.0.113.{number}", number, "fail", "fail") for number in range(2, 10)]
    reported(1, *strangers, record("192.0.2.1", 1, "fail", "fail"), record("198.51.100.1", 1))
    found = summary.of(domain, 7)
    assert found.numbers == Numbers(1, 1, 1, 44)
    assert [(each.name, each.passed, each.failed) for each in found.sources] == [
        ("This node", 0, 1), ("Other addresses", 1, 20), *((f"203.0.113.{number}", 0, number) for number in (9, 8, 7)),
    ]  # fmt: skip


@pytest.fixture
def _ours(settings: Any) -> None:
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["192.0.2.1"]


@pytest.mark.usefixtures("_ours")
def test_the_advice_counts_from_when_reporters_saw_the_policy(domain: Domain, reported: Reported) -> None:
    for ago in range(12, 40):
        # Failed while the policy was none: that is over.
        reported(ago, record("192.0.2.1", 5, "fail", "fail"), policy="none")
    for ago in range(1, 12):
        reported(ago, record("192.0.2.1", 5), policy="quarantine")
    found = summary.dmarc_advice(domain)
    assert "11 days, 55 mails, 0 of yours failed" in found.sentence and "28 days" in found.sentence


@pytest.mark.usefixtures("_ours")
def test_eleven_good_days_with_none_lead_to_quarantine(domain: Domain, reported: Reported) -> None:
    for ago in range(1, 12):
        reported(ago, record("192.0.2.1", 5), record("203.0.113.9", 1, "fail", "fail"), policy="none")
    found = summary.dmarc_advice(domain)
    assert found.go_on_to == "quarantine"
    assert found.sentence == "11 days, 55 mails, 0 of yours failed: go on to quarantine."


def test_tls_reports_lead_to_enforcing_only_with_a_trusted_certificate(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ago in range(1, 9):
        intake.take(tls_report(ago, 5), intake.Way.COMMAND)
    assert summary.tls_advice(domain).sentence.startswith(
        "8 days, 40 sessions, 0 failed. You cannot enforce MTA-STS yet, because "
    )
    monkeypatch.setattr(options, "objection", lambda: "")
    assert summary.tls_advice(domain).go_on_to == "enforce"
    intake.take(tls_report(9, 5, 1), intake.Way.COMMAND)
    found = summary.tls_advice(domain)
    assert found.is_warning and "46 sessions, 1 failed" in found.sentence
    (failure,) = summary.of(domain).tls_failures
    assert (failure.result, failure.host, failure.count) == ("certificate-expired", "mail.example.com", 1)
    assert "Renew it" in failure.advice


def test_a_summary_costs_as_many_queries_with_many_days_as_with_few(
    domain: Domain, reported: Reported, django_assert_max_num_queries: Any
) -> None:
    for ago in range(1, 25):
        reported(ago, *(record(f"192.0.2.{number}", 1) for number in range(10)))
    with django_assert_max_num_queries(24):
        summary.of(domain, 30)


def test_a_year_is_drawn_in_weeks() -> None:
    days = summary.PERIODS[-1]
    drawn = chart.of([summary.Day(timezone.now().date(), 1, 2, 3)] * days)
    assert len(drawn.bars) == 53 and drawn.most == 42
    assert all(
        rect.y >= 0 and rect.y + rect.height <= HEIGHT for bar in drawn.bars for rect in bar.rects if rect
    )


# --- the records follow ------------------------------------------------------------------------------------
def test_the_records_follow_the_mailbox_for_reports(domain: Domain) -> None:
    from dnsrecords.checking.report import Report

    def wanted() -> dict[str, str]:
        return {row.record.id: row.record.value for row in Report.for_domain(domain).rows}

    assert wanted()["dmarc"].endswith("rua=mailto:postmaster@example.com")
    factories.alias("dmarc@example.com", "ada@example.net")
    factories.alias("tlsrpt@example.com", "ada@example.net")
    assert wanted()["dmarc"] == "v=DMARC1; p=quarantine; rua=mailto:dmarc@example.com"
    assert wanted()["tls_rpt"] == "v=TLSRPTv1; rua=mailto:tlsrpt@example.com"
    options.change(domain.pk, dmarc="reject")
    assert wanted()["dmarc"] == "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"
