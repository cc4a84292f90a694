"""Pictures for the documentation: pages of the demo, which this starts in a folder of its own. `make shots`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from demo import environment
from demo.environment import OPERATOR
from tests.browser.chromium import PHONE, WIDE, Chromium, picture
from tests.demo.running import Demo
from tests.quazzar.nodes import ROOT
from tests.rig import Missing

FOLDER = ROOT / "docs/img"
#: Bytes; what a documentation page can load quickly.
LIMIT = 200_000
#: Name of the picture → how much of the page it shows: Home down to its charts, short lists without what is empty.
SIZES: dict[str, ViewportSize] = {
    "home": {"width": 1280, "height": 1330},
    "expected": {"width": 1280, "height": 890},
    "domains": {"width": 1280, "height": 550},
    "suppressed": {"width": 1280, "height": 890},
}
TALL: ViewportSize = {"width": 1280, "height": 1160}
PROOF: ViewportSize = {"width": 1280, "height": 1180}
_RELAY = "/admin/mail-relay/"
#: Name of the picture → page.
PAGES = {
    "home": "/admin/",
    "doctor": "/admin/doctor/",
    "messages": "/admin/mailrelay/message/",
    "expected": "/admin/expected/",
    "audit": "/admin/quazzar/auditentry/",
    "captured": "/admin/captured/",
    "relay": _RELAY,
    "domains": f"{_RELAY}dns/",
    "suppressed": "/admin/suppressions/",
}


def main() -> int:
    """Take them all; 1 when one is too large."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="quazzar-shots-") as directory:
        demo = Demo(Path(directory) / "demo")
        with demo, sync_playwright() as driver, Chromium(demo.url(), driver) as chromium:
            chromium.sign_in(OPERATOR, demo.password).close()
            take(chromium, demo)
    return 1 if too_large() else 0


def take(chromium: Chromium, demo: Demo) -> None:
    """Take each picture."""
    home = chromium.page(PAGES["home"])
    # Until the worker has checked everything once.
    expect(home.locator("#line")).to_contain_text("Mail works", timeout=120_000)
    expect(home.locator("[data-state=unknown]")).to_have_count(0, timeout=120_000)
    home.close()
    shoot(tested(chromium.page(_RELAY)), "test")
    for name, path in PAGES.items():
        shoot(chromium.page(path, SIZES.get(name, WIDE)), name)
    shoot(chromium.page("/admin/", PHONE), "phone")
    shoot(
        opened(chromium, f"{PAGES['messages']}?q=ines@slow.example", "is on its way", "Timeline"), "message"
    )
    shoot(opened(chromium, PAGES["domains"], "orchard.example", "Required"), "dns")
    proof = opened(chromium, "/admin/delivery-proofs/", "harbour@posthorn.example", "Sender's identity")
    proof.set_viewport_size(PROOF)
    shoot(proof, "proof")
    shoot(opened(chromium, "/admin/find-mail/?q=orders@closed.example", "From ada@", "Journey"), "journey")
    domain = opened(chromium, PAGES["domains"], "harbour.example", "Required")
    domain.get_by_role("link", name="Reports on this domain").click()
    expect(domain.get_by_role("heading", name="Senders")).to_be_visible()
    domain.set_viewport_size(TALL)
    shoot(domain, "reports")
    demo_manage(demo, "license", "remove")
    shoot(chromium.page(_RELAY), "locked")


def opened(chromium: Chromium, path: str, link: str, awaited: str) -> Page:
    """The page behind a link, once it shows what is awaited."""
    page = chromium.page(path)
    page.locator("#main").get_by_role("link", name=link).first.click()
    expect(page.get_by_text(awaited, exact=True).first).to_be_visible(timeout=60_000)
    page.mouse.move(0, 0)
    return page


def tested(page: Page) -> Page:
    """The page after a test mail."""
    page.get_by_role("button", name="Send test mail").click()
    expect(page.locator("#test-result [data-ok=true]")).to_be_visible(timeout=60_000)
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 340)")
    return page


def demo_manage(demo: Demo, *arguments: str) -> None:
    """A command of the product, on the demo's node."""
    env = environment.of(demo.folder, {}, port=demo.port, nameserver="127.0.0.1:9", relay_port=9)
    argv = [sys.executable, "manage.py", *arguments]
    subprocess.run(argv, cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)


def shoot(page: Page, name: str) -> None:
    """One picture, in the folder of the documentation."""
    page.wait_for_load_state("load")
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
