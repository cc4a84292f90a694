"""From the relay's 250 to the bounce on the timeline, in a real browser with a real IMAP server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import look
from tests.browser.chromium import Chromium
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


def test_a_bounce_is_read_shown_and_forgiven(
    chromium: Chromium, node: Console, inbox: RealDovecot, relay: FaultServer, tmp_path: Path
) -> None:
    pk = node.send("anna@example.com", subject="Disk 92 %")
    node.wait_empty()
    message_id = node.message(pk)["message_id"].strip("<>").encode()
    bounce = (CORPUS / "postfix-unknown-user.eml").read_bytes().replace(b"disk-92@example.org", message_id)

    page = chromium.page("/admin/returned/")
    look(page, "empty", tmp_path)
    page.get_by_role("link", name="Add an inbox").click()
    page.get_by_label("IMAP server").fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(inbox.port))
    page.get_by_label("Security").select_option("none")
    page.get_by_label("Username").fill(inbox.username)
    page.get_by_label("Password", exact=True).fill(inbox.password)
    page.get_by_role("button", name="Save and look into it").click()
    expect(page.get_by_text("was read: 0 new reports.")).to_be_visible()
    page.get_by_role("link", name=f"Edit {inbox.username}").click()
    look(page, "inbox", tmp_path)
    page.get_by_role("link", name="Back to Returned mail").click()

    inbox.deliver(bounce)
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("new report")).to_be_visible()
    look(page, "returned", tmp_path)

    page.goto(f"{chromium.url}/admin/mailrelay/message/{pk}/change/")
    expect(page.get_by_text("Bounced permanently")).to_be_visible()
    look(page, "message", tmp_path)

    page.goto(f"{chromium.url}/admin/mailrelay/message/?tab=bounced")
    expect(page.get_by_role("link", name="Disk 92 %")).to_be_visible()

    page.goto(f"{chromium.url}/admin/suppressions/")
    look(page, "suppressions", tmp_path)
    page.get_by_role("link", name="anna@example.com").click()
    expect(page.get_by_text("sorry to have to inform you")).to_be_visible()
    look(page, "suppression", tmp_path)
    page.get_by_role("button", name="Remove from the list").click()
    expect(page.get_by_text("anna@example.com gets mail again.")).to_be_visible()


def test_a_webhook_is_set_up(chromium: Chromium, node: Console, tmp_path: Path) -> None:
    page = chromium.page("/admin/returned/")
    page.get_by_role("link", name="Set up Mailgun").click()
    look(page, "webhook-new", tmp_path)
    page.get_by_label("HTTP webhook signing key").fill("signing-key")
    page.get_by_role("button", name="Create the address").click()
    assert "/api/mail/events/mailgun/" in page.get_by_label("Address to paste").input_value()
    look(page, "webhook", tmp_path)


_OWN = """
from mailboxes.models import Alias, Domain, Stack
from mailrelay.inbox import owned
Stack.objects.update_or_create(pk=1, defaults={"hostname": "mail.own.test", "own_address": "quazzar@mail.own.test"})
row = Domain.objects.create(name="own.test")
Alias.objects.create(domain=row, local_part="dmarc", address="dmarc@own.test", destinations=["anna@example.com"])
owned.keep("quazzar@mail.own.test", host="127.0.0.1", port=993, certificates=["ab"], password="x")
"""
_NOTHING_OWN = """
from mailboxes.models import Domain, Stack
from mailrelay.models import Inbox
Domain.objects.filter(name="own.test").delete()
Inbox.objects.filter(owned=True).delete()
Stack.objects.all().delete()
"""


def test_bounces_go_to_quazzars_own_mailbox_with_one_press(
    chromium: Chromium, node: Console, relay: FaultServer, tmp_path: Path
) -> None:
    node.use_relay(relay.port, from_address="node@own.test")
    node.manage("shell", "-c", _OWN)
    try:
        page = chromium.page("/admin/returned/")
        expect(page.get_by_text("Quazzar's own mailbox on the mail server")).to_be_visible()
        expect(page.get_by_role("link", name="Edit quazzar@mail.own.test")).to_have_count(0)
        look(page, "own", tmp_path)
        page.get_by_role("button", name="Send bounces to bounces@own.test").click()
        expect(page.get_by_text("Bounces now go to bounces@own.test")).to_be_visible()
        look(page, "own-used", tmp_path)
    finally:
        node.manage("shell", "-c", _NOTHING_OWN)
