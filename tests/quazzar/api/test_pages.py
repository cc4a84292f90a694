"""The browsable API: every endpoint is a page for an operator who is signed in, also those that can only be sent to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any, ClassVar

import pytest
from django.test import Client
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient

from mailboxes.models import Mailbox
from mailrelay.models import Message
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import SEE_QUEUE
from quazzar.urls import urlpatterns as product
from tests.quazzar.api.rows import with_rows
from tests.quazzar.api.test_routes import METHODS, ROUTES

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
#: A page of its own.
DOCS = "/api/docs"
pytestmark = pytest.mark.django_db


class Broken(ApiViewSet):
    rights: ClassVar = {"list": SEE_QUEUE}

    def list(self, request: Request) -> Response:
        raise RuntimeError("s3cret")


urlpatterns = [path("api/mail/broken", Broken.as_view({"get": "list"})), *product]


@pytest.fixture
def browser(client: Client, operator: Any) -> Client:
    """Signed in, and asking for pages."""
    client.force_login(operator)
    client.defaults["HTTP_ACCEPT"] = HTML["accept"]
    return client


class Page(HTMLParser):
    """What a test looks at: forms by method with their bodies, links, and whether an answer is shown."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        assert response["Content-Type"].startswith("text/html"), response["Content-Type"]
        self.text = response.content.decode()
        self.bodies: dict[str, str | None] = {}
        self.examples: dict[str, list[str]] = {}
        self.links: set[str] = set()
        self.files = self.answers = 0
        self._form = ""
        self._in_body = False
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._form = given.get("data-method") or ""
            if self._form:
                self.bodies[self._form] = None
        self._in_body = tag == "textarea"
        if tag == "textarea":
            self.bodies[self._form] = ""
        if "data-body" in given:
            self.examples.setdefault(self._form, []).append(given["data-body"] or "")
        self.links |= {given["href"] or ""} if tag == "a" and "href" in given else set()
        self.files += given.get("type") == "file"
        self.answers += given.get("id") == "answer" or "endpoints" in (given.get("class") or "")

    def handle_data(self, data: str) -> None:
        if self._in_body:
            self.bodies[self._form] = (self.bodies[self._form] or "") + data


@pytest.mark.slow
@pytest.mark.parametrize(("address", "view"), [route for route in ROUTES if route[0] != DOCS])
def test_every_route_is_a_page_with_what_can_be_done_there(
    browser: Client, rows: dict[str, int], address: str, view: Any
) -> None:
    response = browser.get(with_rows(address, rows))
    assert response.status_code == 200
    page = Page(response)
    assert page.answers == hasattr(view, "get")
    assert page.bodies.keys() == {method.upper() for method in METHODS[1:] if hasattr(view, method)}
    for method, body in page.bodies.items():
        if body is not None and not page.files:
            for example in [body, *page.examples.get(method, [])]:
                assert isinstance(json.loads(unescape(example)), dict)


@pytest.mark.slow
@pytest.mark.parametrize(("address", "view"), ROUTES)
def test_options_describe_every_route_also_where_there_is_no_row(
    browser: Client, rows: dict[str, int], address: str, view: Any
) -> None:
    for route in {with_rows(address, rows), with_rows(address, {}).replace("/1", "/999999")}:
        answer = browser.options(route)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json"), route


def test_the_page_is_the_consoles(browser: Client) -> None:
    page = Page(browser.get("/api/mail/mailboxes"))
    assert {"/admin/", "/api/", "/api/mail/", "/api/docs"} <= page.links
    assert 'action="/admin/logout/"' in page.text
    assert "quazzar/api.css" in page.text
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//(?!testserver)", page.text)


@pytest.mark.slow
def test_a_list_leads_to_its_rows_and_to_its_next_page(browser: Client, rows: dict[str, int]) -> None:
    page = Page(browser.get("/api/mail/domains?search=example"))
    number = rows["/api/mail/domains/"]
    assert f"/api/mail/domains/{number}" in page.links
    assert f"/api/mail/domains/{number}/dns" in Page(browser.get(f"/api/mail/domains/{number}")).links
    deleted = rows["/api/mail/mailboxes/1/restore"]
    assert f"/api/mail/mailboxes/{deleted}/restore" in Page(browser.get("/api/mail/mailboxes/deleted")).links
    Mailbox.objects.filter(pk=deleted).update(deleted_at=None)
    first = Page(browser.get("/api/mail/mailboxes?page_size=1&enabled=true"))
    assert "http://testserver/api/mail/mailboxes?enabled=true&amp;page=2&amp;page_size=1" in first.text
    assert "<option selected>true</option>" in first.text


def test_a_row_that_does_not_exist_has_no_page_of_things_to_send(browser: Client) -> None:
    for address in (
        "/api/mail/messages/99/retry",
        "/api/mail/mailboxes/99",
        "/api/mail/domains/99/dns/publisher",
    ):
        response = browser.get(address)
        page = Page(response)
        assert (response.status_code, page.bodies) == (404, {}), address
        assert "does not exist." in page.text


def test_a_row_that_is_deleted_from_its_page_has_nothing_more_to_send(
    browser: Client, rows: dict[str, int]
) -> None:
    number = rows["/api/mail/suppressions/"]
    page = Page(browser.delete(f"/api/mail/suppressions/{number}"))
    assert "204 No Content" in page.text
    assert page.bodies == {}


def test_the_import_takes_a_file_or_text(browser: Client) -> None:
    page = Page(browser.get("/api/mail/mailboxes/import"))
    assert page.files == 1
    assert (page.bodies["POST"] or "").startswith("address,password")


