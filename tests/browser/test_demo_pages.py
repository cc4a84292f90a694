"""The demo in Chromium: a test mail shows up as captured without a reload, on pages that everybody can use."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from demo.environment import OPERATOR
from tests.browser.accessibility import faults
from tests.browser.chromium import PHONE, WIDE, Chromium
from tests.demo.running import Demo
from tests.rig import or_skip

pytestmark = [pytest.mark.real, pytest.mark.thorough]


def test_a_test_mail_shows_up_by_itself_and_opens(driver: Playwright, tmp_path: Path) -> None:
    with Demo(tmp_path / "demo") as demo, or_skip(lambda: Chromium(demo.url(), driver)) as chromium:
        chromium.sign_in(OPERATOR, demo.password).close()
        captured, relay = chromium.page("/admin/captured/"), chromium.page("/admin/mail-relay/")
        relay.get_by_label("Send it to").fill("guest@elsewhere.example")
        relay.get_by_role("button", name="Send test mail").click()
        expect(relay.locator("#test-result [data-ok=true]")).to_be_visible(timeout=60_000)
        captured.bring_to_front()
        expect(captured.get_by_role("row", name="guest@elsewhere.example")).to_be_visible(timeout=60_000)
        for size in (PHONE, WIDE):
            captured.set_viewport_size(size)
            assert faults(captured) == []
        captured.get_by_role("row", name="guest@elsewhere.example").get_by_role("link").click()
        expect(captured.get_by_text("This is a test mail from Quazzar Mail Relay.").first).to_be_visible()
        assert faults(captured) == []
        assert not chromium.outside
        assert not chromium.problems
