"""A row that is gone is the console's 404 page, not a 500."""

from __future__ import annotations

from typing import Any

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


urlpatterns = [path("gone", gone), path("other", other), path("busy", busy), *product]


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
