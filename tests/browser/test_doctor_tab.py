"""The Doctor page in a real browser: problems appear and disappear without a reload."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import PHONE, Chromium
from tests.live.console import Console
from tests.rig import wait_until
from tests.rig.postfix import RealPostfix

pytestmark = pytest.mark.real
DOCTOR = "/admin/doctor/"
#: Milliseconds until a failure must be on the screen; other work may have the machine's cores.
SOON = 90_000


@pytest.fixture
def doctor(chromium: Chromium) -> Page:
    return chromium.page(DOCTOR)


def line(page: Page, name: str) -> Locator:
    """The part of the page about one check."""
    return page.locator(".d-check", has=page.locator(f"#history-{name.lower().replace(' ', '-')}"))


def use(node: Console, provider: RealPostfix, **changes: object) -> None:
    login = {"security": "starttls", "username": provider.username, "password": provider.password}
    node.use_relay(provider.submission_port, **{**login, **changes})


def test_a_refused_password_and_its_mending_appear_by_themselves(
    chromium: Chromium, doctor: Page, node: Console, provider: RealPostfix
) -> None:
    relay, home = line(doctor, "Relay"), chromium.page("/admin/").locator("#line")
    expect(relay).to_contain_text("No relay is set up", timeout=SOON)
    use(node, provider, password="not-the-password")
    assert node.call("POST", "/api/mail/relay/test", {"to": "ops@inbox.test"})[1]["ok"] is False
    expect(relay).to_contain_text("sign-in fails", timeout=SOON)
    expect(relay).to_contain_text("Failed")
    expect(doctor.get_by_role("region", name="Needs attention")).to_contain_text("sign-in fails")
    expect(home).to_contain_text("Mail has been failing at sign-in since", timeout=SOON)
    use(node, provider)
    # Mail that other tests of this console left in the queue may be sent at once.
    expect(relay).to_contain_text(re.compile("No mail has been sent|Mail is sent"), timeout=SOON)
    assert node.call("POST", "/api/mail/relay/test", {"to": "ops@inbox.test"})[1]["ok"] is True
    expect(relay).to_contain_text("Mail is sent through localhost", timeout=SOON)
    expect(home).to_contain_text("Mail works. Last delivery", timeout=SOON)
    relay.get_by_text("History").click()
    expect(relay.get_by_role("list")).to_contain_text("sign-in fails")


@pytest.mark.thorough
def test_a_provider_that_is_away_is_seen_when_mail_is_to_leave(doctor: Page, node: Console) -> None:
    node.use_relay(1)
    number = node.send("ops@inbox.test")
    relay = line(doctor, "Relay")
    expect(relay).to_contain_text("connecting fails", timeout=SOON)
    node.call("DELETE", "/api/mail/relay")
    # It would be sent through the relay of the next test. During an attempt, it cannot be cancelled.
    cancel = f"/api/mail/messages/{number}/cancel"
    wait_until(lambda: node.call("POST", cancel)[0] == 202, 60, "the end of an attempt")
    expect(relay).to_contain_text("No relay is set up", timeout=SOON)


def test_by_keyboard_one_checks_again_and_opens_the_history_and_both_stay(
    doctor: Page, chromium: Chromium
) -> None:
    disk = line(doctor, "Disk")
    summary = disk.get_by_text("History")
    summary.focus()
    doctor.keyboard.press("Enter")
    expect(disk.get_by_role("list")).to_contain_text("free for")
    again = disk.get_by_role("button", name="Check again: Disk")
    again.focus()
    doctor.keyboard.press("Enter")
    expect(doctor.get_by_role("status").filter(has_text="Disk: ")).to_have_count(1)
    expect(again).to_be_focused()
    expect(disk.get_by_role("list")).to_contain_text("free for")


def test_it_fits_a_phone(chromium: Chromium) -> None:
    page = chromium.page(DOCTOR, PHONE)
    expect(line(page, "Disk").get_by_role("button", name="Check again: Disk")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.fixture
def halted_worker(node: Console) -> Iterator[None]:
    """The worker exists and does nothing, as when its machine is out of memory."""
    worker = node.worker()
    os.kill(worker, signal.SIGSTOP)
    yield
    os.kill(worker, signal.SIGCONT)


@pytest.mark.thorough
@pytest.mark.long
def test_a_worker_that_stands_still_leaves_nothing_green(
    halted_worker: None, doctor: Page, node: Console
) -> None:
    expect(line(doctor, "Worker")).to_contain_text("last reported", timeout=SOON)
    expect(line(doctor, "Disk")).to_contain_text("Unknown", timeout=2 * SOON)
    os.kill(node.worker(), signal.SIGCONT)
    expect(line(doctor, "Worker")).to_contain_text("The worker is alive", timeout=SOON)
    expect(line(doctor, "Disk")).to_contain_text("OK", timeout=SOON)


@pytest.mark.thorough
@pytest.mark.long
def test_a_key_file_that_was_replaced_is_seen_until_the_old_one_is_back(
    doctor: Page, node: Console, provider: RealPostfix
) -> None:
    # Without recipients: a mail about this would be sealed with the key that is taken away again.
    use(node, provider, alert_recipients=[])
    away = node.key_file.rename(node.key_file.with_name("away.key"))
    expect(line(doctor, "Sealed secrets")).to_contain_text("sealed with another key", timeout=SOON)
    away.rename(node.key_file)
    expect(line(doctor, "Sealed secrets")).to_contain_text("the key file opens all of them", timeout=SOON)
    use(node, provider)


@pytest.mark.thorough
@pytest.mark.long
def test_a_licence_that_lapsed_is_seen_on_a_page_that_stays_open(
    licence: str, doctor: Page, node: Console
) -> None:
    expect(line(doctor, "Licence")).to_contain_text("messages with 402", timeout=SOON)
    Path(node.data, "license.jwt").write_text(licence)
    expect(line(doctor, "Licence")).to_contain_text("until", timeout=SOON)
