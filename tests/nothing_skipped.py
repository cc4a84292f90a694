"""Where CI asks for it, a skipped test fails the run: a real part that is missing must not look like a pass."""

from __future__ import annotations

import os

import pytest

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes each skip."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turns a green run with skips red."""
    if _skipped and os.environ.get("QUAZZAR_TEST_REQUIRE_REAL") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was skipped, loudly."""
    if _skipped:
        verdict = "FAIL this run" if os.environ.get("QUAZZAR_TEST_REQUIRE_REAL") else "were not run here"
        terminalreporter.section(f"{len(_skipped)} skipped tests {verdict}", "!")
