"""The Relay settings tab in a real browser, with a real Postfix as the provider."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, Chromium
from tests.live.console import Console
from tests.rig import wait_until
from tests.rig.postfix import RealPostfix

pytestmark = pytest.mark.real

STAGES = ("resolve", "connect", "tls", "auth", "sender", "recipient", "data", "done")


def fill_in(tab: Page, provider: RealPostfix, password: str) -> None:
    """The provider's credentials, typed as an operator would."""
    tab.get_by_text("Custom SMTP", exact=True).click()
    tab.get_by_label("Host").fill("localhost")
    tab.get_by_label("Port").fill(str(provider.submission_port))
    tab.get_by_label("Username").fill(provider.username)
    tab.get_by_label("Password", exact=True).fill(password)
    tab.get_by_label("From address").fill("alerts@provider.test")
    tab.get_by_label("Alert recipients").fill("ops@inbox.test")


def save(tab: Page) -> None:
    tab.get_by_role("button", name="Save settings").click()
    expect(tab.get_by_role("status").get_by_text("Saved.")).to_be_visible()


def run_test(tab: Page) -> str:
    """Presses the button, waits for the end, and returns each stage's state."""
    tab.get_by_role("button", name="Send test mail").click()
    expect(tab.locator("#test-result [data-ok]")).to_be_visible(timeout=60_000)
    return " ".join(
        tab.locator(f"[data-stage={stage}][data-state]").get_attribute("data-state") or "" for stage in STAGES
    )


def test_right_credentials_turn_every_stage_green_and_the_mail_arrives(
    tab: Page, provider: RealPostfix
) -> None:
    provider.clear()
    fill_in(tab, provider, provider.password)
    save(tab)
    assert run_test(tab) == "ok ok ok ok ok ok ok ok"
    expect(tab.locator("#test-result")).to_contain_text("The relay accepted the mail")
    # Mail that other tests of this console left in the queue is sent now, too.
    wait_until(lambda: "ops@inbox.test" in [mail["To"] for mail in provider.messages()], 60, "the test mail")


def test_a_wrong_password_turns_the_auth_stage_red_with_a_hint(tab: Page, provider: RealPostfix) -> None:
    fill_in(tab, provider, "not-the-password")
    save(tab)
    assert run_test(tab) == "ok ok ok failed skipped skipped skipped skipped"
    expect(tab.locator("#test-result")).to_contain_text("What to do")
    tab.get_by_text("SMTP dialogue").click()
    expect(tab.locator("#test-result pre")).to_contain_text("AUTH")
    expect(tab.locator("#test-result pre")).not_to_contain_text("not-the-password")


def test_a_preset_fills_host_and_port_and_says_what_to_type(tab: Page) -> None:
    tab.get_by_text("Mailgun", exact=True).click()
    expect(tab.get_by_label("Host")).to_have_value("smtp.mailgun.org")
    tab.get_by_label("Mailgun region").select_option("EU")
    expect(tab.get_by_label("Host")).to_have_value("smtp.eu.mailgun.org")
    tab.get_by_text("SendGrid", exact=True).click()
    expect(tab.get_by_label("Username")).to_have_value("apikey")
    expect(tab.get_by_label("Mailgun region")).to_be_hidden()
    tab.get_by_text("Custom SMTP", exact=True).click()
    expect(tab.get_by_label("Host")).to_have_value("")
    expect(tab.get_by_label("Username")).to_have_value("")


def test_trying_another_provider_loses_nothing(tab: Page) -> None:
    tab.get_by_label("Host").fill("mail.example.com")
    tab.get_by_text("Postmark", exact=True).click()
    tab.get_by_text("Custom SMTP", exact=True).click()
    expect(tab.get_by_label("Host")).to_have_value("mail.example.com")


def test_the_keyboard_alone_chooses_fills_and_saves(tab: Page) -> None:
    tab.get_by_role("radio", name="Mailgun").focus()
    tab.keyboard.press("ArrowRight")
    expect(tab.get_by_role("radio", name="SendGrid")).to_be_checked()
    tab.get_by_label("Password", exact=True).focus()
    tab.keyboard.type("SG.key")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("Mail goes through smtp.sendgrid.net:587").first).to_be_visible()


def test_port_and_security_follow_each_other(tab: Page) -> None:
    tab.get_by_label("Security").select_option("Implicit TLS")
    expect(tab.get_by_label("Port")).to_have_value("465")
    tab.get_by_label("Port").fill("587")
    tab.get_by_label("Port").blur()
    expect(tab.get_by_label("Security")).to_have_value("starttls")


