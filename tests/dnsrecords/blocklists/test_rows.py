"""The pages of rows about blocklists call a list by its name, not by its key."""

from __future__ import annotations

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from dnsrecords.models import BlocklistChange, BlocklistEntry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", [BlocklistEntry, BlocklistChange])
def test_the_heading_of_a_row_names_the_list(admin_client: Client, model: type[Model]) -> None:
    row = model._default_manager.create(subject="192.0.2.80", blocklist="surbl", listed=True)
    shown = admin_client.get(f"/admin/dnsrecords/{model.__name__.lower()}/{row.pk}/change/").content.decode()
    assert "at SURBL</h1>" in shown and "at SURBL |" in shown and "at surbl" not in shown


def test_a_domain_is_named_in_its_own_script(admin_client: Client) -> None:
    name = "xn--bcher-kva.example"
    BlocklistEntry.objects.create(subject=name, blocklist="surbl", listed=True, since=timezone.now())
    BlocklistChange.objects.create(subject=name, blocklist="surbl", listed=True, at=timezone.now())
    shown = admin_client.get("/admin/mail-relay/dns/blocklists/").content.decode()
    assert shown.count(f'bücher.example<span class="q-muted m-name">{name}</span>') == 2
