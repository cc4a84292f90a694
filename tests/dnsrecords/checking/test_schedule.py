"""When domains are checked: every hour, and at once after any change to what is wanted or published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dnsrecords.checking import check, results, schedule
from dnsrecords.checking.report import Report
from dnsrecords.checking.results import Result
from dnsrecords.models import DomainCheck, Publisher
from dnsrecords.publishing import publish as publishing
from dnsrecords.records import options
from dnsrecords.records.facts import Facts
from dnsrecords.verdicts import Status, Verdict
from mailboxes.dkim import lifecycle
from mailboxes.models import Domain
from mailboxes.provisioning import domains
from mailboxes.stack import control
from tests.dnsrecords.mistakes import facts_of, record_line
from tests.mailboxes import factories
from tests.rig import or_skip
from tests.rig.bind import Bind
from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(schedule, "ring", heard.append)
    return heard


@pytest.fixture
def domain() -> Domain:
    factories.stack(hostname="mail.example.com")
    return domains.add_domain("example.com")


def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The domains that are checked, without any query."""
    seen: list[str] = []

    def look(facts: Facts, seconds: float | None = None) -> list[Result]:
        seen.append(facts.domain)
        return []

    monkeypatch.setattr(check, "look", look)
    monkeypatch.setattr(check, "_is_signed", lambda facts: None)
    return seen


CHANGES: dict[str, Callable[[Domain], object]] = {
    "a domain": lambda domain: domains.add_domain("example.org"),
    "a rotation": lambda domain: lifecycle.begin_rotation(domain.pk),
    "a second key": lambda domain: lifecycle.add_ed25519(domain.pk),
    "an option": lambda domain: options.change(domain.pk, mta_sts="off"),
    "a hostname": lambda domain: control.enable("mx.example.com"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_the_records_is_followed_by_a_look(
    what: str,
    domain: Domain,
    rung: list[str],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    seen = looked(monkeypatch)
    assert check.check_due() == 1 and check.check_due() == 0
    with django_capture_on_commit_callbacks(execute=True):
        CHANGES[what](domain)
    assert schedule.CHECK_DUE in rung
    seen.clear()
    check.check_due()
    assert seen == ["example.org" if what == "a domain" else "example.com"]
    assert check.check_due() == 0


@pytest.mark.slow
def test_a_key_that_begins_to_sign_is_followed_by_a_look(
    domain: Domain, rung: list[str], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    seen = looked(monkeypatch)
    selector = lifecycle.begin_rotation(domain.pk).selector
    check.check_due()
    seen.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert lifecycle.start_signing(domain.pk, selector)
    assert schedule.CHECK_DUE in rung
    check.check_due()
    assert seen == ["example.com"]


def test_a_changed_setting_is_noticed_without_a_ring(
    domain: Domain, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = looked(monkeypatch)
    check.check_due()
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["192.0.2.99"]
    check.check_due()
    assert seen == ["example.com"] * 2


def test_what_changes_no_record_is_followed_by_none(
    domain: Domain, rung: list[str], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    seen = looked(monkeypatch)
    check.check_due()
    with django_capture_on_commit_callbacks(execute=True):
        factories.mailbox("anna@example.com")
        domains.change_domain(domain.pk, {"catch_all": "anna@example.com"})
    check.check_due()
    assert seen == ["example.com"]


# --- looks that overlap ------------------------------------------------------------------------------------
def test_an_older_look_does_not_undo_what_a_newer_one_saw(domain: Domain) -> None:
    record = next(row.record for row in Report.for_domain(domain).rows)
    now = timezone.now()

    def keep(status: Status, began: timedelta) -> None:
        later = now + timedelta(hours=1)
        results.keep(domain, [Result(record, Verdict(status))], now, later, began=now - began)

    keep(Status.OK, timedelta(seconds=1))
    keep(Status.MISSING, timedelta(seconds=9))
    assert Report.for_domain(domain).rows[0].status is Status.OK


def test_what_becomes_due_during_a_look_stays_due(domain: Domain) -> None:
    now, later = timezone.now(), timezone.now() + timedelta(hours=1)
    for due, stays in (
        (now - timedelta(seconds=2), True),
        (now - timedelta(minutes=1), False),
        (later, False),
    ):
        DomainCheck.objects.update_or_create(domain=domain, defaults={"due_at": due, "began_at": None})
        results.keep(domain, [], now, later, began=now - timedelta(seconds=9))
        assert (DomainCheck.objects.get().due_at == due) is (stays or due == later)


def test_name_servers_that_lag_behind_are_asked_each_minute_after_publishing(domain: Domain) -> None:
    now = timezone.now()
    assert schedule.next_due(domain, now, settled=False) == now + timedelta(minutes=10)
    Publisher.objects.create(domain=domain, published_at=now)
    assert schedule.next_due(domain, now, settled=False) == now + timedelta(minutes=1)
    assert timedelta(minutes=45) <= schedule.next_due(domain, now, settled=True) - now <= timedelta(hours=1)


# --- the page ----------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_page_says_that_it_looks_and_then_shows_the_result(
    domain: Domain, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, htmx = f"/admin/mail-relay/dns/{domain.pk}/", {"HX-Request": "true"}
    assert 'id="looking"' in admin_client.get(url).content.decode()
    # Text that is being typed stays.
    assert admin_client.get(url, {"seen": ""}, headers=htmx).status_code == 204
    looked(monkeypatch)
    check.check_due()
    page = admin_client.get(url, {"seen": ""}, headers=htmx)
    assert page.status_code == 200 and 'id="looking"' not in page.content.decode()
    DomainCheck.objects.update(looking_since=timezone.now())
    assert 'id="looking"' in admin_client.get(url).content.decode()
    DomainCheck.objects.update(looking_since=timezone.now() - timedelta(minutes=1))
    assert 'id="looking"' not in admin_client.get(url).content.decode()


# --- in a real zone ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def bind() -> Iterator[Bind]:
    with or_skip(lambda: Bind({"looked.test": []})) as running:
        yield running


@pytest.mark.real
def test_after_publishing_the_next_report_is_right(
    bind: Bind, settings: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = [bind.address]
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["127.0.0.1"]
    factories.stack(hostname="mail.looked.test")
    domain = domains.add_domain("looked.test")
    check.check_due()
    assert Report.for_domain(domain).health is Status.MISSING
    monkeypatch.setattr(schedule, "ring", lambda task: check.check_due())
    publishing.set_up(
        domain.pk,
        {"server": bind.host, "port": bind.port, "key_name": bind.key_name, "secret": bind.secret},
    )
    with django_capture_on_commit_callbacks(execute=True):
        publishing.publish(domain)
    report = Report.for_domain(domain)
    assert (report.health, report.looking) == (Status.OK, False)


@pytest.mark.real
def test_after_the_switch_to_a_new_key_the_next_report_is_right(
    nameserver: Nameserver, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    factories.stack(hostname="mail.switch.test")
    domain = domains.add_domain("switch.test")
    selector = lifecycle.begin_rotation(domain.pk).selector
    rows = Report.for_domain(domain).rows
    nameserver.publish("switch.test", [record_line(row.record) for row in rows if row.record.type == "TXT"])
    monkeypatch.setattr(schedule, "ring", lambda task: check.check_due())
    with django_capture_on_commit_callbacks(execute=True):
        check.check_due()
    report = Report.for_domain(domain)
    key = next(row for row in report.rows if row.record.id == "dkim")
    assert (key.record.name.split(".")[0], key.status) == (selector, Status.OK)
    assert facts_of().selector != selector
