"""Debian's Chromium, driven by Playwright, with a fresh profile each time."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Playwright, ViewportSize

from tests.rig import Missing

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: What runs the browser.
DEAF = Path(__file__).with_name("deaf.py")
WIDE: ViewportSize = {"width": 1280, "height": 900}
#: How the browser and htmx report a response that refuses something; the test has to judge that.
_REFUSED = ("Failed to load resource", "Response Status Error Code")
PHONE: ViewportSize = {"width": 390, "height": 844}


class Chromium:
    """Use as a context. ``outside`` lists every request that went elsewhere than to the console.

    Args:
        whole: the browser that people have. Otherwise the headless build, if there is one: it shows the same and needs
            a third less processor time.

    Raises:
        Missing: Chromium is not installed.
    """

    def __init__(self, url: str, driver: Playwright, *, whole: bool = False) -> None:
        light = None if whole else shutil.which("chromium-headless-shell")
        found = light or shutil.which("chromium")
        if found is None:
            raise Missing("Chromium", "chromium")
        self.url, self.program, self._driver = url, found, driver
        self.outside: list[str] = []
        self.problems: list[str] = []
        #: What pages, htmx and the browser wrote as errors, but for answers that refuse something.
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._profile = tempfile.mkdtemp(prefix="quazzar-chromium-")
        self.context = self.open(WIDE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.context.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, size: ViewportSize) -> BrowserContext:
        """The browser with its one profile."""
        context = self._driver.chromium.launch_persistent_context(
            self._profile,
            executable_path=DEAF,
            env={**os.environ, "QUAZZAR_TEST_BROWSER": self.program},
            args=list(ARGUMENTS),
            headless=True,
            viewport=size,
            locale="en-GB",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        context.on("request", lambda request: self._note(request.url))
        context.on("weberror", lambda error: self.problems.append(str(error.error)))
        context.on("console", self._hear)
        return context

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Permissions-Policy" in message.text:
            self.problems.append(message.text)
        if message.type == "error" and not message.text.startswith(_REFUSED):
            self.errors.append(message.text)

    def _note(self, url: str) -> None:
        if urlsplit(url).scheme in ("http", "https", "ws", "wss") and not url.startswith(self.url):
            self.outside.append(url)

    def page(self, path: str = "/", size: ViewportSize = WIDE) -> Page:
        """A new page of the console."""
        page = self.context.new_page()
        page.set_viewport_size(size)
        page.goto(f"{self.url}{path}")
        return page

    def sign_in(self, name: str, password: str) -> Page:
        """The page that follows the sign-in."""
        page = self.page("/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(lambda url: "/admin/" in url and "/login/" not in url)
        return page


def go(page: Page, url: str) -> None:
    """Opens another page once this one has loaded: a script that is cut off is an error of the page's other scripts."""
    page.wait_for_load_state("load")
    page.goto(url)


def picture(page: Page, file: Path, **options: Any) -> None:
    """A screenshot of what can be seen, once the fonts are there."""
    page.evaluate("document.fonts.ready")
    # Playwright hides the caret, and stops animations, by an inline style, which our policy refuses.
    page.screenshot(path=file, caret="initial", **options)
