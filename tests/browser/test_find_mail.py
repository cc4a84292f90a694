"""Find mail in a real browser: searched by keyboard, a journey from the list, in each width and theme."""

from __future__ import annotations

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser.accessibility import faults
from tests.browser.chromium import PHONE, WIDE, Chromium
from tests.live.console import Console

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: Run in the node, which has the tests on its path as a checkout does.
STORE = (
    "from tests.mailboxes.maillog import records; from mailboxes.maillog.filing import store; "
    "store(records.events())"
)
HUGE: ViewportSize = {"width": 1920, "height": 1080}


@pytest.fixture(scope="module")
def recorded(node: Console) -> None:
    """The recorded journeys are in the node's database."""
    node.manage("shell", "-c", STORE)


def test_the_mail_is_found_and_its_journey_told(chromium: Chromium, recorded: None) -> None:
    page = chromium.page("/admin/")
    page.get_by_role("link", name="Find mail").click()
    page.get_by_role("searchbox").fill("nobody@hard.test")
    page.keyboard.press("Enter")
    row = page.get_by_role("row").filter(has_text="nobody@hard.test")
    expect(row).to_contain_text("Bounced")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Journey")).to_be_visible()
    expect(page.locator("#journey")).to_contain_text("Not deliverable to nobody@hard.test")
    expect(page.locator("#journey")).to_contain_text("Non-delivery report queued for the sender")
    page.get_by_role("link", name="Find mail").first.click()
    expect(page.get_by_role("searchbox")).to_be_visible()


def test_on_a_phone_the_chosen_tab_is_in_view_also_after_the_list_refreshes(
    chromium: Chromium, recorded: None
) -> None:
    page = chromium.page("/admin/find-mail/?tab=connections", PHONE)
    chosen = page.locator(".x-tabs [aria-current]")
    expect(chosen).to_be_in_viewport(ratio=1)
    page.evaluate("document.querySelector('.x-tabs').scrollLeft = 0")
    page.evaluate("htmx.trigger('#list', 'htmx:afterSwap', { target: document.getElementById('list') })")
    expect(chosen).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(
    ("size", "theme"), [(WIDE, "light"), (PHONE, "dark"), (PHONE, "light"), (HUGE, "dark")]
)
def test_both_pages_are_open_to_everybody(
    chromium: Chromium, recorded: None, size: ViewportSize, theme: str
) -> None:
    page = chromium.page("/admin/")
    page.set_viewport_size(size)
    page.evaluate("theme => localStorage.setItem('adminTheme', JSON.stringify(theme))", theme)
    for name, path in (
        ("list", "?q="),
        ("failed", "?tab=failed"),
        ("connections", "?tab=connections"),
        ("none", "?q=nothing"),
    ):
        page.goto(f"{chromium.url}/admin/find-mail/{path}")
        assert not faults(page), name
    page.goto(f"{chromium.url}/admin/find-mail/?q=62E4217E534")
    page.locator("#list tbody a").first.click()
    expect(page.get_by_role("heading", name="Journey")).to_be_visible()
    assert not faults(page)
    page.evaluate("localStorage.setItem('adminTheme', JSON.stringify('auto'))")
