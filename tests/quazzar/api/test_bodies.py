"""Bodies that are too large: refused by their length, before they are read, and after what is said first."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from mailrelay.models import Message, RelaySettings
from tests import rolespage
from tests.quazzar.api.rows import with_rows

MIB = 1024 * 1024
#: Calls whose body may have 40 MiB.
MAIL = {
    ("POST", "/api/mail/messages"),
    ("POST", "/api/mail/mailboxes/import"),
    ("POST", "/api/mail/dns/reports"),
}
CALLS = [call for call in rolespage.calls() if call[1] in ("POST", "PUT", "PATCH", "DELETE")]


class Unread:
    """A body that nobody may read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("it was read")

    readline = read


def send(client: Any, method: str, address: str, length: int, kind: str = "application/json") -> Any:
    """A request that says how long its body is, but has none to read."""
    environ: Any = {"CONTENT_LENGTH": str(length), "wsgi.input": Unread()}
    return client.generic(method, address, "", content_type=kind, **environ)


def chunked(client: Any, address: str, body: bytes, kind: str = "application/json") -> Any:
    """A request whose body comes in chunks, as gunicorn passes it on: without a length, and with an end."""
    environ: Any = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    return client.generic("POST", address, "", content_type=kind, HTTP_TRANSFER_ENCODING="chunked", **environ)


@pytest.mark.slow
def test_a_body_over_its_limit_is_413_and_not_read(
    api: APIClient, rows: dict[str, int], subtests: pytest.Subtests
) -> None:
    for path, method, _ in CALLS:
        limit = 40 * MIB if (method, path) in MAIL else MIB
        with subtests.test(f"{method} {path}"):
            told = send(api, method, with_rows(path.replace("{id}", "1"), rows), limit + 1)
            assert (told.status_code, told.json()["error"]) == (413, "too_large")


def test_what_is_said_before_is_said_before(
    api: APIClient, client_with: Any, operator: User, plan: Any
) -> None:
    too_large = 41 * MIB
    assert send(APIClient(), "POST", "/api/mail/messages", too_large).status_code == 401
    assert send(client_with(operator, "mail:read"), "POST", "/api/mail/alerts", too_large).status_code == 403
    assert send(api, "PUT", "/api/mail/domains/99", too_large).status_code == 404
    assert send(api, "DELETE", "/api/mail/alerts", too_large).status_code == 405
    assert send(api, "POST", "/api/mail/nothing", too_large).status_code == 404
    plan("community")
    assert send(api, "POST", "/api/mail/messages", too_large).status_code == 402


def test_a_length_of_very_many_digits_is_only_large(api: APIClient) -> None:
    assert send(api, "POST", "/api/mail/alerts", 10**400).status_code == 413


@pytest.mark.slow
def test_a_body_in_chunks_counts_and_is_bounded(api: APIClient, relay: RelaySettings) -> None:
    mail = b'{"to": ["ops@example.com"], "subject": "Hello", "text": "%s"}'
    assert chunked(api, "/api/mail/messages", mail % (b"x" * 2 * MIB)).status_code == 202
    assert Message.objects.get().subject == "Hello"
    assert chunked(api, "/api/mail/alerts", b'{"rule": "Disk"}').status_code == 202
    told = chunked(api, "/api/mail/alerts", b'{"rule": "Disk", "summary": "%s"}' % (b"x" * MIB))
    assert (told.status_code, told.json()["error"]) == (413, "too_large")
    assert chunked(api, "/api/mail/messages", b"x" * (40 * MIB + 1)).status_code == 413


def test_a_form_of_the_console_is_bounded_too_but_an_import_may_be_large(operator: User) -> None:
    """Also the first one, which strangers can send."""
    kind = "application/x-www-form-urlencoded"
    console = Client()
    assert send(console, "POST", "/admin/login/", MIB + 1, kind).status_code == 413
    console.force_login(operator)
    for path in ("mail-relay/", "mail-relay/mailboxes/add/", "auth/user/add/", "quazzar/apikey/add/"):
        told = send(console, "POST", f"/admin/{path}", MIB + 1, kind)
        assert told.status_code == 413 and "1 MiB" in told.content.decode()
    imports = "/admin/mail-relay/mailboxes/import/check/"
    assert send(console, "POST", imports, 40 * MIB + 1, kind).status_code == 413
    answer = console.post(imports, {"file": BytesIO(b"x" * 2 * MIB)})
    assert answer.status_code == 200


@pytest.mark.slow
def test_of_very_many_alerts_the_first_are_read_and_the_rest_counted(
    api: APIClient, relay: RelaySettings
) -> None:
    relay.alert_recipients = ["ops@example.com"]
    relay.save()
    alerts = [{"status": "firing", "labels": {"alertname": f"a{number}"}} for number in range(5000)]
    assert api.post("/api/mail/alerts", {"alerts": alerts, "truncatedAlerts": 7}).status_code == 202
    body = Message.objects.get().body
    assert body is not None and "4907 more" in str(body.reveal())


@pytest.mark.slow
def test_of_very_many_details_the_first_are_written_out(api: APIClient, relay: RelaySettings) -> None:
    details = {f"key {number}": {"of": number} for number in range(20_000)}
    assert api.post("/api/mail/alerts", {"rule": "Disk", "details": details}).status_code == 202
