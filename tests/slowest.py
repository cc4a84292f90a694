"""The slowest tests, in one line at the end of a run; and in another, how soon the console showed each failure."""

from __future__ import annotations

from collections import Counter

import pytest

#: How many are named, and how many seconds a test must take for it.
MOST, LEAST = 5, 1.0

_seconds: Counter[str] = Counter()
_seen: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds up what a test and its fixtures take."""
    _seconds[report.nodeid] += report.duration  # type: ignore[assignment]  # a Counter of floats
    if report.when == "teardown":
        _seen.extend(str(value) for name, value in report.user_properties if name == "seen")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names them."""
    if slow := [item for item in _seconds.most_common(MOST) if item[1] >= LEAST]:
        named = (f"{nodeid.rpartition('/')[2]} {took:.0f} s" for nodeid, took in slow)
        terminalreporter.write_line(f"Slowest: {', '.join(named)}")
    if _seen:
        terminalreporter.write_line(f"Seen on Home and Doctor: {', '.join(_seen)}")
