"""The help page filters as you type, and other pages link to their chapter, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Chromium

pytestmark = pytest.mark.real


def test_help_filters_as_one_types_and_a_page_leads_to_its_chapter(chromium: Chromium) -> None:
    page = chromium.page("/admin/expected/")
    page.get_by_role("link", name="Help", exact=True).and_(page.locator(".h-link")).click()
    expect(page.locator("#expected-reports")).to_be_in_viewport()
    page.get_by_role("searchbox", name="Search symptoms").fill("sendgrid apikey")
    expect(page.get_by_text("Create SMTP credentials at the provider")).to_be_visible()
    expect(page.locator("#certificates")).to_be_hidden()
    expect(page.get_by_role("status").filter(has_text="of")).to_contain_text("1 of")
    page.get_by_role("searchbox").fill("no such symptom")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
