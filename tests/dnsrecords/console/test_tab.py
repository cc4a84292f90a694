"""Who may see the DNS tab, and look records up."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from dnsrecords.models import RecordChange
from mailboxes.models import Domain, Stack
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db

TAB = "/admin/mail-relay/dns/"


@pytest.fixture
def domain() -> Domain:
    return factories.domain("example.com", dkim_public_key="QUJD")


def test_the_overview_lists_domains_and_finds_them(admin_client: Client, domain: Domain) -> None:
    factories.domain("example.org")
    page = admin_client.get(TAB, {"search": "COM"}).content.decode()
    assert "example.com" in page and "example.org" not in page
    assert "No domain has" in admin_client.get(TAB, {"search": "net"}).content.decode()


def test_without_domains_it_says_what_to_do(admin_client: Client) -> None:
    assert "Add a domain in the Mailboxes tab" in admin_client.get(TAB).content.decode()


def test_the_overview_asks_no_more_for_more_domains(
    admin_client: Client, domain: Domain, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        factories.domain(f"d{number}.example.com")
    with django_assert_max_num_queries(20):
        assert admin_client.get(TAB).status_code == 200


@pytest.mark.slow
def test_a_server_that_is_off_is_told_beside_records_that_lead_to_it(
    admin_client: Client, domain: Domain
) -> None:
    pages = reverse("admin:dns_overview"), reverse("admin:dns_domain", args=[domain.pk])
    for enabled in (True, False):
        Stack.objects.update_or_create(pk=1, defaults={"hostname": "mail.example.com", "enabled": enabled})
        for path in pages:
            page = admin_client.get(path).content.decode()
            assert ("The mail server mail.example.com is off" in page) is not enabled


def test_a_domain_shows_its_records(admin_client: Client, domain: Domain) -> None:
    page = admin_client.get(f"{TAB}{domain.pk}/").content.decode()
    for words in ("record-mx", "record-spf", "record-dkim", "record-dmarc", "24 hours", "Check now"):
        assert words in page


def test_a_domain_whose_reports_nobody_would_read_says_so(admin_client: Client, domain: Domain) -> None:
    # A superuser is one of the operators, if he can be reached.
    get_user_model().objects.update(email="ops@far.example")
    page = admin_client.get(f"/admin/mail-relay/dns/{domain.pk}/").content.decode()
    assert "Nobody reads mail for" not in page
    get_user_model().objects.update(email=f"nobody@{domain.name}")
    page = admin_client.get(f"/admin/mail-relay/dns/{domain.pk}/").content.decode()
    assert f"Nobody reads mail for postmaster@{domain.name}" in page


def test_the_history_names_records_as_the_tab_does(admin_client: Client, domain: Domain) -> None:
    """A record that is no longer wanted keeps its id: nobody knows its name any more."""
    for record in ("dkim", "gone"):
        RecordChange.objects.create(
            domain=domain, record=record, before="ok", status="mismatch", message="Changed."
        )
    page = admin_client.get(f"{TAB}{domain.pk}/").content.decode()
    history = re.sub(r"<[^>]+>|\s+", " ", page[page.index('aria-label="History"') :])
    texts = " ".join(history.split())
    assert "DKIM quazzar._domainkey OK → Different Changed." in texts
    assert "gone OK → Different Changed." in texts


def test_the_history_says_what_changed_where_the_status_stayed(admin_client: Client, domain: Domain) -> None:
    RecordChange.objects.create(
        domain=domain,
        record="spf",
        before="ok",
        status="ok",
        found_before=["v=spf1 mx ~all"],
        found=["v=spf1 mx -all"],
    )
    page = admin_client.get(f"{TAB}{domain.pk}/").content.decode()
    history = " ".join(re.sub(r"<[^>]+>|\s+", " ", page[page.index('aria-label="History"') :]).split())
    assert "Value changed, still OK" in history
    assert "Before: v=spf1 mx ~all Now: v=spf1 mx -all" in history
    assert "OK → OK" not in history


def test_no_domain_is_404(admin_client: Client) -> None:
    for end in ("", "zone/"):
        assert admin_client.get(f"{TAB}999/{end}").status_code == 404


def test_a_look_is_a_post(admin_client: Client, domain: Domain, settings: Any) -> None:
    assert admin_client.get(f"{TAB}{domain.pk}/check/").status_code == 302
    settings.QUAZZAR_DNS_RESOLVERS = ["127.0.0.1:1"]
    answer = admin_client.post(f"{TAB}{domain.pk}/check/")
    assert (answer.status_code, answer["Location"]) == (302, f"{TAB}{domain.pk}/")
    assert "just now" in admin_client.get(f"{TAB}{domain.pk}/").content.decode()


def test_who_may_not_see_domains_sees_nothing(client: Client, other_staff: Any, domain: Domain) -> None:
    client.force_login(other_staff)
    for end in ("", f"{domain.pk}/", f"{domain.pk}/zone/"):
        assert client.get(f"{TAB}{end}").status_code == 403


def test_on_a_lesser_plan_there_is_the_lock_card(admin_client: Client, domain: Domain, plan: Any) -> None:
    plan("community")
    assert f"{TAB}{domain.pk}/" not in admin_client.get(TAB).content.decode()


def test_the_dmarc_path_is_there_to_copy(admin_client: Client, domain: Domain) -> None:
    page = admin_client.get(f"{TAB}{domain.pk}/").content.decode()
    assert page.index('data-policy="none"') < page.index('data-policy="reject"')
    assert "v=DMARC1; p=none; rua=mailto:postmaster@example.com" in page
