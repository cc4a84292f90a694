"""Records that are published automatically, on a real BIND: what is added, what stays, and what a failure says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dnsrecords.checking import check
from dnsrecords.checking.report import Report
from dnsrecords.models import DomainCheck, Publisher, RecordCheck
from dnsrecords.publishing import publish as publishing
from dnsrecords.publishing.services import Change, PublishFailed, ZoneChanged
from dnsrecords.publishing.services.rfc2136 import Rfc2136
from dnsrecords.records.facts import Facts
from mailboxes.dkim import lifecycle
from mailboxes.models import Domain
from mailboxes.provisioning import domains
from quazzar.errors import InvalidFields
from tests.mailboxes import factories
from tests.rig import free_port, or_skip
from tests.rig.bind import Bind
from tests.rig.lameserver import LameServer

pytestmark = [pytest.mark.real, pytest.mark.django_db]
#: Lines of zones that are there before; each test has a zone of its own.
ZONES = {
    "fresh.test": [],
    "again.test": [],
    "kept.test": ['@ TXT "verification=abc"', "www A 192.0.2.80", '_other TXT "x"'],
    "spf.test": ['@ TXT "v=spf1 ip4:198.51.100.7 -all"', '@ TXT "keep me"'],
    "lossy.test": ['@ TXT "v=spf1 ip4:198.51.100.7/33 mx:mail.fresh.test ~all"'],
    "slip.test": ['@ TXT "v=spf1 ip4:198.51.100.7 ip4:198.51.100.9~all"'],
    "mx.test": ["@ MX 5 mx.elsewhere.example."],
    "strong.test": ['_dmarc TXT "v=DMARC1; p=reject"'],
    "weak.test": ['_dmarc TXT "v=DMARC1; p=none"'],
    "rotated.test": [],
    "raced.test": [],
    "parent.test": [],
    "alias.test": ["autoconfig A 192.0.2.7", "_dmarc CNAME dmarc.elsewhere.example."],
    "wrong.test": [],
    "due.test": [],
    "moved.test": [],
    "healed.test": [],
}


@pytest.fixture(scope="module")
def bind() -> Iterator[Bind]:
    with or_skip(lambda: Bind(ZONES)) as running:
        yield running


@pytest.fixture
def bound(bind: Bind, settings: Any) -> Bind:
    """The same, as the resolver of this node too; the mail server's hostname is in the first zone."""
    settings.QUAZZAR_DNS_RESOLVERS = [bind.address]
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["127.0.0.1"]
    factories.stack(hostname="mail.fresh.test")
    return bind


def published_at(bind: Bind, name: str, **changed: Any) -> Domain:
    """A domain whose records go to BIND."""
    domain = domains.add_domain(name)
    publishing.set_up(domain.pk, {**fields_for(bind), **changed})
    return domain


def fields_for(bind: Bind) -> dict[str, Any]:
    return {"server": bind.host, "port": bind.port, "key_name": bind.key_name, "secret": bind.secret}


def statuses(domain: Domain, host: str = "mail.fresh.test") -> dict[str, str]:
    results = check.look(replace(Facts.for_domain(domain), hostname=host))
    return {result.record.id: result.verdict.status.value for result in results}


# --- what is put there -------------------------------------------------------------------------------------
def test_an_empty_zone_is_filled_and_everything_is_right(bound: Bind) -> None:
    domain = published_at(bound, "fresh.test")
    plan = publishing.publish(domain)
    assert not plan.conflicts and {"MX", "TXT", "SRV", "CNAME", "A"} <= {type_ for _, type_, _ in plan.added}
    wrong = {record_id for record_id, status in statuses(domain).items() if status != "ok"}
    assert wrong == {"ptr", "mta_sts"}  # in another zone, and without a web server


def test_a_second_time_nothing_is_changed(bound: Bind) -> None:
    domain = published_at(bound, "again.test")
    publishing.publish(domain)
    before = bound.records("again.test")
    plan = publishing.publish(domain)
    assert (plan.changes, plan.added, plan.removed) == ((), (), ())
    assert bound.records("again.test") == before


def test_what_is_not_ours_stays(bound: Bind) -> None:
    before = bound.records("kept.test")
    publishing.publish(published_at(bound, "kept.test"))
    assert before < bound.records("kept.test")


def test_a_merge_that_would_lose_a_sender_is_a_conflict_that_names_it(bound: Bind) -> None:
    domain = published_at(bound, "lossy.test")
    plan = publishing.publish(domain)
    (conflict,) = [conflict for conflict in plan.conflicts if "v=spf1" in "".join(conflict.found)]
    assert 'would lose senders: "ip4:198.51.100.7/33" has a prefix length' in conflict.message
    assert '@ TXT "v=spf1 ip4:198.51.100.7/33 mx:mail.fresh.test ~all"' in bound.records("lossy.test")
    publishing.publish(domain, replace=True)
    assert '@ TXT "v=spf1 mx:mail.fresh.test mx ~all"' in bound.records("lossy.test")


