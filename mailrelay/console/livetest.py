"""The test mail, shown while it runs: a line of JSON for each change of a stage, then one for the result."""

from __future__ import annotations

import contextvars
import json
import logging
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.template.loader import render_to_string

from mailrelay.diagnosis import testmail
from mailrelay.diagnosis.testmail import Step, TestResult
from mailrelay.smtp.dialogue import STAGES
from quazzar.errors import QuazzarError

logger = logging.getLogger(__name__)

LABELS = {
    "resolve": "Resolve the host",
    "connect": "Connect",
    "tls": "TLS",
    "auth": "Sign in (auth)",
    "sender": "Sender",
    "recipient": "Recipient",
    "data": "Data",
    "done": "Done",
}
_BROKEN_OFF = "The test stopped because of an error in Quazzar. Its log says why."


@dataclass(frozen=True, slots=True)
class Line:
    """One stage as it is shown; state is pending, running, ok, failed or skipped."""

    stage: str
    label: str
    state: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The result of a test that could not run: what a ``TestResult`` says, without stages."""

    message: str
    hint: str = ""
    ok: bool = False


def lines(steps: list[Step], *, over: bool = False) -> list[Line]:
    """Every stage in order, also those that were not reached."""
    reached = {step.stage: step for step in steps}
    rest = "skipped" if over else "pending"
    return [
        Line(stage, LABELS[stage], reached[stage].state, reached[stage].duration_ms)
        if stage in reached
        else Line(stage, LABELS[stage], rest, 0)
        for stage in STAGES
    ]


def run(to: str) -> TestResult | Broken:
    """Run the whole test, for a browser without scripts."""
    try:
        return testmail.run(to)
    except QuazzarError as exc:
        return Broken(exc.message, exc.hint)


def stream(to: str) -> Iterator[str]:
    """Run the test and yield a line of JSON whenever a stage changes; its values are HTML to show."""
    changes: queue.SimpleQueue[list[Step] | None] = queue.SimpleQueue()
    # The thread runs in the request's context, so that what the test logs has the request's id.
    context = contextvars.copy_context()
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay-test")
    walk = pool.submit(context.run, _walk, to, changes.put)
    pool.shutdown(wait=False)
    yield _line("stages", lines([]))
    while (steps := changes.get()) is not None:
        yield _line("stages", lines(steps))
    result = _ending(walk)
    if isinstance(result, TestResult):
        yield _line("stages", lines(result.steps, over=True))
    yield _line("result", result)


def _walk(to: str, report: Callable[[list[Step] | None], None]) -> TestResult:
    try:
        return testmail.run(to, on_steps=lambda steps: report([_copy(step) for step in steps]))
    finally:
        # The reader waits for the end, also after an error; and this thread's database connection ends here.
        connections.close_all()
        report(None)


def _ending(walk: Future[TestResult]) -> TestResult | Broken:
    error = walk.exception()
    if error is None:
        return walk.result()
    if isinstance(error, QuazzarError):
        return Broken(error.message, error.hint)
    logger.error("the relay test stopped", exc_info=error)
    return Broken(_BROKEN_OFF)


def _copy(step: Step) -> Step:
    return Step(step.stage, step.state, step.duration_ms)


def _line(part: str, value: Any) -> str:
    html = render_to_string(f"mailrelay/_test_{part}.html", {part: value})
    return json.dumps({part: html}) + "\n"
