"""The card of a domain's options on the DNS tab."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from dnsrecords.models import DomainOptions
from dnsrecords.records import options
from mailboxes.certificates import pem as certificates
from mailboxes.models import Domain
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
HOST = "mail.example.com"


@pytest.fixture
def domain() -> Domain:
    factories.stack(enabled=True, hostname=HOST, tls_certificate=certificates.self_signed(HOST)[0])
    return factories.domain("example.com", dkim_public_key="QUJD")


def page_of(domain: Domain) -> str:
    return f"/admin/mail-relay/dns/{domain.pk}/"


def read(client: Client, domain: Domain) -> str:
    return client.get(page_of(domain)).content.decode()


def choose(client: Client, domain: Domain, mode: str) -> str:
    answer = client.post(f"{page_of(domain)}options/", {"mta_sts": mode}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_card_says_what_is_chosen_and_where_the_policy_has_to_be(
    admin_client: Client, domain: Domain
) -> None:
    page = read(admin_client, domain)
    assert 'data-mta-sts="testing"' in page and 'value="testing" checked' in page
    assert 'data-copy="https://mta-sts.example.com/.well-known/mta-sts.txt"' in page
    for name in ("mta-sts", "autoconfig", "autodiscover"):
        assert f"<code>{name}.example.com</code>" in page


def test_a_choice_is_taken(admin_client: Client, domain: Domain) -> None:
    page = choose(admin_client, domain, "off")
    assert 'data-mta-sts="off"' in page and "https://mta-sts.example.com" not in page
    assert options.for_domain(domain).mta_sts == "off"


@pytest.mark.parametrize(("mode", "words"), [("enforce", "self-signed"), ("none", "Choose one of")])
def test_a_choice_that_is_refused_says_why(
    admin_client: Client, domain: Domain, mode: str, words: str
) -> None:
    assert words in choose(admin_client, domain, mode)
    assert options.for_domain(domain).mta_sts == "testing"


def test_a_certificate_that_has_turned_bad_is_warned_of(admin_client: Client, domain: Domain) -> None:
    assert 'role="alert">' not in read(admin_client, domain)  # the page's own alerts are hidden
    DomainOptions.objects.create(domain=domain, mta_sts="enforce")
    assert "MTA-STS is enforced, but" in read(admin_client, domain)


def test_who_may_not_change_domains_changes_nothing(client: Client, other_staff: Any, domain: Domain) -> None:
    client.force_login(other_staff)
    assert client.post(f"{page_of(domain)}options/", {"mta_sts": "off"}).status_code == 403
    assert options.for_domain(domain).mta_sts == "testing"


def test_reading_the_address_changes_nothing(admin_client: Client, domain: Domain) -> None:
    assert admin_client.get(f"{page_of(domain)}options/").status_code == 302
    assert not DomainOptions.objects.exists()
