"""Screenshots for the documentation: the product on a data dir of its own, with a real provider. `make shots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.chromium import PHONE, WIDE, Chromium, picture
from tests.live.console import OPERATOR, OPERATOR_PASSWORD, Console
from tests.quazzar.nodes import ROOT, wait_until
from tests.rig import Missing
from tests.rig.nameserver import Nameserver
from tests.rig.postfix import RealPostfix

FOLDER = ROOT / "docs/img"
LIMIT = 200_000
PAGE = "/admin/mail-relay/"
DNS_PAGE = f"{PAGE}dns/"
ALERTS = (
    ("DiskFull", "critical", "firing", "/var on node-2 is 92 % full"),
    ("HighLoad", "warning", "firing", "Load on node-1 is above 8"),
    ("HighLoad", "warning", "resolved", "Load on node-1 is back to 1.2"),
)
JOBS = (("photos", "success", "4 min, 18 GiB"), ("mail", "failure", "No space left on device"))
MAILS = (
    ("accounts@inbox.test", "Invoice 2041"),
    ("nobody@refused.test", "Invoice 2042"),
    ("team@inbox.test", "Weekly report"),
    ("slow@greylisted.test", "Password reset"),
)
MAILGUN = {
    "provider": "mailgun",
    "username": "postmaster@mg.example.com",
    "password": "not-a-real-one",
    "from_address": "alerts@example.com",
    "from_name": "Node alerts",
    "alert_recipients": ["ops@example.com"],
    "backup_recipients": ["ops@example.com"],
}


def main() -> int:
    """Take them all; 1 when one is too large for a README."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="quazzar-shots-") as directory,
        RealPostfix() as provider,
        Nameserver() as nameserver,
    ):
        settings = {"SSL_CERT_FILE": str(provider.ca_file), "QUAZZAR_DNS_RESOLVERS": nameserver.address}
        console = Console(Path(directory), static=True, **settings)
        with sync_playwright() as driver, console, Chromium(console.url(""), driver) as chromium:
            take(console, provider, nameserver, chromium)
    return 1 if too_large() else 0


def take(console: Console, provider: RealPostfix, nameserver: Nameserver, chromium: Chromium) -> None:
    """Fill the node with mail and domains, and take each picture."""
    console.use_relay(
        provider.submission_port, security="starttls", username=provider.username, password=provider.password
    )
    fill(console)
    chromium.sign_in(OPERATOR, OPERATOR_PASSWORD).close()
    shoot(walked(chromium.page(PAGE)), "test")
    shoot(chromium.page("/admin/mailrelay/message/"), "queue")
    console.call("PUT", "/api/mail/relay", MAILGUN)
    shoot(chromium.page(PAGE), "relay")
    shoot(chromium.page(PAGE, PHONE), "phone")
    fill_zones(console, nameserver)
    shoot(chromium.page(DNS_PAGE), "dns")
    console.manage("license", "remove")
    shoot(chromium.page(PAGE), "locked")


def fill_zones(console: Console, nameserver: Nameserver) -> None:
    """Domains in three states: records right, wrong, and not checked yet."""
    domains = {name: add_domain(console, name) for name in ("example.org", "example.com", "example.net")}
    _, zone = console.exchange("GET", f"/api/mail/domains/{domains['example.org']}/dns/zone")
    nameserver.publish("example.org", [*zone.decode().splitlines(), "mail.example.org. A 127.0.0.1"])
    nameserver.publish("example.com", ["@ MX 10 mx.example.net.", '_dmarc TXT "v=DMARC1; p=none"'])
    for name in ("example.org", "example.com"):
        status, answer = console.call("POST", f"/api/mail/domains/{domains[name]}/dns/check")
        assert status == 200, answer


def add_domain(console: Console, name: str) -> int:
    """Return the new domain's id."""
    status, answer = console.call("POST", "/api/mail/domains", {"name": name})
    assert status == 201, answer
    return int(answer["id"])


def fill(console: Console) -> None:
    """Mail from every kind of source: sent, refused, and still on its way."""
    for rule, severity, state, summary in ALERTS:
        send(console, "alerts", {"rule": rule, "severity": severity, "state": state, "summary": summary})
    for job, status, message in JOBS:
        send(console, "backups", {"job": job, "status": status, "message": message})
    for to, subject in MAILS:
        console.send(to, subject=subject)
    cron = b"From: root\nTo: ops@inbox.test\nSubject: Cron <root@node-2> /etc/cron.daily\n\n4 packages upgraded\n"
    console.manage("sendmail", "-t", "-i", stdin=cron)
    wait_until(
        lambda: not {"queued", "sending"} & {name for name, n in console.statuses().items() if n}, "delivery"
    )


def send(console: Console, kind: str, body: dict[str, Any]) -> None:
    """One notification."""
    status, answer = console.call("POST", f"/api/mail/{kind}", body)
    assert status == 202, answer


def walked(page: Page) -> Page:
    """The page after a test mail."""
    page.get_by_role("button", name="Send test mail").click()
    expect(page.locator("#test-result [data-ok=true]")).to_be_visible(timeout=60_000)
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 340)")
    return page


def shoot(page: Page, name: str) -> None:
    """One picture, in the folder of the documentation."""
    picture(page, FOLDER / f"{name}.png")
    page.set_viewport_size(WIDE)
    page.close()


def too_large() -> list[Path]:
    """Pictures over the limit, each said on the standard error."""
    found = [file for file in FOLDER.glob("*.png") if file.stat().st_size > LIMIT]
    for file in found:
        print(f"{file} has {file.stat().st_size} bytes; {LIMIT} is the most", file=sys.stderr)
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as missing:
        sys.exit(str(missing))
