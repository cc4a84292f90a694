"""Which lines of the product the tests reach, measured where QUAZZAR_TEST_COVERAGE is set and processes share them.

slipcover removes the probe of a line once it was reached, so that measuring costs each process some seconds at its
start, and little after that; coverage.py made the tests take half as long again on Python 3.11. Code that runs in a
process that a test starts is not measured.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import slipcover

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [str(ROOT / app) for app in ("quazzar", "mailrelay", "mailboxes", "dnsrecords")]
OMITTED = ["*/migrations/*"]
#: The file that lists the lines that were not reached.
REPORT = ROOT / "coverage.txt"

_measured: slipcover.Slipcover | None = None
#: File → the lines of it that some process has reached.
_reached: dict[str, set[int]] = {}


def start() -> None:
    """Puts the probes in, if this is one of the processes that share the tests and the run is to be measured.

    To be called before the first module of the product is imported.
    """
    global _measured
    # Not for what the tests start in turn.
    if "PYTEST_XDIST_WORKER" in os.environ and os.environ.pop("QUAZZAR_TEST_COVERAGE", ""):
        _measured = slipcover.Slipcover(exclude_lines=[])
        slipcover.ImportManager(_measured, slipcover.FileMatcher(SOURCES, OMITTED)).__enter__()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands over the lines that this process reached."""
    if _measured is not None:
        files = _measured.get_coverage()["files"]
        lines = {name: file["executed_lines"] for name, file in files.items()}
        session.config.workeroutput["reached"] = json.dumps(lines)  # type: ignore[attr-defined]  # xdist's


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes over the lines that one of the processes reached."""
    for name, lines in json.loads(getattr(node, "workeroutput", {}).get("reached", "{}")).items():
        _reached.setdefault(name, set()).update(lines)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shares in one line; the lines that were not reached go into a file."""
    if not _reached:
        return
    whole = slipcover.Slipcover(source=SOURCES, omit=OMITTED).get_coverage()
    for name, file in whole["files"].items():
        every = {*file["executed_lines"], *file["missing_lines"]}
        file["executed_lines"] = sorted(every & _reached.get(name, set()))
        file["missing_lines"] = sorted(every - _reached.get(name, set()))
    slipcover.slipcover.add_summaries(whole)
    with REPORT.open("w") as out:
        slipcover.print_coverage(whole, outfile=out, skip_covered=True)
    terminalreporter.write_line(f"{sentence(whole['files'])}; the others are in {REPORT.name}")


def sentence(files: dict[str, dict[str, list[int]]]) -> str:
    """The share of lines that were reached, in all and of each app."""
    reached: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for name, file in files.items():
        app = (ROOT / name).relative_to(ROOT).parts[0]
        reached[app] += len(file["executed_lines"])
        lines[app] += len(file["executed_lines"]) + len(file["missing_lines"])
    shares = ", ".join(f"{app} {reached[app] / lines[app]:.1%}" for app in sorted(lines))
    return f"Coverage: {reached.total() / lines.total():.1%} of {lines.total():,} lines ({shares})"
