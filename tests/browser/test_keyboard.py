"""The console without a mouse, on a wide and on a narrow screen; and a browser that holds pages to their policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, Chromium

pytestmark = pytest.mark.real

_FOCUSED = "document.activeElement.innerText || document.activeElement.ariaLabel || document.activeElement.id"


def walk(page: Page, most: int = 60) -> list[str]:
    """What Tab reaches, in order, until it is back at the beginning."""
    reached: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        reached.append(" ".join(page.evaluate(_FOCUSED).split()))
    return reached


def test_tab_reaches_the_skip_link_first_the_navigation_and_the_account(chromium: Chromium) -> None:
    page = chromium.page("/admin/mail-relay/")
    reached = walk(page)
    assert reached[0] == "Skip to the content"
    for end in ("Mail Relay", "Messages", "API keys", "Account of operator"):
        assert any(end in name for name in reached), (end, reached)


def test_the_skip_link_leads_past_the_navigation(chromium: Chromium) -> None:
    page = chromium.page("/admin/mail-relay/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Navigation")).to_be_focused()


def test_the_account_menu_opens_and_closes_by_keyboard_and_signs_out(chromium: Chromium) -> None:
    page = chromium.page("/admin/mail-relay/")
    account = page.get_by_role("button", name="Account of operator")
    expect(account).to_have_attribute("aria-expanded", "false")
    account.focus()
    page.keyboard.press("Enter")
    expect(account).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("link", name="Change password")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    dark = page.get_by_role("button", name="Dark")
    dark.focus()
    page.keyboard.press("Space")
    expect(dark).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="System").click()
    page.keyboard.press("Escape")
    expect(account).to_be_focused()
    expect(account).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("link", name="Change password")).to_be_hidden()


def test_on_a_phone_the_drawer_opens_by_keyboard_and_leads_on(chromium: Chromium) -> None:
    page = chromium.page("/admin/mail-relay/", PHONE)
    queue = page.get_by_role("link", name="Messages", exact=False).first
    drawer = page.locator("#drawer-button")
    expect(drawer).to_have_attribute("aria-expanded", "false")
    drawer.focus()
    page.keyboard.press("Enter")
    expect(drawer).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("button", name="Close the navigation")).to_be_focused()
    expect(queue).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_focused()
    expect(drawer).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the button that closes it
    expect(drawer).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    queue.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/mailrelay/message/")


def test_filters_open_by_keyboard(chromium: Chromium) -> None:
    page = chromium.page("/admin/quazzar/finding/")
    button = page.get_by_role("button", name="Filters")
    button.focus()
    page.keyboard.press("Enter")
    filters = page.get_by_role("dialog", name="Filters")
    expect(filters).to_be_visible()
    page.keyboard.press("Escape")
    expect(filters).to_be_hidden()
    expect(button).to_be_focused()


@pytest.mark.parametrize("path", ["/admin/mail-relay/", "/admin/mailrelay/message/", "/admin/auth/user/"])
def test_a_page_has_one_main_part_and_fits_a_phone(chromium: Chromium, path: str) -> None:
    page = chromium.page(path, PHONE)
    expect(page.get_by_role("main")).to_have_count(1)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


def test_the_browser_refuses_what_the_policy_forbids(chromium: Chromium) -> None:
    page = chromium.page("/admin/mail-relay/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    page.locator("img[src=x]").evaluate("image => image.decode().catch(() => null)")
    page.evaluate(
        "{ const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s); }"
    )
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in chromium.problems)
    chromium.problems.clear()
