"""The test mail while it runs: one JSON line for each change of a stage, then one for the result."""

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

from mailrelay.diagnosis import testmail as relaytest
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
_BROKE_OFF = "The test broke off because of an error in Quazzar itself; its log says which."


@dataclass(frozen=True, slots=True)
class Line:
    """One stage as it is shown; state is pending, running, ok, failed or skipped."""

    stage: str
    label: str
    state: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The test could not run; it has a result's words and nothing else."""

    message: str
    hint: str = ""
    ok: bool = False


def lines(steps: list[Step], *, over: bool = False) -> list[Line]:
    """Every stage in order, also those that were not reached."""
    met = {step.stage: step for step in steps}
    rest = "skipped" if over else "pending"
    return [
        Line(stage, LABELS[stage], met[stage].state, met[stage].duration_ms)
        if stage in met
        else Line(stage, LABELS[stage], rest, 0)
        for stage in STAGES
    ]


def run(to: str) -> TestResult | Broken:
    """The whole test at once, for a browser that does not read along."""
    try:
        return relaytest.run(to)
    except QuazzarError as exc:
        return Broken(exc.message, exc.hint)


def stream(to: str) -> Iterator[str]:
    """The test, told while it runs: lines of JSON whose values are HTML to show."""
    told: queue.SimpleQueue[list[Step] | None] = queue.SimpleQueue()
    # The request's context goes along, so that its id is in what the test logs.
    context = contextvars.copy_context()
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay-test")
    walk = pool.submit(context.run, _walk, to, told.put)
    pool.shutdown(wait=False)
    yield _line("stages", lines([]))
    while (steps := told.get()) is not None:
        yield _line("stages", lines(steps))
    result = _ending(walk)
    if isinstance(result, TestResult):
        yield _line("stages", lines(result.steps, over=True))
    yield _line("result", result)


def _walk(to: str, tell: Callable[[list[Step] | None], None]) -> TestResult:
    try:
        return relaytest.run(to, on_steps=lambda steps: tell([_copy(step) for step in steps]))
    finally:
        # Whatever happens, the reader is told; and this thread's database connection ends with it.
        connections.close_all()
        tell(None)


def _ending(walk: Future[TestResult]) -> TestResult | Broken:
    error = walk.exception()
    if error is None:
        return walk.result()
    if isinstance(error, QuazzarError):
        return Broken(error.message, error.hint)
    logger.error("the relay test broke off", exc_info=error)
    return Broken(_BROKE_OFF)


def _copy(step: Step) -> Step:
    return Step(step.stage, step.state, step.duration_ms)


def _line(part: str, value: Any) -> str:
    html = render_to_string(f"mailrelay/_test_{part}.html", {part: value})
    return json.dumps({part: html}) + "\n"