def test_a_change_begins_with_what_is_stored_and_never_with_a_password(
    browser: Client, rows: dict[str, int]
) -> None:
    Mailbox.objects.update(password_hash="{ARGON2ID}s3cret", quota_mb=7)
    page = Page(browser.get(f"/api/mail/mailboxes/{rows['/api/mail/mailboxes/']}"))
    stored = json.loads(unescape(page.bodies["PUT"] or ""))
    assert (stored["quota_mb"], stored["password"]) == (7, "")
    assert json.loads(unescape(page.bodies["PATCH"] or "")) == stored
    assert "id" not in stored and "s3cret" not in page.text


@pytest.mark.slow
def test_what_an_answer_holds_is_text_and_no_markup(browser: Client, rows: dict[str, int]) -> None:
    evil = '"><script>alert(1)</script>'
    Mailbox.objects.update(display_name=evil)
    Message.objects.update(subject=evil)
    for address in ("/api/mail/mailboxes", "/api/mail/messages", with_rows("/api/mail/mailboxes/1", rows)):
        assert "<script>alert" not in Page(browser.get(address)).text
    assert "<script>alert" not in Page(browser.get("/api/mail/messages", {"search": evil})).text
    assert "<script>alert" not in Page(browser.get(f"/api/mail/{evil}")).text


# --- errors ------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_errors_keep_the_frame_and_say_what_json_says(
    browser: Client, api: APIClient, rows: dict[str, int]
) -> None:
    domain = with_rows("/api/mail/domains/1", rows)
    for method, address, body, status in [
        ("post", "/api/mail/mailboxes", b'{"nope": 1}', 400),
        ("post", "/api/mail/mailboxes", b"{", 400),
        ("get", "/api/mail/mailboxes/999", b"", 404),
        ("get", "/api/mail/nothing", b"", 404),
        ("get", "/api/nothing", b"", 404),
        ("delete", "/api/mail/mailboxes", b"", 405),
        ("post", "/api/mail/domains", b'{"name": "example.com"}', 409),
        ("delete", domain, b"", 409),
        ("get", "/api/mail/mailboxes?ordering=nope", b"", 400),
    ]:
        shown = browser.generic(method.upper(), address, body, content_type="application/json")
        told = api.generic(
            method.upper(),
            address,
            body,  # type: ignore[arg-type]  # bytes are as good
            content_type="application/json",
        )
        assert (shown.status_code, told.status_code) == (status, status), address
        assert told["Content-Type"] == "application/json"
        page = Page(shown)
        assert told.json()["error"] in page.text and "Quazzar console" in page.text


def test_the_lock_and_the_refusal_are_pages_without_forms(
    client: Client, operator: Any, outsider: Any, plan: Any
) -> None:
    plan("community")
    for user, status in [(operator, 402), (outsider, 403)]:
        client.force_login(user)
        response = client.get("/api/mail/mailboxes", headers=HTML)
        assert response.status_code == status
        page = Page(response)
        assert not page.bodies
        plan("pro")


def test_a_fault_of_the_node_is_json_because_the_frame_might_be_broken_too(
    browser: Client, settings: Any
) -> None:
    settings.ROOT_URLCONF = __name__
    browser.raise_request_exception = False
    response = browser.get("/api/mail/broken")
    assert (response.status_code, response["Content-Type"]) == (500, "application/json")
    assert response.json()["error"] == "internal_error"


def test_a_missing_csrf_token_is_told_in_the_frame(operator: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    response = client.post("/api/mail/domains", b"{}", content_type="application/json", headers=HTML)
    assert response.status_code == 403
    assert "X-CSRFToken" in Page(response).text


# --- the lists of endpoints --------------------------------------------------------------------------------
def listed(response: Any) -> dict[str, Any]:
    return {each["path"]: each for each in response.json()}


def test_the_index_lists_what_there_is_with_links(api: APIClient) -> None:
    top = listed(api.get("/api/"))
    assert top.keys() == {"/api/billing/upgrade", "/api/docs", "/api/mail/", "/api/schema"}
    assert top["/api/billing/upgrade"]["url"] == "http://testserver/api/billing/upgrade"
    mail = listed(api.get("/api/mail/"))
    assert "/api/mail/" not in mail
    assert mail.keys() | top.keys() == {re.sub(r"/1(?=/|$)", "/{id}", address) for address, _ in ROUTES} - {
        "/api/"
    }
    assert mail["/api/mail/domains/{id}/dns"]["url"] is None
    assert mail["/api/mail/relay"]["methods"].keys() == {"GET", "PUT", "PATCH", "DELETE"}
    assert all(sentence for each in mail.values() for sentence in each["methods"].values())


@pytest.mark.parametrize("address", ["/api/", "/api"])
def test_the_index_is_for_staff_on_any_plan(
    client: Client, api: APIClient, outsider: Any, client_with: Any, plan: Any, address: str
) -> None:
    plan("community")
    assert client.get(address).status_code == 401
    assert client_with(outsider).get(address).status_code == 403
    assert api.get(address).status_code == 200
    assert api.post(address).status_code == 405


def test_the_index_of_mail_is_behind_the_gate(client: Client, api: APIClient, plan: Any) -> None:
    plan("community")
    assert client.get("/api/mail/").status_code == 401
    assert api.get("/api/mail/").status_code == 402
    plan("pro")
    assert api.get("/api/mail/").status_code == 200
    assert api.delete("/api/mail/").status_code == 405


@pytest.fixture(autouse=True)
def _quiet(caplog: Any) -> Iterator[None]:
    caplog.set_level("CRITICAL", "django.request")
    yield
