"""The DNS tab, from red to green, while a real zone is filled."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, Chromium
from tests.dnsrecords.mistakes import line, text
from tests.live.console import Console
from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.real

TAB = "/admin/mail-relay/dns/"


class World:
    """A console that asks a real name server, and a browser that is signed in to it."""

    def __init__(self, console: Console, nameserver: Nameserver, chromium: Chromium) -> None:
        self.console, self.nameserver, self.chromium = console, nameserver, chromium

    def add(self, name: str) -> int:
        """A domain whose zone is empty."""
        self.nameserver.publish(name, ["@ A 192.0.2.9"])
        status, answer = self.console.call("POST", "/api/mail/domains", {"name": name})
        assert status == 201, answer
        return int(answer["id"])

    def records(self, domain: int) -> list[dict[str, Any]]:
        return list(self.console.get(f"/api/mail/domains/{domain}/dns")[1]["records"])

    def page(self, domain: int) -> Page:
        return self.chromium.page(f"{TAB}{domain}/")


@pytest.fixture
def world(node: Console, nameserver: Nameserver, chromium: Chromium) -> World:
    return World(node, nameserver, chromium)


def check(page: Page) -> None:
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#checked")).to_contain_text("just now", timeout=20_000)


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """What somebody pastes who copies name and value."""
    return [
        text(row["name"], row["value"])
        if row["type"] == "TXT"
        else line(row["name"], row["type"], row["value"])
        for row in rows
    ]


def test_from_red_to_green_while_the_zone_is_filled(world: World) -> None:
    domain = world.add("walk.test")
    page = world.page(domain)
    check(page)
    required = [row for row in world.records(domain) if row["required"]]
    for row in required:
        expect(page.locator(f"#record-{row['id']}")).to_have_attribute("data-status", "missing")
    expect(page.get_by_role("img", name="0 of 4 required records are correct")).to_be_visible()
    pasted = ["mail.walk.test. A 127.0.0.1"]
    for number, row in enumerate(required, 1):
        pasted += lines([row])
        world.nameserver.publish("walk.test", pasted)
        check(page)
        expect(page.locator(f"#record-{row['id']}")).to_have_attribute("data-status", "ok")
        expect(page.get_by_role("img", name=f"{number} of 4 required")).to_be_visible()
    overview = world.chromium.page(TAB)
    expect(overview.get_by_role("row", name=re.compile("walk.test"))).to_contain_text("OK")


def test_found_and_expected_stand_side_by_side(world: World) -> None:
    domain = world.add("wrong.test")
    world.nameserver.publish("wrong.test", ['_dmarc TXT "v=DMARC1; p=none"'])
    page = world.page(domain)
    check(page)
    record = page.locator("#record-dmarc")
    expect(record.locator(".d-compare")).to_contain_text("v=DMARC1; p=none")
    expect(record.locator(".d-message")).to_contain_text("p=none")


def test_each_value_is_copied_with_one_press(world: World) -> None:
    domain = world.add("copy.test")
    page = world.page(domain)
    world.chromium.context.grant_permissions(["clipboard-read", "clipboard-write"])
    (spf,) = [row for row in world.records(domain) if row["id"] == "spf"]
    for button, wanted in (("full name", "copy.test"), ("short name", "@"), ("value", spf["value"])):
        page.get_by_role("button", name=f"Copy the {button} of the SPF record").click()
        page.wait_for_function(
            "wanted => navigator.clipboard.readText().then(text => text === wanted)", arg=wanted
        )


def test_the_zone_file_can_be_saved(world: World) -> None:
    page = world.page(world.add("save.test"))
    with page.expect_download() as saving:
        page.get_by_role("link", name="Zone file").click()
    assert saving.value.suggested_filename == "save.test.zone"
    assert "$ORIGIN save.test." in saving.value.path().read_text()


def test_it_fits_on_a_phone(world: World) -> None:
    page = world.chromium.page(f"{TAB}{world.add('phone.test')}/", PHONE)
    expect(page.locator("#record-dkim")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
