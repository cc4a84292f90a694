"""From the relay's 250 to the bounce on the timeline, in a real browser with a real IMAP server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults
from tests.browser.chromium import PHONE, WIDE, Chromium, picture
from tests.live.console import Console
from tests.rig import or_skip
from tests.rig.dovecot import RealDovecot
from tests.rig.faults import FaultServer

pytestmark = [pytest.mark.real, pytest.mark.thorough]
CORPUS = Path(__file__).parent.parent / "mailrelay" / "bounces" / "corpus"


@pytest.fixture
def inbox() -> Iterator[RealDovecot]:
    with or_skip(RealDovecot) as dovecot:
        yield dovecot


@pytest.fixture
def relay(node: Console) -> Iterator[FaultServer]:
    with FaultServer() as server:
        node.use_relay(server.port)
        yield server


def check(page: Page, name: str, tmp_path: Path) -> None:
    """Nothing shuts anybody out, wide and light, narrow and dark; pictures in the test's folder."""
    for size, theme in ((WIDE, "light"), (PHONE, "dark")):
        page.set_viewport_size(size)
        page.evaluate("theme => localStorage.setItem('adminTheme', JSON.stringify(theme))", theme)
        page.reload()
        assert not faults(page), name
        picture(page, tmp_path / f"{name}-{theme}.png", full_page=True)
    page.set_viewport_size(WIDE)
    page.evaluate("localStorage.setItem('adminTheme', JSON.stringify('light'))")
    page.reload()


def test_a_bounce_is_read_shown_and_forgiven(
    chromium: Chromium, node: Console, inbox: RealDovecot, relay: FaultServer, tmp_path: Path
) -> None:
    pk = node.send("anna@example.com", subject="Disk 92 %")
    node.wait_empty()
    message_id = node.message(pk)["message_id"].strip("<>").encode()
    bounce = (CORPUS / "postfix-unknown-user.eml").read_bytes().replace(b"disk-92@example.org", message_id)

    page = chromium.page("/admin/returned/")
    check(page, "empty", tmp_path)
    page.get_by_role("link", name="Add an inbox").click()
    page.get_by_label("IMAP server").fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(inbox.port))
    page.get_by_label("Security").select_option("none")
    page.get_by_label("Username").fill(inbox.username)
    page.get_by_label("Password", exact=True).fill(inbox.password)
    page.get_by_role("button", name="Save and look into it").click()
    expect(page.get_by_text("was read: 0 new reports.")).to_be_visible()
    page.get_by_role("link", name=f"Edit {inbox.username}").click()
    check(page, "inbox", tmp_path)
    page.get_by_role("link", name="Back to Returned mail").click()

    inbox.deliver(bounce)
    page.get_by_role("button", name="Look into").click()
    expect(page.get_by_text("new report")).to_be_visible()
    check(page, "returned", tmp_path)

    page.goto(f"{chromium.url}/admin/mailrelay/message/{pk}/change/")
    expect(page.get_by_text("Bounced for good")).to_be_visible()
    check(page, "message", tmp_path)

    page.goto(f"{chromium.url}/admin/mailrelay/message/?tab=bounced")
    expect(page.get_by_role("link", name="Disk 92 %")).to_be_visible()

    page.goto(f"{chromium.url}/admin/suppressions/")
    check(page, "suppressions", tmp_path)
    page.get_by_role("link", name="anna@example.com").click()
    expect(page.get_by_text("sorry to have to inform you")).to_be_visible()
    check(page, "suppression", tmp_path)
    page.get_by_role("button", name="Remove from the list").click()
    expect(page.get_by_text("anna@example.com gets mail again.")).to_be_visible()


def test_a_webhook_is_set_up(chromium: Chromium, node: Console, tmp_path: Path) -> None:
    page = chromium.page("/admin/returned/")
    page.get_by_role("link", name="Set up Mailgun").click()
    check(page, "webhook-new", tmp_path)
    page.get_by_label("HTTP webhook signing key").fill("signing-key")
    page.get_by_role("button", name="Create the address").click()
    assert "/api/mail/events/mailgun/" in page.get_by_label("Address to paste").input_value()
    check(page, "webhook", tmp_path)
