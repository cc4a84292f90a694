"""The pages of rows about blocklists call a list by its name, not by its key."""

from __future__ import annotations

import pytest
from django.db.models import Model
from django.test import Client

from dnsrecords.models import BlocklistChange, BlocklistEntry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", [BlocklistEntry, BlocklistChange])
def test_the_heading_of_a_row_names_the_list(admin_client: Client, model: type[Model]) -> None:
    row = model._default_manager.create(subject="192.0.2.80", blocklist="surbl", listed=True)
    shown = admin_client.get(f"/admin/dnsrecords/{model.__name__.lower()}/{row.pk}/change/").content.decode()
    assert "at SURBL</h1>" in shown and "at SURBL |" in shown and "at surbl" not in shown
