"""Each page in Chromium: nothing that the policy refuses, no error, and nothing that shuts somebody out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import cycle
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Dialog, Error, Locator, Page, Playwright, ViewportSize, expect

from tests.browser.accessibility import faults
from tests.browser.chromium import ARGUMENTS, PHONE, WIDE, Chromium
from tests.live.console import Console

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: One of each kind: forms, lists, rows, tabs, dialogs as pages. The long run finds all of them by their links.
KINDS = (
    "/admin/",
    "/admin/mail-relay/",
    "/admin/mail-relay/mailboxes/",
    "/admin/mail-relay/mailboxes/domains/",
    "/admin/mail-relay/mailboxes/import/",
    "/admin/mail-relay/mailboxes/add/",
    "/admin/mail-relay/dns/",
    "/admin/mail-relay/dns/{domain}/",
    "/admin/mailrelay/message/",
    "/admin/quazzar/apikey/add/",
    "/admin/auth/user/add/",
    "/admin/quazzar/auditentry/",
    "/admin/tables/",
)
MODES: tuple[tuple[ViewportSize, str], ...] = (
    (WIDE, "light"),
    (PHONE, "dark"),
    (WIDE, "dark"),
    (PHONE, "light"),
)
TABLET: ViewportSize = {"width": 768, "height": 1024}


@pytest.fixture(scope="module")
def domain(node: Console) -> int:
    """A domain with a mailbox and an alias."""
    status, made = node.call("POST", "/api/mail/domains", {"name": "walked.test"})
    assert status == 201, made
    person = {"domain": made["id"], "local_part": "ada", "password": "fern-Otter-31-gravel"}
    assert node.call("POST", "/api/mail/mailboxes", person)[0] == 201
    alias = {"domain": made["id"], "local_part": "info", "destinations": ["ada@walked.test"]}
    assert node.call("POST", "/api/mail/aliases", alias)[0] == 201
    return int(made["id"])


def show(page: Page, size: ViewportSize, theme: str) -> None:
    """From the next page on."""
    page.set_viewport_size(size)
    page.evaluate("theme => localStorage.setItem('adminTheme', JSON.stringify(theme))", theme)


def test_pages_of_each_kind_are_open_to_everybody(
    chromium: Chromium, domain: int, subtests: pytest.Subtests
) -> None:
    page = chromium.page("/admin/")
    chromium.errors.clear()
    for path, (size, theme) in zip(KINDS, cycle(MODES), strict=False):
        show(page, size, theme)
        page.goto(chromium.url + path.format(domain=domain))
        with subtests.test(path):
            assert not faults(page)
            assert not chromium.errors
    show(page, WIDE, "auto")


def test_every_page_is_open_to_everybody(chromium: Chromium, domain: int, subtests: pytest.Subtests) -> None:
    page = chromium.page("/admin/")
    paths = linked(chromium, page)
    chromium.errors.clear()
    assert len(paths) > 60
    for size, theme in (*MODES, (TABLET, "light")):
        show(page, size, theme)
        for path in paths:
            page.goto(chromium.url + path)
            with subtests.test(f"{path} {size['width']} {theme}"):
                assert not faults(page)
                assert not chromium.errors
            chromium.errors.clear()
    show(page, WIDE, "auto")


def linked(chromium: Chromium, page: Page) -> list[str]:
    """The path of every page that links lead to from the first one; of rows one of each kind."""
    found: dict[str, str] = {}
    waiting = ["/admin/"]
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"\d+", "N", path)
        if kind in found:
            continue
        found[kind] = ""
        try:
            answer = page.goto(chromium.url + path)
        except Error:
            continue  # a download
        if answer is None or "text/html" not in answer.headers.get("content-type", ""):
            continue
        assert answer.status == 200, path
        found[kind] = path
        for link in page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))"):
            whole = urljoin(chromium.url + path, link)
            if whole.startswith(f"{chromium.url}/admin/"):
                waiting.append(urlsplit(whole).path)
    return [path for path in found.values() if path]


def test_leaving_a_form_asks_first_while_something_is_not_saved(chromium: Chromium) -> None:
    page = chromium.page("/admin/mail-relay/")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    host = page.get_by_label("Host", exact=True)
    before = host.input_value()
    host.fill("unsaved.example.com")
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Relay settings")
    assert asked == ["beforeunload"]
    host.fill(before)
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    assert asked == ["beforeunload"]


def test_times_are_in_the_zone_of_the_browser_also_in_parts_that_come_later(
    signed_in: Chromium, driver: Playwright
) -> None:
    state = signed_in.context.storage_state()
    with driver.chromium.launch(executable_path=signed_in.program, args=list(ARGUMENTS)) as browser:
        page = browser.new_context(timezone_id="Asia/Kolkata", storage_state=state).new_page()
        page.goto(f"{signed_in.url}/admin/tables/")
        now = datetime.now(UTC)
        page.evaluate(
            """now => document.querySelector("main").insertAdjacentHTML("beforeend",
            `<time id="now" data-form="moment" datetime="${now}">UTC</time>
            <time id="day" data-form="day" datetime="2026-03-01T20:00:00+00:00">01 Mar 2026</time>`)""",
            now.isoformat(),
        )
        expect(page.locator("#now")).to_have_text(f"{now + timedelta(hours=5, minutes=30):%H:%M}")
        expect(page.locator("#day")).to_have_text("02 Mar 2026")


def test_a_mailbox_is_added_by_keyboard_alone(chromium: Chromium, domain: int) -> None:
    page = chromium.page("/admin/mail-relay/mailboxes/list/")
    add = page.get_by_role("link", name="Add mailbox")
    dialog = page.get_by_role("dialog")
    tab_to(page, add)
    page.keyboard.press("Enter")
    address = dialog.get_by_label("Address", exact=True)
    expect(address).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(add).to_be_focused()
    page.keyboard.press("Enter")
    expect(address).to_be_focused()
    page.keyboard.type("grace")
    tab_to(page, dialog.get_by_role("button", name="Generate"))
    page.keyboard.press("Enter")
    tab_to(page, dialog.get_by_role("button", name="Add mailbox"))
    page.keyboard.press("Enter")
    done = dialog.get_by_role("link", name="Done")
    expect(done).to_be_visible()
    tab_to(page, done)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    tab_to(page, page.get_by_role("link", name="Edit grace@walked.test"))
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading", name="grace@walked.test")).to_be_visible()


def tab_to(page: Page, wanted: Locator, most: int = 60) -> None:
    """Press Tab until the element has the focus, which must be visible."""
    for _ in range(most):
        if wanted.evaluate("element => element === document.activeElement"):
            outline = wanted.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline != "none", "the focus cannot be seen"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted}")
