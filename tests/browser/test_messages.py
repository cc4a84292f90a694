"""One message in a real browser: a hostile mail is previewed, live parts follow, the list is searched by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.chromium import PHONE, Chromium
from tests.live.console import OPERATOR, OPERATOR_PASSWORD, Console

pytestmark = pytest.mark.real

EVIL = "http://evil.quazzar.test"
HOSTILE = f"""
<html><head><base href="{EVIL}/base/"><meta http-equiv="refresh" content="0; url={EVIL}/refresh">
<link rel="preconnect" href="{EVIL}"><link rel="dns-prefetch" href="{EVIL}"><link rel="stylesheet" href="{EVIL}/a.css">
<link rel="prefetch" href="{EVIL}/prefetch"><script src="{EVIL}/a.js"></script>
<style>p {{ color: rgb(0, 128, 0) }}</style></head>
<body onload="fetch('{EVIL}/onload')" background="{EVIL}/background.png">
<script>parent.document.title = "taken over"; document.title = "taken over"; fetch("{EVIL}/script")</script>
<p id="shown">This is shown.</p>
<img src="{EVIL}/pixel.png" onerror="fetch('{EVIL}/onerror')"><img srcset="{EVIL}/set.png 2x">
<img src="//evil.quazzar.test/x">
<img src="/admin/mailrelay/message/">
<form action="{EVIL}/form" id="f"><input name="x" autofocus onfocus="fetch('{EVIL}/focus')"><button>Go</button></form>
<iframe src="{EVIL}/frame"></iframe><object data="{EVIL}/object"></object><embed src="{EVIL}/embed">
<video src="{EVIL}/video" autoplay poster="{EVIL}/poster"></video><audio src="{EVIL}/audio" autoplay></audio>
<svg onload="fetch('{EVIL}/svg')"><image href="{EVIL}/image.png"/></svg>
<a href="{EVIL}/link" ping="{EVIL}/ping">a link</a>
</body></html>
"""


def queue(node: Console, **mail: str) -> int:
    """Queue a mail for a relay that does not listen; returns its id."""
    relay = {
        "provider": "custom",
        "host": "127.0.0.1",
        "port": 9,
        "security": "none",
        "from_address": "n@lab.test",
    }
    node.call("PUT", "/api/mail/relay", relay)
    status, answer = node.call("POST", "/api/mail/messages", {"to": ["ada@example.com"], "text": "x", **mail})
    assert status == 202, answer
    return int(answer["id"])


def test_a_hostile_mail_runs_nothing_and_asks_nobody(chromium: Chromium, node: Console) -> None:
    pk = queue(node, subject="Hostile", html=HOSTILE)
    page = chromium.page(f"/admin/mailrelay/message/{pk}/change/")
    title = page.title()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response(lambda response: response.url.endswith("/html/")):
        page.get_by_role("link", name="Show content").click()
    frame = page.frame_locator("iframe[name=preview]")
    expect(frame.locator("#shown")).to_have_text("This is shown.")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(frame.locator("#shown")).to_have_css("color", "rgb(0, 128, 0)")
    for element in ("script", "form", "iframe", "object", "video", "base", "link", "meta[http-equiv]"):
        expect(frame.locator(element)).to_have_count(0)
    inner = next(frame for frame in page.frames if frame.name == "preview")
    inner.wait_for_load_state("load")  # by now it has asked for all that it would
    assert page.title() == title
    assert not chromium.outside
    assert not [url for url in asked if "evil" in url or url.endswith("/admin/mailrelay/message/")]
    assert inner.url.endswith(f"/admin/mailrelay/message/{pk}/html/")


def test_pictures_from_elsewhere_load_when_they_are_asked_for(chromium: Chromium, node: Console) -> None:
    pk = queue(node, subject="Picture", html=f'<p>Hello</p><img src="{EVIL}/pixel.png" alt="far away">')
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    chromium.context.route(f"{EVIL}/**", answer)
    page = chromium.page(f"/admin/mailrelay/message/{pk}/change/")
    page.get_by_role("link", name="Show content").click()
    expect(page.frame_locator("iframe[name=preview]").get_by_text("Hello")).to_be_visible()
    assert not asked
    with page.expect_request(f"{EVIL}/pixel.png"):
        page.get_by_role("link", name="Load them").click()
    chromium.context.unroute(f"{EVIL}/**")
    chromium.outside.clear()


def test_a_message_is_followed_cancelled_and_retried_without_a_reload(
    chromium: Chromium, node: Console
) -> None:
    pk = queue(node, subject="Followed")
    page = chromium.page(f"/admin/mailrelay/message/{pk}/change/")
    page.evaluate("window.stays = true")
    expect(page.get_by_text("Attempt 1 failed at connecting")).to_be_visible()
    expect(page.get_by_text("What to do").first).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled by operator")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("Retried by operator")).to_be_visible()
    assert page.evaluate("window.stays")


def test_a_change_that_the_console_did_not_answer_is_not_passed_over(
    chromium: Chromium, node: Console
) -> None:
    pk = queue(node, subject="Unanswered")
    page = chromium.page(f"/admin/mailrelay/message/{pk}/change/")
    unsent = page.get_by_text("The console didn't answer your last change.")
    page.get_by_role("button", name="Send again to…").click()
    page.get_by_label("Send it to").fill("eve@example.com")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send copy").click()
    expect(page.get_by_role("dialog")).to_contain_text("The console didn't answer your last change.")
    page.context.set_offline(False)
    expect(page.get_by_text("The console isn't answering.")).to_be_hidden()
    expect(unsent).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("main").get_by_text("The console didn't answer")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled by operator")).to_be_visible()
    expect(unsent).to_be_hidden()


def test_what_is_typed_outlives_the_session(chromium: Chromium, node: Console) -> None:
    pk = queue(node, subject="Signed out")
    page = chromium.page(f"/admin/mailrelay/message/{pk}/change/")
    page.get_by_role("button", name="Send again to…").click()
    page.get_by_label("Send it to").fill("eve@example.com")
    page.context.clear_cookies(name="quazzar_session")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are signed out.")
    with page.context.expect_page() as opened:
        dialog.get_by_role("link", name="Open the sign-in page").click()
    sign_in = opened.value
    sign_in.get_by_label("Name").fill(OPERATOR)
    sign_in.get_by_label("Password").fill(OPERATOR_PASSWORD)
    sign_in.get_by_role("button", name="Sign in", exact=True).click()
    sign_in.wait_for_url(lambda url: "/login/" not in url)
    # Signing in has changed the token that this form was opened with.
    page.get_by_role("button", name="Send copy").click()
    expect(page.get_by_text("This is the new message.")).to_be_visible()
    page.context.clear_cookies(name="quazzar_session")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    chromium.sign_in(OPERATOR, OPERATOR_PASSWORD).close()


def test_a_form_that_is_sent_after_the_session_has_ended_keeps_what_was_typed(
    chromium: Chromium, node: Console
) -> None:
    page = chromium.page("/admin/suppressions/")
    page.get_by_label("Address", exact=True).fill("eve@example.com")
    page.context.clear_cookies(name="quazzar_session")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    chromium.sign_in(OPERATOR, OPERATOR_PASSWORD).close()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("link", name="eve@example.com")).to_be_visible()
    page.get_by_role("button", name="Remove eve@example.com").click()
    expect(page.get_by_text("No address is suppressed.")).to_be_visible()


def test_a_copy_is_sent_to_others_from_a_dialog(chromium: Chromium, node: Console) -> None:
    pk = queue(node, subject="Copied")
    page = chromium.page(f"/admin/mailrelay/message/{pk}/change/")
    page.get_by_role("button", name="Send again to…").click()
    field = page.get_by_label("Send it to")
    expect(field).to_have_value("ada@example.com")
    field.fill("nonsense")
    page.get_by_role("button", name="Send copy").click()
    expect(page.locator("#modal .q-errors")).to_be_visible()
    field.fill("eve@example.com")
    page.get_by_role("button", name="Send copy").click()
    expect(page.get_by_text("Sent again by operator")).to_be_visible()
    expect(page.locator(".x-recipients")).to_contain_text("eve@example.com")


def search(page: Page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "q=" in url)


def test_the_list_is_searched_filtered_and_changed_by_keyboard(chromium: Chromium, node: Console) -> None:
    queue(node, subject="Needle in the hay")
    page = chromium.page("/admin/mailrelay/message/")
    search(page, "needle hay")
    expect(page.get_by_role("link", name="Needle in the hay").first).to_be_visible()
    search(page, "nobody@nowhere.test")
    expect(page.get_by_role("heading", name="No message found")).to_be_visible()
    page.get_by_role("link", name="Waiting").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "tab=waiting" in url)
    page.get_by_role("checkbox", name="Select Needle in the hay").first.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Needle in the hay")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 message deleted.")).to_be_visible()


def test_nothing_is_wider_than_a_phone(chromium: Chromium, node: Console) -> None:
    pk = queue(node, subject="A subject that is much longer than the screen of a phone is wide " * 3)
    for path in ("/admin/mailrelay/message/", f"/admin/mailrelay/message/{pk}/change/"):
        page = chromium.page(path, PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
