"""A proof from the button to the picture of its way, red and green, wide and narrow, in the dark too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import look
from tests.browser.chromium import Chromium
from tests.dnsrecords.proof.signingrelay import HOST, IP, SigningRelay
from tests.dnsrecords.proof.test_real import POSTFIX, ZONES
from tests.live.console import Console
from tests.rig import or_skip
from tests.rig.dovecot import RealDovecot
from tests.rig.nameserver import Nameserver
from tests.rig.postfix import RealPostfix

pytestmark = [pytest.mark.real, pytest.mark.thorough]


@pytest.fixture
def postfix() -> Iterator[RealPostfix]:
    with or_skip(lambda: RealPostfix(options=POSTFIX)) as running:
        yield running


@pytest.fixture
def inbox() -> Iterator[RealDovecot]:
    with or_skip(RealDovecot) as dovecot:
        yield dovecot


def test_a_proof_is_sent_found_and_judged(
    chromium: Chromium,
    node: Console,
    nameserver: Nameserver,
    postfix: RealPostfix,
    inbox: RealDovecot,
    tmp_path: Path,
) -> None:
    for zone, lines in ZONES.items():
        nameserver.publish(zone, lines)
    page = chromium.page("/admin/delivery-proofs/")
    expect(page.get_by_text("No relay is set up.")).to_be_visible()
    look(page, "empty", tmp_path)
    page.goto(f"{chromium.url}/admin/returned/inbox/add/")
    page.get_by_label("IMAP server").fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(inbox.port))
    page.get_by_label("Security").select_option("none")
    page.get_by_label("Username").fill(inbox.username)
    page.get_by_label("Password", exact=True).fill(inbox.password)
    page.get_by_role("button", name="Save and look into it").click()
    expect(page.get_by_text("was read: 0 new reports.")).to_be_visible()
    with SigningRelay(postfix.plain_port) as relay:
        node.use_relay(relay.port, from_address="node@sender.test")
        page.goto(f"{chromium.url}/admin/delivery-proofs/")
        look(page, "form", tmp_path)
        page.get_by_role("button", name="Send the proof").click()
        expect(page.locator("[data-moves]")).to_be_visible()
        look(page, "underway", tmp_path)
        postfix.wait_for(1)
        inbox.deliver(postfix.raw_messages()[-1])
        expect(page.get_by_text("Proven", exact=True)).to_be_visible(timeout=120_000)
        expect(page.locator("[data-mark=bad]")).to_have_count(0)
        expect(page.locator("[data-check=ptr]")).to_contain_text(f"The reverse name of {IP} is {HOST}")
        look(page, "proven", tmp_path)
        relay.signer, relay.encrypts = "", False
        nameserver.publish("sender.test", [line for line in ZONES["sender.test"] if "v=spf1" not in line])
        page.goto(f"{chromium.url}/admin/delivery-proofs/")
        page.get_by_role("button", name="Send the proof").click()
        postfix.wait_for(2)
        inbox.deliver(postfix.raw_messages()[-1])
        expect(page.locator("[data-check=dkim]")).to_contain_text("no DKIM signature", timeout=120_000)
        look(page, "failed", tmp_path)
        page.goto(f"{chromium.url}/admin/delivery-proofs/")
        page.locator("#id_schedule-every").select_option("day")
        page.get_by_role("button", name="Save the schedule").click()
        expect(page.get_by_text("Saved. The first proof is sent now.")).to_be_visible()
        look(page, "history", tmp_path)
        page.locator("#id_schedule-every").select_option("off")
        page.get_by_role("button", name="Save the schedule").click()
        expect(page.get_by_text("Saved. No proof is scheduled.").first).to_be_visible()
