"""The test mail while it runs: one JSON line for each change of a stage, then one for the result."""

from __future__ import annotations

import contextvars
import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.template.loader import render_to_string

from mailrelay import relaytest
from mailrelay.dialogue import STAGES
from mailrelay.relaytest import Step, TestResult
from quazzar.errors import QuazzarError

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
    told: queue.SimpleQueue[list[Step] | TestResult | Broken] = queue.SimpleQueue()
    # The request's context goes along, so that its id is in what the test logs.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_walk, to, told.put), name="relay-test", daemon=True).start()
    yield _line("stages", lines([]))
    while True:
        news = told.get()
        if isinstance(news, list):
            yield _line("stages", lines(news))
            continue
        if isinstance(news, TestResult):
            yield _line("stages", lines(news.steps, over=True))
        yield _line("result", news)
        return


def _walk(to: str, tell: Callable[[list[Step] | TestResult | Broken], None]) -> None:
    last: TestResult | Broken = Broken(_BROKE_OFF)
    try:
        last = relaytest.run(to, on_steps=lambda steps: tell([_copy(step) for step in steps]))
    except QuazzarError as exc:
        last = Broken(exc.message, exc.hint)
    finally:
        # Whatever happens, the reader is told; and this thread's database connection ends with it.
        tell(last)
        connections.close_all()


def _copy(step: Step) -> Step:
    return Step(step.stage, step.state, step.duration_ms)


def _line(part: str, value: Any) -> str:
    html = render_to_string(f"mailrelay/_test_{part}.html", {part: value})
    return json.dumps({part: html}) + "\n"
