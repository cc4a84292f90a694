"""The page of a provider's webhook: the address to paste, the key, the latest call."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailrelay.events import settings as events
from mailrelay.models import EventSource

pytestmark = pytest.mark.django_db
PAGE = "/admin/returned/events/"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_the_address_is_shown_once_there_is_a_key(console: Client) -> None:
    assert "Create the address" in text(console.get(f"{PAGE}mailgun/"))
    shown = text(console.post(f"{PAGE}mailgun/", {"key": "signing-key"}, follow=True))
    row = EventSource.objects.get()
    assert f"http://testserver/api/mail/events/mailgun/{row.token.reveal()}" in shown
    assert "must reach this address from the Internet over HTTPS" in shown
    assert "signing-key" not in shown


def test_a_missing_key_says_where_it_is(console: Client) -> None:
    shown = text(console.post(f"{PAGE}mailgun/", {"key": ""}))
    assert "Settings → API security → HTTP webhook signing key" in shown
    assert not EventSource.objects.exists()


def test_the_list_says_whether_it_works(console: Client) -> None:
    events.save("mailgun", "k")
    assert "No call yet" in text(console.get("/admin/returned/"))
    EventSource.objects.update(last_event_at=timezone.now(), last_event="bounced: anna@example.com")
    assert "bounced: anna@example.com" in text(console.get("/admin/returned/"))
    EventSource.objects.update(refused_at=timezone.now(), refusal="Too old.")
    assert "Last call refused" in text(console.get("/admin/returned/"))
    assert "Too old." in text(console.get(f"{PAGE}mailgun/"))


def test_the_address_is_changed_and_the_webhook_removed(console: Client) -> None:
    before = events.save("postmark", "").token_digest
    assert "The old address no longer works." in text(console.post(f"{PAGE}postmark/renew/", follow=True))
    assert EventSource.objects.get().token_digest != before
    assert "no longer accepted" in text(console.post(f"{PAGE}postmark/remove/", follow=True))
    assert not EventSource.objects.exists()


@pytest.mark.parametrize("path", ["nobody/", "nobody/renew/", "nobody/remove/"])
def test_an_unknown_provider_is_404(console: Client, path: str) -> None:
    assert console.post(f"{PAGE}{path}").status_code == 404


def test_an_address_that_cannot_be_opened_says_what_to_do(
    console: Client, settings: Any, tmp_path: Any
) -> None:
    before = events.save("postmark", "")
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "another.key"
    shown = text(console.get(f"{PAGE}postmark/"))
    assert "change the address and paste the new one at Postmark" in shown
    console.post(f"{PAGE}postmark/renew/")
    assert "/api/mail/events/postmark/" in text(console.get(f"{PAGE}postmark/"))
    assert EventSource.objects.get().token_digest != before.token_digest
