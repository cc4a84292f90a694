"""The page of reports, from an upload to the next stage, on a desktop and on a phone, in the dark too."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import accessibility
from tests.browser.chromium import PHONE, Chromium
from tests.dnsrecords.reports.conftest import times, tls_report
from tests.dnsrecords.reports.shapes import document, record
from tests.live.console import Console

pytestmark = [pytest.mark.real, pytest.mark.thorough]

TAB = "/admin/mail-relay/dns/"


def report(ago: int) -> bytes:
    begin, end = times(ago)
    return gzip.compress(
        document(
            record("192.0.2.25", 30 + ago),
            record("203.0.113.9", 2 + ago % 3, "fail", "fail"),
            record("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 1, "fail", "fail"),
            begin=begin, end=end, number=str(ago), org="google.com" if ago % 2 else "Outlook.com",
        )
    )  # fmt: skip


def test_uploaded_reports_lead_to_the_next_stage(node: Console, chromium: Chromium, tmp_path: Path) -> None:
    _, domain = node.call("POST", "/api/mail/domains", {"name": "reports.test"})
    path = f"{TAB}{domain['id']}/"
    page = chromium.page(f"{path}reports/")
    expect(page.locator("#reporters")).to_contain_text("No reports yet")
    files = []
    for ago in range(1, 13):
        files.append(tmp_path / f"{ago}.xml.gz")
        files[-1].write_bytes(
            gzip.compress(gzip.decompress(report(ago)).replace(b"example.com", b"reports.test"))
        )
    files.append(tmp_path / "tls.json")
    files[-1].write_bytes(tls_report(2, 48, 3).replace(b"example.com", b"reports.test"))
    page.get_by_label("Report files").set_input_files(files)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".r-whose").first).to_contain_text("438 mails were yours, 48 were not.")
    expect(page.locator("#tls-reports")).to_contain_text("certificate-expired")
    page.locator("#senders summary").first.click()
    faults = accessibility.faults(page)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
    phone = chromium.page(f"{path}reports/", PHONE)
    faults += accessibility.faults(phone)
    phone.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert faults == []
    page.locator("#dmarc-reports").get_by_role("button", name="Go on to quarantine").click()
    expect(page).to_have_url(node.url(path))
    expect(page.locator("[data-policy=quarantine]")).to_contain_text("Chosen")
    page.screenshot(path=tmp_path / "domain.png", full_page=True)
    page.get_by_role("button", name="Choose reject").click()
    expect(page.locator("[data-policy=reject]")).to_contain_text("Chosen")
    expect(page.locator("#record-dmarc")).to_contain_text("p=reject")
    assert accessibility.faults(page) == []
