"""The first alert: a line to paste with a new key in it, shown once, and whether the alert came."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from rest_framework.test import APIClient

from mailrelay.models import AlertState, Message, RelaySettings
from quazzar.models import ApiKey, AuditEntry
from tests.conftest import with_key

PAGE, RECEIVED = "/admin/first-alert/", "/admin/first-alert/received/"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def text(answer: Any) -> str:
    return unescape(answer.content.decode())


def since(page: str) -> str:
    found = re.search(r"received/\?since=([^\"]+)\"", page)
    assert found
    return found[1]


def test_reading_the_page_makes_no_key(console: Client, relay: RelaySettings) -> None:
    assert "YOUR_API_KEY" in text(console.get(PAGE))
    assert not ApiKey.objects.exists()


def test_the_key_in_the_line_sends_an_alert_and_nothing_else(console: Client, relay: RelaySettings) -> None:
    relay.alert_recipients = ["ops@example.com"]
    relay.save()
    answer = console.post(PAGE)
    assert "no-store" in answer["Cache-Control"]
    page = text(answer)
    assert "curl http://testserver/api/mail/alerts" in page
    key = re.search(r"qzr_\w+", page)
    assert key
    assert "Waiting for the alert" in text(console.get(f"{RECEIVED}?since={since(page)}"))
    api: APIClient = with_key(key[0])
    body = re.search(r"-d '(\{.*?\})'", page)
    assert body
    posted = api.post("/api/mail/alerts", body[1], content_type="application/json")
    assert (posted.status_code, posted.json()["delivery"]) == (202, "queued")
    assert api.get("/api/mail/messages").status_code == 403
    assert "is on its way" in text(console.get(f"{RECEIVED}?since={since(page)}"))
    Message.objects.update(status="sent")
    assert "was delivered" in text(console.get(f"{RECEIVED}?since={since(page)}"))


def test_the_key_is_shown_once_and_its_making_is_recorded(console: Client, relay: RelaySettings) -> None:
    page = text(console.post(PAGE))
    key = re.search(r"qzr_\w+", page)
    assert key
    assert key[0] not in text(console.get(PAGE))
    assert ApiKey.objects.get().scopes == ["mail:send"]
    assert AuditEntry.objects.filter(action="apikey.created").count() == 1


def test_without_a_recipient_the_page_says_that_alerts_are_only_logged(
    console: Client, relay: RelaySettings
) -> None:
    assert "Alerts are written to the log until" in text(console.get(PAGE))


def test_an_alert_that_failed_says_why(console: Client, relay: RelaySettings) -> None:
    page = text(console.post(PAGE))
    error = {"stage": "auth", "code": 535, "message": "Bad password"}
    message = Message.objects.create(status="retrying", message_id="<1@x>", last_error=error)
    AlertState.objects.create(key="k", digest="d", message=message)
    assert "could not be delivered: Bad password" in text(console.get(f"{RECEIVED}?since={since(page)}"))


def test_only_operators_who_may_send_get_a_line_and_keys_only_those_who_may_make_them(
    client: Client, other_staff: User, relay: RelaySettings
) -> None:
    client.force_login(other_staff)
    for role, read, made in (("Viewer", 403, 403), ("Sender", 200, 200)):
        other_staff.groups.set([Group.objects.get(name=role)])
        assert (client.get(PAGE).status_code, client.post(PAGE).status_code) == (read, made), role
