"""What a view did not catch: rows that are gone, a busy node, and requests of somebody who is no longer signed in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from quazzar.errors import NotFound, RelayNotConfigured, TooBusy
from quazzar.urls import handler404
from quazzar.urls import urlpatterns as product

assert handler404


def gone(request: HttpRequest) -> HttpResponse:
    raise NotFound("This mailbox does not exist.")


def other(request: HttpRequest) -> HttpResponse:
    raise RelayNotConfigured


def busy(request: HttpRequest) -> HttpResponse:
    raise TooBusy


def locked(request: HttpRequest) -> HttpResponse:
    raise OperationalError("database is locked")


urlpatterns = [
    path("gone", gone),
    path("other", other),
    path("busy", busy),
    path("locked", locked),
    *product,
]


def test_what_the_domain_does_not_find_is_a_404_page(client: Client, settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    response = client.get("/gone")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_other_errors_of_the_domain_are_not_hidden(client: Client, settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    client.raise_request_exception = False
    assert client.get("/other").status_code == 500


def test_a_busy_node_says_when_to_try_again(client: Client, settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    response = client.get("/busy")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Try again in a few seconds." in response.content.decode()


def test_a_locked_database_is_named_on_the_page_and_in_the_log(
    client: Client, settings: Any, caplog: pytest.LogCaptureFixture, db: None
) -> None:
    settings.ROOT_URLCONF = __name__
    response = client.get("/locked")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "The database did not answer, so nothing was changed." in response.content.decode()
    assert "database is locked" in caplog.text


def test_a_refresh_after_signing_out_gets_no_sign_in_page(client: Client, db: None) -> None:
    """htmx would follow Django's redirect, and put the sign-in page into the list of entries."""
    answer = client.get("/admin/quazzar/auditentry/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Trigger"]) == (401, "console-signed-out")
    assert client.get("/admin/quazzar/auditentry/").status_code == 302


def test_a_form_that_was_sent_after_signing_out_is_not_lost_in_silence(client: Client, db: None) -> None:
    lost = "You were signed out before you sent the form, so nothing was changed."
    for page in ("/admin/mail-relay/", "/admin/quazzar/apikey/add/"):
        assert lost in client.post(page, {"host": "smtp.example.com"}, follow=True).content.decode()
    assert lost not in client.get("/admin/mail-relay/", follow=True).content.decode()


def test_nul_in_an_address_is_a_bad_request(client: Client, operator: User) -> None:
    """PostgreSQL cannot search for it; a page has no field in which somebody could type it."""
    client.force_login(operator)
    for page in ("/admin/mailrelay/message/?q=%00", "/admin/quazzar/auditentry/?who=user:%00"):
        assert client.get(page).status_code == 400


def test_values_that_no_row_can_have_are_bad_requests(client: Client, operator: User) -> None:
    """No form of ours sends them, and Django's own pages fail on them."""
    client.force_login(operator)
    huge = "9" * 20
    keys, person = "/admin/quazzar/apikey/", f"/admin/auth/user/{operator.pk}/change/"
    assert client.get(f"{keys}?q=x").status_code == 200
    for chosen in ("x", huge):
        values = {"action": "revoke_selected", "_selected_action": chosen}
        assert client.post(keys, values).status_code == 400
    assert client.post(person, {"username": "ada", "groups": huge}).status_code == 400
    assert client.get("/admin/dnsrecords/recordcheck/?since=0001-01-01T00:00:00%2B14:00").status_code == 400
