"""Facts of domains as the rows have them."""

from __future__ import annotations

from typing import Any

import pytest

from dnsrecords.checking.report import Report
from dnsrecords.kinds.registry import wanted
from dnsrecords.models import DomainCheck
from dnsrecords.mtasts.policy import policy_id
from dnsrecords.records import options, tlsa
from dnsrecords.records.facts import Facts
from mailboxes.certificates import pem as certificates
from mailboxes.models import Domain
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
HOST = "mail.example.com"
CERTIFICATE = certificates.self_signed(HOST)[0]


@pytest.fixture
def domain() -> Domain:
    factories.stack(enabled=True, hostname=HOST, tls_certificate=CERTIFICATE)
    return factories.domain("example.com")


def names(facts: Facts) -> set[str]:
    return {record.id for record in wanted(facts)}


def test_the_id_is_that_of_the_policy_which_is_served(domain: Domain) -> None:
    assert Facts.for_domain(domain).mta_sts == policy_id(options.policy("example.com"))
    before = Facts.for_domain(domain).mta_sts
    factories.stack(hostname="mx.example.com")
    assert Facts.for_domain(domain).mta_sts not in ("", before)


def test_mta_sts_that_is_off_has_no_records(domain: Domain) -> None:
    assert {"mta_sts", "mta_sts_host"} <= names(Facts.for_domain(domain))
    options.change(domain.pk, mta_sts="off")
    assert not {"mta_sts", "mta_sts_host"} & names(Facts.for_domain(domain))


def test_files_are_served_once_there_is_a_hostname(domain: Domain) -> None:
    assert Facts.for_domain(domain).autoconfig
    factories.stack(hostname="")
    facts = Facts.for_domain(domain)
    assert (facts.autoconfig, facts.mta_sts, facts.hostname) == (False, "", HOST)


# --- TLSA --------------------------------------------------------------------------------------------------
def test_of_this_nodes_addresses_those_count_by_which_the_stack_is_reached(
    domain: Domain, settings: Any
) -> None:
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["203.0.113.5", "2001:db8::5"]
    assert Facts.for_domain(domain).addresses == ("203.0.113.5",)


def test_the_certificate_in_use_is_pinned_where_the_zone_is_signed(domain: Domain) -> None:
    assert "tlsa_25" not in names(Facts.for_domain(domain))
    DomainCheck.objects.create(domain=domain, signed=True)
    facts = Facts.for_domain(domain)
    assert facts.tlsa == (tlsa.pin(CERTIFICATE),)
    assert "tlsa_25" in names(facts)


@pytest.mark.parametrize("stack", [{"enabled": False}, {"tls_certificate": ""}, {"tls_certificate": "PEM"}])
def test_without_a_stack_or_a_certificate_nothing_is_pinned(domain: Domain, stack: dict[str, Any]) -> None:
    DomainCheck.objects.create(domain=domain, signed=True)
    factories.stack(**stack)
    assert Facts.for_domain(domain).tlsa == ()


def test_many_domains_cost_no_more_queries_than_one(domain: Domain, django_assert_num_queries: Any) -> None:
    domains = [domain, *(factories.domain(f"d{number}.example") for number in range(20))]
    options.change(domains[3].pk, mta_sts="off")
    for some in (domains[:1], domains):
        with django_assert_num_queries(6):
            of_all = list(Facts.for_domains(some))
    assert [facts.domain for facts in of_all if not facts.mta_sts] == [domains[3].name]


def test_four_records_are_required_with_all_of_them(domain: Domain) -> None:
    DomainCheck.objects.create(domain=domain, signed=True)
    assert len(Report.for_domain(domain).required) == 4
