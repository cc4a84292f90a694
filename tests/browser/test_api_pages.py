"""The browsable API in a real browser: every endpoint opens, and what is sent from a page is answered on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.browser import accessibility
from tests.browser.chromium import PHONE, Chromium
from tests.live.console import Console
from tests.quazzar.api.test_routes import ROUTES

pytestmark = pytest.mark.real

MAILBOXES = "/api/mail/mailboxes"


@pytest.fixture(scope="module")
def rows(node: Console) -> Iterator[dict[str, int]]:
    """The beginning of a route → the id of a row that is there."""
    made: dict[str, int] = {}
    domain = node.call("POST", "/api/mail/domains", {"name": "pages.example"})[1]["id"]
    made["/api/mail/domains/"] = domain
    for name in ("ada", "gone"):
        made[name] = node.call("POST", MAILBOXES, {"domain": domain, "local_part": name})[1]["id"]
    node.call("DELETE", f"{MAILBOXES}/{made['gone']}")
    made[f"{MAILBOXES}/1/restore"], made[f"{MAILBOXES}/"] = made.pop("gone"), made.pop("ada")
    alias = {"domain": domain, "local_part": "info", "destinations": ["ada@pages.example"]}
    made["/api/mail/aliases/"] = node.call("POST", "/api/mail/aliases", alias)[1]["id"]
    node.use_relay(9)
    made["/api/mail/messages/"] = node.send("box@inbox.test")
    suppressed = node.call("POST", "/api/mail/suppressions", {"address": "gone@pages.example"})[1]
    made["/api/mail/suppressions/"] = suppressed["id"]
    for path, fields in (
        ("proofs", {"way": "relay", "to": "box@inbox.test"}),
        ("inboxes", {"host": "imap.inbox.test", "username": "a", "password": "b", "enabled": False}),
        ("webhooks", {"provider": "postmark"}),
    ):
        status, answer = node.call("POST", f"/api/mail/{path}", fields)
        assert status == 201, answer
        made[f"/api/mail/{path}/"] = answer["id"]
    job = node.exchange(
        "POST", f"{MAILBOXES}/import", b"address\nnew@pages.example\n", **{"Content-Type": "text/csv"}
    )
    made[f"{MAILBOXES}/import/"] = int(re.findall(rb"\d+", job[1])[0])
    yield made
    for path in ("suppressions", "inboxes", "webhooks"):
        node.call("DELETE", f"/api/mail/{path}/{made[f'/api/mail/{path}/']}")
    for path in ("aliases", "mailboxes"):
        for row in node.get(f"/api/mail/{path}")[1]["results"]:
            node.call("DELETE", f"/api/mail/{path}/{row['id']}")
    node.call("DELETE", f"/api/mail/domains/{domain}")


def address(route: str, rows: dict[str, int]) -> str:
    starts = sorted((start for start in rows if route.startswith(start)), key=len)
    return re.sub(r"/1(?=/|$)", f"/{rows[starts[-1]]}", route) if starts else route


def test_every_route_opens_in_its_frame_without_an_error(
    chromium: Chromium, node: Console, rows: dict[str, int]
) -> None:
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # The logs ask Docker, which may be missing here, and no mail was followed in them: that is an answer too.
        said_on = message.location["url"]
        if message.type == "error" and "503 (Service" not in message.text and "/journeys/" not in said_on:
            said.append(f"{message.text} at {said_on}")

    page = chromium.page("/api/")
    page.on("console", note)
    for route, _ in ROUTES:
        page.goto(node.url(address(route, rows)))
        expect(page.get_by_role("link", name="Quazzar console")).to_be_visible()
        if route == "/api/docs":
            expect(page.locator(".opblock").first).to_be_visible()
        else:
            expect(page.get_by_role("button", name="Sign out")).to_be_visible()
            expect(page.locator("#answer, .endpoints, form.send").first).to_be_visible()
    assert said == []


@pytest.fixture
def mailboxes(chromium: Chromium, rows: dict[str, int]) -> Page:
    return chromium.page(MAILBOXES)


def send(page: Page, method: str, body: str | None = None) -> None:
    form = page.get_by_role("form", name=method)
    if body is not None:
        form.get_by_role("textbox").fill(body)
    form.get_by_role("button", name=method).click()


def test_what_is_wrong_is_said_in_the_frame_and_what_was_typed_is_kept(
    mailboxes: Page, rows: dict[str, int]
) -> None:
    typed = f'{{"domain": {rows["/api/mail/domains/"]}, "local_part": "a b"}}'
    send(mailboxes, "POST", typed)
    expect(mailboxes.get_by_text("400 Bad Request")).to_be_visible()
    expect(mailboxes.get_by_text("cannot be used before the @")).to_be_visible()
    expect(mailboxes.get_by_role("form", name="POST").get_by_role("textbox")).to_have_value(typed)


def test_a_mailbox_is_added_changed_and_deleted_from_pages(mailboxes: Page, rows: dict[str, int]) -> None:
    send(mailboxes, "POST", f'{{"domain": {rows["/api/mail/domains/"]}, "local_part": "page"}}')
    expect(mailboxes.get_by_text("201 Created")).to_be_visible()
    mailboxes.locator("#answer .key", has_text='"id"').locator("+ a").click()
    send(mailboxes, "PATCH", '{"quota_mb": 77}')
    expect(mailboxes.locator("#answer")).to_contain_text('"quota_mb": 77')
    mailboxes.on("dialog", lambda dialog: dialog.accept())
    send(mailboxes, "DELETE")
    expect(mailboxes.locator("#answer .line").first).to_contain_text("DELETE")
    expect(mailboxes.locator("#answer")).to_contain_text("No content.")


def test_a_csv_file_is_imported(chromium: Chromium, rows: dict[str, int]) -> None:
    page = chromium.page(f"{MAILBOXES}/import?dry_run=true")
    file = {"name": "some.csv", "mimeType": "text/csv", "buffer": b"address\nfile@pages.example\n"}
    page.get_by_label("A file").set_input_files(file)  # type: ignore[arg-type]
    send(page, "POST")
    expect(page.locator("#answer")).to_contain_text('"rows": 1')


def test_another_example_can_be_chosen(chromium: Chromium) -> None:
    page = chromium.page("/api/mail/alerts")
    page.get_by_label("Start with").select_option("Alertmanager")
    expect(page.get_by_role("textbox")).to_have_value(re.compile("groupKey"))


@pytest.mark.parametrize("path", ["/api/mail/", MAILBOXES, "/api/mail/alerts", "/api/mail/nothing"])
def test_a_page_fits_a_phone_and_is_dark_where_the_system_is(chromium: Chromium, path: str) -> None:
    page = chromium.page(path, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_one_signs_out_from_a_page(node: Console, driver: object) -> None:
    with Chromium(node.url(""), driver) as another:  # type: ignore[arg-type]
        another.sign_in("operator", "open-sesame-42").close()
        page = another.page("/api/")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/admin/logout/")
        page.goto(node.url("/api/"))
        expect(page.get_by_text("not_authenticated")).to_be_visible()


def test_the_documentation_looks_like_the_console_and_leads_back_to_it(chromium: Chromium) -> None:
    page = chromium.page("/api/docs")
    page.evaluate("localStorage.setItem('adminTheme', JSON.stringify('dark'))")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("API documentation")
    expect(page.locator(".opblock").first).to_be_visible()
    faults = accessibility.faults(page)
    assert not [fault for fault in faults if "(serious)" in fault or "(critical)" in fault]
    relay = page.locator(".opblock-get").filter(has=page.locator("[data-path='/api/mail/relay']"))
    relay.locator(".opblock-summary-control").click()
    relay.get_by_role("button", name="Try it out").click()
    relay.get_by_role("button", name="Execute").click()
    expect(relay.locator(".live-responses-table").get_by_text("200", exact=True)).to_be_visible()
    backgrounds = page.eval_on_selector_all(
        "html, .bar, .swagger-ui select, .swagger-ui input",
        "all => all.map(each => getComputedStyle(each).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number))",
    )
    assert max(map(max, backgrounds)) < 80
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (chromium.problems, chromium.outside) == ([], [])
    page.get_by_role("link", name="Quazzar console").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    page.evaluate("localStorage.removeItem('adminTheme')")
