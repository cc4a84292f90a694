"""From a node without a relay to a delivered alert, by Home alone, with a real Postfix as the provider."""

from __future__ import annotations

import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Chromium
from tests.browser.test_relay_tab import fill_in, run_test, save
from tests.rig import wait_until
from tests.rig.postfix import RealPostfix

pytestmark = pytest.mark.real


def test_home_leads_from_no_relay_to_a_delivered_alert(chromium: Chromium, provider: RealPostfix) -> None:
    provider.clear()
    home = chromium.page("/admin/")
    relay = home.locator("[data-area=relay]")
    expect(relay).to_have_attribute("data-state", "off")
    relay.get_by_role("link", name="Set up a relay").click()
    fill_in(home, provider, provider.password)
    save(home)
    home.goto(home.url.partition("/admin/")[0] + "/admin/")
    expect(home.locator("#line")).not_to_contain_text("Mail works")
    home.locator("#line-link").click()
    assert run_test(home) == "ok ok ok ok ok ok ok ok"
    home.goto(home.url.partition("/admin/")[0] + "/admin/")
    expect(home.locator("#line")).to_contain_text("Mail works. Last delivery")
    expect(home.locator("[data-area=relay]")).to_have_attribute("data-state", "works", timeout=60_000)

    home.goto(home.url.partition("/admin/")[0] + "/admin/first-alert/")
    home.get_by_role("button", name="Make a key and fill it in").click()
    expect(home.locator("#received")).to_contain_text("Waiting for the alert")
    # A name that no other test's alert has, because the same news is only mailed once.
    line = home.locator("#snippet-curl-alert").inner_text().replace("Disk full", "First alert")
    pasted = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert b'"queued"' in pasted.stdout
    expect(home.locator("#received")).to_contain_text("was delivered", timeout=60_000)
    wait_until(lambda: any("First alert" in mail["Subject"] for mail in provider.messages()), 60, "the alert")


@pytest.mark.thorough
def test_home_says_that_the_console_does_not_answer_even_when_a_connection_hangs(chromium: Chromium) -> None:
    page = chromium.page("/admin/")
    warning = page.get_by_text("The console isn't answering.")
    page.route("**/home/now/", lambda route: None)
    expect(warning).to_be_visible(timeout=90_000)
    # Responses for other parts of the page do not count for this one.
    with page.expect_response("**/home/latest/**", timeout=60_000):
        pass
    expect(warning).to_be_visible()
    page.unroute("**/home/now/")
    expect(warning).to_be_hidden(timeout=90_000)
    page.context.set_offline(True)
    expect(warning).to_be_visible(timeout=60_000)
    page.context.set_offline(False)
    expect(warning).to_be_hidden(timeout=60_000)
