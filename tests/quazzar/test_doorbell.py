"""The doorbell: rings tasks by name, joins rings that follow each other, and survives a broker that is down."""

from __future__ import annotations

import ast
import logging
import re
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from quazzar import doorbell
from quazzar.celery import app
from tests.test_architecture import modules

TASK = "mailrelay.tasks.deliver_outbox"


class Timers:
    """Stands in for ``threading.Timer``; ``end()`` is the end of the quiet time."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, list[str]]] = []

    def __call__(self, seconds: float, function: Any, arguments: list[str]) -> Timers:
        assert 0 < seconds <= doorbell.QUIET_SECONDS
        self.waiting.append((function, arguments))
        return self

    def start(self) -> None:
        """A real timer begins to wait here."""

    def end(self) -> None:
        waiting, self.waiting = self.waiting, []
        for function, arguments in waiting:
            function(*arguments)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """What reached the broker: (task, ids)."""
    messages: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(app, "send_task", lambda task, ids, **_: messages.append((task, ids)))
    monkeypatch.setattr(doorbell, "_last_rung", {})
    return messages


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    stand_in = Timers()
    monkeypatch.setattr("threading.Timer", stand_in)
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    return stand_in


def test_the_first_ring_goes_at_once(sent: list[Any], timers: Timers) -> None:
    doorbell.ring(TASK)
    assert sent == [(TASK, ())] and not timers.waiting


def test_rings_in_the_quiet_time_become_one_at_its_end(sent: list[Any], timers: Timers) -> None:
    for _ in range(5):
        doorbell.ring(TASK)
    assert len(sent) == 1
    timers.end()
    assert sent == [(TASK, ())] * 2


def test_another_task_does_not_wait_for_it(sent: list[Any], timers: Timers) -> None:
    doorbell.ring(TASK)
    doorbell.ring("mailboxes.tasks.push_changes")
    assert [task for task, _ in sent] == [TASK, "mailboxes.tasks.push_changes"]


def test_rings_with_ids_are_never_joined(sent: list[Any], timers: Timers) -> None:
    for job in (5, 5, 6):
        doorbell.ring("mailboxes.tasks.import_mailboxes", job)
    assert [ids for _, ids in sent] == [(5,), (5,), (6,)]


def test_a_broker_that_is_down_costs_a_warning_without_its_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("redis://user:secret@broker")

    monkeypatch.setattr(app, "send_task", refuse)
    monkeypatch.setattr(doorbell, "_last_rung", {})
    with caplog.at_level(logging.WARNING):
        doorbell.ring(TASK)
    assert "the next sweep will find" in caplog.text and "secret" not in caplog.text


@pytest.mark.slow
def test_every_task_that_is_named_exists() -> None:
    app.loader.import_default_modules()
    named = {
        node.value
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z]+\.tasks\.\w+", node.value)
    }
    assert (
        {TASK, "mailboxes.tasks.import_mailboxes", "mailboxes.tasks.push_changes"}
        <= named
        <= app.tasks.keys()
    )
