"""Finds a page's problems for people who use it by keyboard, with a screen reader, on a phone, or in the dark.

axe-core comes with the package ``axe-playwright-python``: pinned by the lock file like everything else, and this
repository has no copy of it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.chromium import PHONE, WIDE, picture
from tests.quazzar.nodes import ROOT

#: Rules that axe calls moderate, and that we enforce anyway.
_OURS = ("landmark-one-main", "landmark-unique", "page-has-heading-one", "heading-order", "region")
_AXE = """ours => axe.run(document, {resultTypes: ["violations"]}).then(result => result.violations
    .filter(rule => ["serious", "critical"].includes(rule.impact) || ours.includes(rule.id))
    .map(rule => `${rule.id} (${rule.impact}): ${rule.nodes.map(node => node.target.join(" ")).join(", ")}`))"""
_FAULTS = """names => [
    ...[...document.querySelectorAll(".material-symbols-outlined")].map(icon => icon.textContent.trim())
        .filter(name => name && !names.includes(name)).map(name => `no icon ${name}: run scripts/icons`),
    ...(document.documentElement.scrollWidth > innerWidth
        ? [`${document.documentElement.scrollWidth - innerWidth} px wider than the window`] : []),
    ...(document.querySelectorAll("h1").length === 1 ? [] : ["not one h1"]),
    ...(document.querySelector("time[data-form]") ? ["a time in UTC"] : []),
]"""


@cache
def icon_names() -> list[str]:
    """The icons that our font has."""
    return (ROOT / "static/quazzar/fonts/icons.txt").read_text().split()


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text()


def faults(page: Page) -> list[str]:
    """The problems in words; empty if there are none."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(_axe())
    return [*page.evaluate(_FAULTS, icon_names()), *page.evaluate(_AXE, list(_OURS))]


def look(page: Page, name: str, folder: Path) -> None:
    """Check a page for problems, wide and light, narrow and dark; its pictures are then in the folder."""
    for size, theme in ((WIDE, "light"), (PHONE, "dark")):
        page.set_viewport_size(size)
        page.evaluate("theme => localStorage.setItem('adminTheme', JSON.stringify(theme))", theme)
        page.reload()
        assert not faults(page), name
        picture(page, folder / f"{name}-{theme}.png", full_page=True)
    page.set_viewport_size(WIDE)
    page.evaluate("localStorage.setItem('adminTheme', JSON.stringify('light'))")
    page.reload()