def test_a_slip_with_one_reading_is_mended_in_the_merge(bound: Bind) -> None:
    domain = published_at(bound, "slip.test")
    assert not publishing.publish(domain).conflicts
    assert '@ TXT "v=spf1 ip4:198.51.100.7 ip4:198.51.100.9 mx ~all"' in bound.records("slip.test")


def test_an_spf_record_is_merged_and_is_the_only_one(bound: Bind) -> None:
    domain = published_at(bound, "spf.test")
    publishing.publish(domain)
    texts = {line for line in bound.records("spf.test") if line.startswith("@ TXT")}
    assert texts == {'@ TXT "keep me"', '@ TXT "v=spf1 ip4:198.51.100.7 mx -all"'}
    assert statuses(domain)["spf"] == "ok"
    assert publishing.publish(domain).changes == ()


def test_a_zone_above_the_domain_is_changed(bound: Bind) -> None:
    domain = published_at(bound, "child.parent.test", zone="parent.test")
    publishing.publish(domain)
    assert "child MX 10 mail.fresh.test." in bound.records("parent.test")


# --- what is in the way ------------------------------------------------------------------------------------
def test_mail_that_goes_elsewhere_goes_on_doing_so_unless_it_is_replaced(bound: Bind) -> None:
    domain = published_at(bound, "mx.test")
    (conflict,) = publishing.publish(domain).conflicts
    assert (conflict.type, conflict.found) == ("MX", ("5 mx.elsewhere.example",))
    assert "@ MX 5 mx.elsewhere.example." in bound.records("mx.test")
    plan = publishing.publish(domain, replace=True)
    assert not plan.conflicts and ("mx.test", "MX", "5 mx.elsewhere.example") in plan.removed
    assert {line for line in bound.records("mx.test") if " MX " in line} == {"@ MX 10 mail.fresh.test."}


def test_a_stronger_policy_stays_and_is_no_conflict(bound: Bind) -> None:
    assert not publishing.publish(published_at(bound, "strong.test")).conflicts
    assert '_dmarc TXT "v=DMARC1; p=reject"' in bound.records("strong.test")


def test_a_weaker_policy_is_the_operators_own_and_a_conflict(bound: Bind) -> None:
    (conflict,) = publishing.publish(published_at(bound, "weak.test")).conflicts
    assert conflict.name == "_dmarc.weak.test" and "p=none" in conflict.message
    assert '_dmarc TXT "v=DMARC1; p=none"' in bound.records("weak.test")


def test_a_cname_and_what_stands_beside_none_are_conflicts(bound: Bind) -> None:
    plan = publishing.publish(published_at(bound, "alias.test"), replace=True)
    messages = {conflict.name: conflict.message for conflict in plan.conflicts}
    assert messages.keys() == {"_dmarc.alias.test", "autoconfig.alias.test"}
    assert "Publish the TXT record where it leads, or delete the CNAME" in messages["_dmarc.alias.test"]
    assert "_dmarc CNAME dmarc.elsewhere.example." in bound.records("alias.test")


# --- what changes later ------------------------------------------------------------------------------------
def test_another_key_is_added_and_taken_away_again(bound: Bind) -> None:
    domain = published_at(bound, "rotated.test")
    publishing.publish(domain)
    before = bound.records("rotated.test")
    selector = lifecycle.begin_rotation(domain.pk).selector
    publishing.publish(Domain.objects.get(pk=domain.pk))
    (added,) = bound.records("rotated.test") - before
    assert added.startswith(f"{selector}._domainkey TXT")
    lifecycle.cancel_rotation(domain.pk)
    publishing.publish(Domain.objects.get(pk=domain.pk))
    assert bound.records("rotated.test") == before


