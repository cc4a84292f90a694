"""Who may turn a domain's Ed25519 key on and off in the DNS tab."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mailboxes.dkim import lifecycle
from mailboxes.models import DkimKey, Domain
from mailboxes.provisioning.domains import add_domain

pytestmark = pytest.mark.django_db

TAB = "/admin/mail-relay/dns/"


@pytest.fixture
def domain() -> Domain:
    return add_domain("example.com")


def page(client: Client, domain: Domain) -> str:
    return client.get(f"{TAB}{domain.pk}/").content.decode()


def turn(client: Client, domain: Domain, **body: str) -> str:
    """The page that follows."""
    answer = client.post(f"{TAB}{domain.pk}/ed25519/", body, follow=True)
    assert answer.redirect_chain == [(f"{TAB}{domain.pk}/#ed25519", 302)]
    return answer.content.decode()


@pytest.mark.slow
def test_turned_on_its_record_is_there_to_copy_once(admin_client: Client, domain: Domain) -> None:
    assert 'data-state="off"' in page(admin_client, domain) and "Turn on" in page(admin_client, domain)
    shown = turn(admin_client, domain)
    selector = DkimKey.objects.get(algorithm="ed25519").selector
    assert shown.count(f'id="record-dkim_{selector}"') == 1
    assert "Turn off" in shown and "Publish the TXT record" in shown


def test_it_stands_by_itself_while_the_other_key_is_rotated(admin_client: Client, domain: Domain) -> None:
    admin_client.post(f"{TAB}{domain.pk}/rotate/")
    shown = turn(admin_client, domain)
    for selector in DkimKey.objects.filter(state="waiting").values_list("selector", flat=True):
        assert shown.count(f'id="record-dkim_{selector}"') == 1


def test_turned_off_it_says_which_record_may_go(admin_client: Client, domain: Domain) -> None:
    selector = lifecycle.add_ed25519(domain.pk).selector
    shown = turn(admin_client, domain, off="1")
    assert f"You may delete the TXT record {selector}._domainkey.example.com." in shown
    assert not DkimKey.objects.filter(algorithm="ed25519").exists()


@pytest.mark.slow
def test_turned_twice_it_says_so(admin_client: Client, domain: Domain) -> None:
    assert "has no Ed25519 key" in turn(admin_client, domain, off="1")
    turn(admin_client, domain)
    assert "already" in turn(admin_client, domain)


def test_who_may_only_see_domains_may_not_turn_it(domain: Domain) -> None:
    reader = User.objects.create_user("reader", password="x", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_domain"))
    client = Client()
    client.force_login(reader)
    assert "Turn on" not in page(client, domain)
    assert client.post(f"{TAB}{domain.pk}/ed25519/").status_code == 403
    assert not DkimKey.objects.filter(algorithm="ed25519").exists()


def test_no_domain_is_404(admin_client: Client) -> None:
    assert admin_client.post(f"{TAB}999/ed25519/").status_code == 404
