"""A row that is gone is the console's 404 page, not a 500."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from quazzar.errors import NotFound, RelayNotConfigured
from quazzar.urls import handler404
from quazzar.urls import urlpatterns as product

assert handler404


def gone(request: HttpRequest) -> HttpResponse:
    raise NotFound("There is no such mailbox.")


def other(request: HttpRequest) -> HttpResponse:
    raise RelayNotConfigured


urlpatterns = [path("gone", gone), path("other", other), *product]


def test_what_the_domain_does_not_find_is_a_404_page(client: Client, settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    response = client.get("/gone")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_other_errors_of_the_domain_are_not_hidden(client: Client, settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    client.raise_request_exception = False
    assert client.get("/other").status_code == 500
