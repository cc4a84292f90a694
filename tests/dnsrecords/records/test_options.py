"""What can be chosen for a domain's records, and what is served because of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dnsrecords.models import DomainCheck, DomainOptions
from dnsrecords.records import options
from dnsrecords.records.options import MtaStsNotReady
from mailboxes.certificates import pem as certificates
from mailboxes.models import Domain
from quazzar.errors import InvalidFields, NotFound
from quazzar.models import AuditEntry
from tests.mailboxes import factories
from tests.mailboxes.certificates.test_pem import CA, CA_KEY, HOST, LEAF_KEY, signed

pytestmark = pytest.mark.django_db


def certificate(**more: Any) -> str:
    """A certificate that an authority signed and that is valid today."""
    now = datetime.now(UTC)
    dates = {"start": now - timedelta(days=1), "end": now + timedelta(days=60)}
    return signed(HOST, LEAF_KEY, "CA", CA_KEY, **(dates | more)) + CA


@pytest.fixture
def domain() -> Domain:
    """A domain of a node with a certificate that others accept."""
    factories.stack(enabled=True, hostname=HOST, tls_certificate=certificate())
    return factories.domain("example.com")


# --- choosing ----------------------------------------------------------------------------------------------
def test_without_a_choice_it_is_tested(domain: Domain) -> None:
    assert options.for_domain(domain).mta_sts == "testing"
    assert not DomainOptions.objects.exists()


@pytest.mark.parametrize("mode", ["off", "enforce"])
def test_a_choice_is_kept_and_noted(domain: Domain, mode: str) -> None:
    assert options.change(domain.pk, mta_sts=mode).mta_sts == mode
    assert options.for_domain(domain).mta_sts == mode
    assert AuditEntry.objects.get(action="domain.dns_options_changed").fields == ["mta_sts"]


def test_what_stays_the_same_is_not_written(domain: Domain) -> None:
    assert options.change(domain.pk).mta_sts == options.change(domain.pk, mta_sts="testing").mta_sts
    assert not DomainOptions.objects.exists() and not AuditEntry.objects.exists()


def test_a_change_is_looked_up_soon(domain: Domain) -> None:
    DomainCheck.objects.create(domain=domain, due_at=timezone.now() + timedelta(hours=1))
    options.change(domain.pk, mta_sts="off")
    assert DomainCheck.objects.filter(due_at__lte=timezone.now()).exists()


def test_another_mode_and_another_domain_are_refused(domain: Domain) -> None:
    with pytest.raises(InvalidFields) as caught:
        options.change(domain.pk, mta_sts="none")
    assert caught.value.fields.keys() == {"mta_sts"}
    with pytest.raises(NotFound):
        options.change(domain.pk + 1, mta_sts="off")


# --- enforcing ---------------------------------------------------------------------------------------------
#: What else is wrong with a certificate is in test_tlsa.py.
NOT_READY = [
    ({"tls_certificate": certificates.self_signed(HOST)[0]}, "self-signed"),
    ({"hostname": ""}, "no hostname"),
]


@pytest.mark.parametrize(("stack", "words"), NOT_READY)
def test_what_others_would_not_accept_cannot_be_enforced(
    domain: Domain, stack: dict[str, str], words: str
) -> None:
    factories.stack(**stack)
    with pytest.raises(MtaStsNotReady) as caught:
        options.change(domain.pk, mta_sts="enforce")
    assert words in caught.value.message and caught.value.message.endswith(".") and caught.value.hint
    assert (caught.value.code, caught.value.status) == ("mta_sts_not_ready", 409)
    assert options.for_domain(domain).mta_sts == "testing"


@pytest.mark.parametrize(("stack", "words"), NOT_READY)
def test_what_others_no_longer_accept_is_warned_of_while_it_is_enforced(
    domain: Domain, stack: dict[str, str], words: str
) -> None:
    options.change(domain.pk, mta_sts="enforce")
    assert options.warning(domain) == ""
    factories.stack(**stack)
    assert words in options.warning(domain) and "back to testing" in options.warning(domain)
    options.change(domain.pk, mta_sts="testing")
    assert options.warning(domain) == ""


# --- serving -----------------------------------------------------------------------------------------------
def test_the_policy_follows_the_choice_and_the_hostname(domain: Domain) -> None:
    assert options.policy("example.com").splitlines()[:3] == [
        "version: STSv1",
        "mode: testing",
        f"mx: {HOST}",
    ]
    options.change(domain.pk, mta_sts="enforce")
    assert "mode: enforce" in options.policy("example.com")
    factories.stack(hostname="mx.example.org")
    assert "mx: mx.example.org" in options.policy("example.com")


def test_no_policy_is_served_where_there_is_none(domain: Domain) -> None:
    options.change(domain.pk, mta_sts="off")
    assert options.policy("example.com") == options.policy("example.org") == options.policy("") == ""
    options.change(domain.pk, mta_sts="testing")
    factories.stack(hostname="")
    assert options.policy("example.com") == ""


def test_the_mail_server_is_known_by_its_name_and_by_its_domains(domain: Domain) -> None:
    assert options.mail_host({HOST}) == options.mail_host({"x.example.com", "example.com"}) == HOST
    assert options.mail_host({"example.org"}) == ""
    factories.stack(hostname="")
    assert options.mail_host({"example.com"}) == options.mail_host({""}) == ""


def test_each_costs_one_query(domain: Domain, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert options.policy("example.com")
    with django_assert_num_queries(1):
        assert options.mail_host({"example.com"})


def test_a_node_without_a_stack_serves_nothing(db: None) -> None:
    factories.domain("example.com")
    assert options.policy("example.com") == options.mail_host({"example.com"}) == ""
