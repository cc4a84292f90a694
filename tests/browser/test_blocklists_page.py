"""The page of blocklists, against lists on a real name server."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import accessibility
from tests.browser.chromium import PHONE, Chromium
from tests.dnsrecords.blocklists.test_check import Lists
from tests.live.console import Console
from tests.rig.nameserver import Nameserver

pytestmark = [pytest.mark.real, pytest.mark.thorough]

PAGE = "/admin/mail-relay/dns/blocklists/"


def test_what_the_lists_say_is_shown_when_they_are_asked(
    node: Console, nameserver: Nameserver, chromium: Chromium, tmp_path: Path
) -> None:
    node.call("POST", "/api/mail/domains", {"name": "lists.test"})
    lists = Lists(nameserver)
    lists.put("dbl.spamhaus.org", "lists.test A 127.0.1.102")
    lists.zones["multi.surbl.org"] = ["* A 127.0.0.1"]
    lists.publish()
    chromium.page("/admin/mail-relay/dns/").get_by_role("link", name="Blocklists").click()
    page = chromium.page(PAGE)
    page.get_by_role("button", name="Check now").click()
    row = page.locator("tr", has_text="lists.test").filter(has_text="Spamhaus DBL").first
    expect(row).to_contain_text("Listed")
    expect(row).to_contain_text("A legitimate domain that is abused in spam")
    expect(page.locator("tr", has_text="SURBL")).to_contain_text("Refused")
    expect(page.locator(".r-advice")).to_contain_text("lists.test is on the blocklist Spamhaus DBL")
    faults = accessibility.faults(page)
    page.screenshot(path=tmp_path / "wide.png", full_page=True)
    page.emulate_media(color_scheme="dark")
    faults += accessibility.faults(page)
    phone = chromium.page(PAGE, PHONE)
    faults += accessibility.faults(phone)
    phone.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert faults == []