def test_the_first_error_has_the_focus_and_what_was_typed_is_there(tab: Page) -> None:
    tab.get_by_label("Host").fill("https://mail.example.com")
    tab.get_by_label("From address").fill("nobody")
    tab.get_by_label("Username").fill("me")
    tab.get_by_role("button", name="Save settings").click()
    expect(tab.get_by_label("Host")).to_be_focused()
    expect(tab.get_by_text("The host must be a name, not a URL")).to_be_visible()
    expect(tab.get_by_label("From address")).to_have_value("nobody")
    expect(tab.get_by_label("Username")).to_have_value("me")
    expect(tab.get_by_text("Unsaved changes", exact=True)).to_be_visible()


def test_a_saved_password_reads_saved_and_can_be_kept(tab: Page, provider: RealPostfix) -> None:
    fill_in(tab, provider, provider.password)
    save(tab)
    expect(tab.get_by_label("Password", exact=True)).to_have_value("")
    expect(tab.get_by_text("Saved. Leave this empty to keep it.")).to_be_visible()
    tab.get_by_label("From name").fill("Node alerts")
    save(tab)
    assert "failed" not in run_test(tab)


def test_another_host_tells_at_once_that_the_saved_password_is_not_for_it(
    tab: Page, provider: RealPostfix
) -> None:
    fill_in(tab, provider, provider.password)
    save(tab)
    told = tab.locator("#password-place")
    expect(told).to_be_empty()
    tab.get_by_label("Host").fill("LocalHost ")
    expect(told).to_be_empty()
    tab.get_by_label("Host").fill("smtp.example.com")
    expect(told).to_contain_text("The saved password is for localhost")
    tab.get_by_label("Password", exact=True).fill("another")
    expect(told).to_be_empty()
    tab.get_by_label("Password", exact=True).fill("")
    tab.get_by_label("Host").fill("")
    expect(told).to_contain_text("saving deletes the saved password")
    tab.get_by_label("Remove the saved password").check()
    expect(told).to_be_empty()


def test_every_field_is_there_on_a_phone(chromium: Chromium) -> None:
    page = chromium.page("/admin/mail-relay/", PHONE)
    page.get_by_text("Mailgun", exact=True).click()
    expect(page.get_by_label("Mailgun region")).to_be_visible()
    expect(page.get_by_role("switch", name="Mail about successful backups too")).to_be_visible()


def test_changes_that_are_not_saved_are_told_beside_the_test(tab: Page, provider: RealPostfix) -> None:
    fill_in(tab, provider, provider.password)
    save(tab)
    warning = tab.get_by_text("The test uses what is saved.")
    expect(warning).to_be_hidden()
    tab.get_by_label("From name").fill("Somebody else")
    expect(warning).to_be_visible()
    tab.get_by_label("From name").fill("")
    expect(warning).to_be_hidden()


def test_the_figures_change_by_themselves(tab: Page, node: Console, provider: RealPostfix) -> None:
    node.use_relay(provider.plain_port)
    tab.reload()
    sent = tab.locator(".q-figure", has_text="Sent today").locator(".q-figure-number")
    before = sent.inner_text()
    node.send("box@inbox.test")
    # Not by one: mail that waited for a relay leaves as well.
    expect(sent).not_to_have_text(before, timeout=60_000)


def test_the_relay_is_removed_after_a_question(tab: Page, provider: RealPostfix) -> None:
    fill_in(tab, provider, provider.password)
    save(tab)
    tab.get_by_role("button", name="Remove relay…").click()
    tab.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(tab.get_by_role("dialog")).to_be_hidden()
    expect(tab.get_by_label("Host")).to_have_value("localhost")
    tab.get_by_role("button", name="Remove relay…").click()
    tab.get_by_role("dialog").get_by_role("button", name="Remove relay").click()
    expect(tab.get_by_text("No relay yet. Alerts are written to the log, not mailed.")).to_be_visible()


@pytest.mark.parametrize(
    "path",
    [
        "/admin/mail-relay/",
        "/admin/mailrelay/message/",
        "/admin/quazzar/apikey/",
        "/admin/quazzar/auditentry/",
    ],
)
def test_a_phone_shows_every_page_without_scrolling_sideways(chromium: Chromium, path: str) -> None:
    page = chromium.page(path, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_key_is_made_shown_once_and_copied(chromium: Chromium) -> None:
    page = chromium.page("/admin/quazzar/apikey/add/")
    page.get_by_label(re.compile("^Name")).fill("Grafana")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#key")).to_have_text(re.compile(r"^qzr_[0-9A-Za-z]{46}$"))
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
