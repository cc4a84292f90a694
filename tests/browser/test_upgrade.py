"""The lock card and the upgrade dialog in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.real

WALL = "Mail Relay requires Orbit Pro"


def open_dialog(page: Page) -> None:
    page.get_by_role("button", name="Upgrade").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def install(page: Page, text: str) -> None:
    page.get_by_label("Paste a licence").fill(text)
    page.get_by_role("button", name="Install licence").click()


def test_a_pasted_licence_unlocks_the_page_at_once(licence: str, tab: Page) -> None:
    expect(tab.get_by_role("heading", name=WALL)).to_be_visible()
    expect(tab.get_by_text("Relay settings")).to_have_count(0)
    open_dialog(tab)
    install(tab, licence)
    expect(tab.get_by_role("button", name="Save settings")).to_be_visible()
    expect(tab.get_by_text("The licence for Orbit Pro is in force.")).to_be_visible()


def test_a_bad_licence_is_refused_in_the_dialog_and_can_be_mended(licence: str, tab: Page) -> None:
    open_dialog(tab)
    install(tab, licence[:-20])
    expect(tab.locator("#id_license_error")).to_contain_text("licence")
    expect(tab.get_by_label("Paste a licence")).to_be_focused()
    expect(tab.get_by_label("Paste a licence")).to_have_value(licence[:-20])
    install(tab, licence)
    expect(tab.get_by_role("button", name="Save settings")).to_be_visible()


def test_escape_and_the_cross_close_the_dialog(licence: str, tab: Page) -> None:
    open_dialog(tab)
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_be_hidden()
    open_dialog(tab)
    tab.get_by_role("button", name="Close").click()
    expect(tab.get_by_role("dialog")).to_be_hidden()


def test_messages_are_behind_the_same_card(licence: str, tab: Page) -> None:
    tab.get_by_role("link", name="Messages").click()
    expect(tab.get_by_role("heading", name=WALL)).to_be_visible()


def test_an_open_page_notices_that_the_plan_lapsed(tab: Page, request: pytest.FixtureRequest) -> None:
    expect(tab.get_by_role("button", name="Save settings")).to_be_visible()
    request.getfixturevalue("licence")
    expect(tab.get_by_role("heading", name=WALL)).to_be_visible(timeout=60_000)


def test_the_plan_in_force_opens_the_dialog_too(tab: Page) -> None:
    tab.get_by_role("link", name="Orbit Pro").click()
    expect(tab.get_by_role("dialog").get_by_role("row", name="Orbit Pro")).to_contain_text("Current")
