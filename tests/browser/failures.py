"""A failure as an operator meets it: on Home and on Doctor, and the same by API and as a metric."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import Locator, expect

from tests.quazzar.nodes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.browser.chromium import Chromium
    from tests.live.console import Console

HOME, DOCTOR = "/admin/", "/admin/doctor/"
#: Seconds. The product says it within a minute; other work may have the machine's cores.
PATIENCE = 240
SOON = PATIENCE * 1000
SINCE = re.compile(r"since .*\d\d:\d\d")
#: Each failure, and after how many seconds both pages showed it. The end of a run prints them (tests/slowest.py).
SEEN: list[str] = []
#: Level → how Home marks the tile, the word on Doctor, the number in /metrics.
LEVELS = {"warning": ("attention", "Warning", 1), "failed": ("failing", "Failed", 2)}


@dataclass(frozen=True)
class Failure:
    """What breaks, and what must be said about it.

    Attributes:
        check: Doctor's check that finds it, by its heading; ``area`` is its tile on Home.
        says: what it says in both places, as a pattern.
        advice: the next step on both.
        step: the text of the link in the tile; empty: it has none, because the plan locks the page.
        line: what Home's status line says, as a pattern; empty where something else may be worse.
        well: what Doctor says about the check once this is fixed; empty: that it is OK.
    """

    name: str
    check: str
    area: str
    level: Literal["warning", "failed"]
    says: str
    advice: str
    step: str
    cause: Callable[[], object]
    mend: Callable[[], object]
    line: str = ""
    well: str = ""


class Screens:
    """Home and Doctor, both open all the time and never reloaded."""

    def __init__(self, node: Console, chromium: Chromium) -> None:
        self.node, self.home, self.doctor = node, chromium.page(HOME), chromium.page(DOCTOR)
        self._caused: dict[str, float] = {}

    def tile(self, area: str) -> Locator:
        """An area on Home."""
        return self.home.locator(f"[data-area={area}]")

    def check(self, heading: str) -> Locator:
        """A check on Doctor."""
        name = self.doctor.get_by_role(
            "heading", name=re.compile(rf"^{heading} (OK|Warning|Failed|Unknown|Nothing to check)")
        )
        return self.doctor.locator(".d-check", has=name)

    def break_and_mend(self, subtests: pytest.Subtests, *failures: Failure) -> None:
        """Causes all failures, checks that each is shown, fixes all of them, and checks that each is gone."""
        for failure in failures:
            self.cause(failure)
        for failure in failures:
            with subtests.test(f"{failure.name}: seen"):
                self.show(failure)
        for failure in failures:
            failure.mend()
        for failure in failures:
            with subtests.test(f"{failure.name}: gone"):
                self.show_gone(failure)

    def cause(self, failure: Failure) -> None:
        """Break it, and look at the clock."""
        failure.cause()
        self._caused[failure.name] = time.monotonic()

    def show(self, failure: Failure) -> None:
        """Both pages show it: what, since when, what to do. API and metrics agree."""
        state, word, _ = LEVELS[failure.level]
        says = re.compile(failure.says)
        tile = self.tile(failure.area)
        expect(tile).to_contain_text(says, timeout=SOON)
        expect(tile).to_have_attribute("data-state", state)
        expect(tile).to_contain_text(SINCE)
        expect(tile).to_contain_text(failure.advice)
        if failure.step:
            expect(tile.get_by_role("link").last).to_contain_text(failure.step, timeout=SOON)
        else:
            expect(tile.get_by_role("link")).to_have_count(0, timeout=SOON)
        if failure.line:
            expect(self.home.locator(".h-line")).to_contain_text(re.compile(failure.line), timeout=SOON)
        found = self.check(failure.check)
        expect(found).to_contain_text(says, timeout=SOON)
        expect(found).to_contain_text(word)
        expect(found).to_contain_text(SINCE)
        expect(found).to_contain_text(failure.advice)
        wait_until(lambda: self._is_told(failure), f"API and metrics tell of {failure.name}", PATIENCE)
        SEEN.append(f"{failure.name} {time.monotonic() - self._caused[failure.name]:.0f} s")

    def show_gone(self, failure: Failure) -> None:
        """Neither page shows it any more."""
        says = re.compile(failure.says)
        expect(self.check(failure.check)).not_to_contain_text(says, timeout=SOON)
        expect(self.check(failure.check)).to_contain_text(
            re.compile(failure.well or rf"{failure.check} OK"), timeout=SOON
        )
        expect(self.tile(failure.area)).not_to_contain_text(says, timeout=SOON)
        if failure.line:
            expect(self.home.locator(".h-line")).not_to_contain_text(re.compile(failure.line), timeout=SOON)
        wait_until(
            lambda: not self._is_told(failure), f"neither API nor metrics tell of {failure.name}", PATIENCE
        )

    def _is_told(self, failure: Failure) -> bool:
        status, health = self.node.get("/api/mail/health")
        if status == 402:  # the API is locked; metrics are not
            return self._has_metric(failure.check.lower(), LEVELS[failure.level][2])
        told = [
            each["name"]
            for each in health["checks"]
            if each["level"] == failure.level and re.search(failure.says, each["sentence"])
        ]
        return any(self._has_metric(name, LEVELS[failure.level][2]) for name in told)

    def _has_metric(self, name: str, number: int) -> bool:
        _, text = self.node.exchange("GET", "/metrics")
        return f'quazzar_doctor{{check="{name}"}} {number}.0' in text.decode()