def test_somebody_elses_change_in_between_is_seen(bound: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = published_at(bound, "raced.test")
    apply, times = Rfc2136.apply, []

    def overtaken(service: Rfc2136, changes: list[Change]) -> None:
        times.append(1)
        if len(times) == 1:
            assert bound.update("raced.test", 'add @ 300 TXT "v=spf1 ip4:198.51.100.9 ~all"') == "NOERROR"
        apply(service, changes)

    monkeypatch.setattr(Rfc2136, "apply", overtaken)
    publishing.publish(domain)
    assert len(times) == 2
    assert '@ TXT "v=spf1 ip4:198.51.100.9 mx ~all"' in bound.records("raced.test")


def test_a_zone_that_is_changed_each_time_is_given_up(bound: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    times = []

    def overtaken(*_: Any) -> None:
        times.append(1)
        assert bound.update("wrong.test", f"add @ 300 TXT change{len(times)}") == "NOERROR"
        raise ZoneChanged

    domain = published_at(bound, "wrong.test")
    monkeypatch.setattr(Rfc2136, "apply", overtaken)
    with pytest.raises(PublishFailed) as failed:
        publishing.publish(domain)
    assert failed.value.code == "update_overtaken"


# --- what fails --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"key_name": "unknown"}, "update_bad_key"),
        ({"secret": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"}, "update_bad_key"),
        ({"algorithm": "hmac-sha512"}, "update_bad_key"),
        ({"key_name": "stranger"}, "update_refused"),
        ({"zone": "test"}, "update_not_authorised"),
        ({"server": "127.0.0.3"}, "update_unreachable"),
        ({"server": "no-such-host.invalid"}, "update_no_server"),
    ],
)
def test_a_failure_has_a_sentence_and_changes_nothing(
    bound: Bind, changed: dict[str, Any], code: str
) -> None:
    if changed.get("key_name") == "stranger":
        changed = {**changed, "secret": bound.other_secret}
    domain, before = published_at(bound, "wrong.test", **changed), bound.records("wrong.test")
    with pytest.raises(PublishFailed) as failed:
        publishing.publish(domain)
    error = failed.value
    assert (error.code, error.status) == (code, 502) and error.hint
    row = Publisher.objects.get(pk=domain.pk)
    assert row.last_error == {"code": code, "message": error.message, "hint": error.hint}
    assert bound.records("wrong.test") == before
    assert bound.secret not in f"{error!r}{row.last_error}{error.__cause__!r}"


def test_ports_without_a_name_server_are_not_told_apart(bound: Bind) -> None:
    def hangs_up(question: object, by_tcp: bool) -> bytes | None:
        return None

    def other_service(question: object, by_tcp: bool) -> bytes | None:
        return b"220 mail.example.com ESMTP"

    told = set()
    domain = published_at(bound, "wrong.test")
    with LameServer(hangs_up) as first, LameServer(other_service) as second, socket.socket() as silent:
        silent.bind((bound.host, 0))
        silent.listen(0)
        silent_port = silent.getsockname()[1]
        for port in (free_port(), first.port, second.port, silent_port):
            publishing.set_up(domain.pk, {**fields_for(bound), "port": port})
            with pytest.raises(PublishFailed) as failed:
                publishing.publish(domain)
            told.add((failed.value.code, failed.value.message.replace(str(port), ""), failed.value.hint))
    assert len(told) == 1 and {code for code, _, _ in told} == {"update_unreachable"}


def test_without_a_server_or_a_readable_secret_it_says_what_to_enter(bound: Bind) -> None:
    domain = domains.add_domain("wrong.test")
    with pytest.raises(publishing.NoPublisher):
        publishing.publish(domain)
    publishing.set_up(domain.pk, fields_for(bound))
    Publisher.objects.filter(pk=domain.pk).update(secret=None)
    with pytest.raises(publishing.SecretUnreadable):
        publishing.publish(domain)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("server", ("", "a b")),
        ("port", (0, 70000)),
        ("zone", ("other.test",)),
        ("key_name", ("", "a..b", "k k")),
        ("algorithm", ("hmac-md5", "hmac-sha1")),
        ("secret", ("short", "no base64 at all!")),
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_field(field: str, values: tuple[Any, ...]) -> None:
    good = {"server": "127.0.0.1", "key_name": "k", "secret": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"}
    domain = factories.domain()
    for value in values:
        with pytest.raises(InvalidFields) as wrong:
            publishing.set_up(domain.pk, {**good, field: value})
        assert list(wrong.value.fields) == [field]
        assert field != "secret" or str(value) not in str(wrong.value.fields)


# --- by itself ---------------------------------------------------------------------------------------------
def test_it_is_published_by_itself_when_set_up_and_when_something_changes(bound: Bind) -> None:
    domain = published_at(bound, "moved.test")
    assert (publishing.publish_due(), publishing.publish_due()) == (1, 0)
    assert "@ MX 10 mail.fresh.test." in bound.records("moved.test")
    factories.stack(hostname="mx.fresh.test")
    assert publishing.publish_due() == 1
    assert {line for line in bound.records("moved.test") if " MX " in line} == {"@ MX 10 mx.fresh.test."}
    assert statuses(domain, "mx.fresh.test")["dkim"] == "ok"


def test_what_somebody_deleted_is_published_again_an_hour_later(bound: Bind) -> None:
    domain = published_at(bound, "healed.test")
    publishing.publish_due()
    assert bound.update("healed.test", "delete _dmarc TXT") == "NOERROR"
    check.check(domain)
    assert RecordCheck.objects.get(domain=domain, record="dmarc").status == "missing"
    assert publishing.publish_due() == 0
    Publisher.objects.update(tried_at=timezone.now() - timedelta(minutes=61))
    assert publishing.publish_due() == 1
    assert DomainCheck.objects.get(pk=domain.pk).due_at <= timezone.now()
    assert any(line.startswith("_dmarc TXT") for line in bound.records("healed.test"))


def test_a_dead_server_is_tried_again_ten_minutes_later(bound: Bind) -> None:
    published_at(bound, "due.test", port=free_port())
    assert (publishing.publish_due(), publishing.publish_due()) == (1, 0)
    Publisher.objects.update(tried_at=timezone.now() - timedelta(minutes=11))
    assert publishing.publish_due() == 1
    error = Publisher.objects.get().last_error
    assert error is not None and error["code"] == "update_unreachable"


def test_a_domain_without_a_server_is_left_alone(bound: Bind) -> None:
    domain = domains.add_domain("due.test")
    assert publishing.publish_due() == 0
    assert Report.for_domain(domain).facts.domain == "due.test"
