"""The clock of the periodic tasks: when the machine's own clock is set, and inside the worker."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, signals
from celery.beat import Service

from quazzar.processes import beat
from quazzar.processes.beat import SteadyScheduler
from tests.quazzar.nodes import wait_until


class Watched(SteadyScheduler):
    """It notes what it sends, and its clock was set by ``jumped`` seconds."""

    jumped = 0.0

    def offset(self) -> float:
        return self.jumped

    sent: list[str]

    def apply_async(self, entry: Any, *_: Any, **__: Any) -> None:
        self.sent.append(entry.name)


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(hours=1)], ids=["back", "forward"])
def test_after_the_clock_was_set_tasks_come_once_per_period_as_before(
    monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    app = Celery("clock", broker="memory://")
    monkeypatch.setattr(app, "now", lambda: now)
    app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": 20}}
    scheduler = Watched(app)

    def sent_within(seconds: int) -> int:
        nonlocal now
        scheduler.sent = []
        for _ in range(seconds):
            now += timedelta(seconds=1)
            scheduler.tick()
        return len(scheduler.sent)

    # Celery looks a moment before each is due, and then again: a period may be a second longer.
    assert sent_within(100) in (4, 5)
    now, scheduler.jumped = now + jump, jump.total_seconds()
    assert sent_within(100) in (4, 5)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Whom the clock asked to stop, and with which signal."""
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(signals.worker_shutting_down, "receivers", [])
    monkeypatch.setattr("quazzar.processes.beat.os.kill", lambda *call: calls.append(call))
    return calls


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_whose_clock_fails_stops(
    monkeypatch: pytest.MonkeyPatch, stopped: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Service) -> None:
        raise OSError("no more files")

    monkeypatch.setattr(Service, "start", fail)
    beat.start_in_worker()
    wait_until(lambda: stopped == [(os.getpid(), signal.SIGTERM)], "the worker is asked to stop")
    assert "the clock ended by itself" in caplog.text


def test_a_clock_stops_with_its_worker(
    monkeypatch: pytest.MonkeyPatch, stopped: list[tuple[int, int]]
) -> None:
    services: list[Service] = []

    def start(self: Service) -> None:
        services.append(self)
        self._is_shutdown.wait(60)  # type: ignore[attr-defined]

    monkeypatch.setattr(Service, "start", start)
    beat.start_in_worker()
    wait_until(lambda: bool(services), "the clock runs")
    assert not services[0]._is_shutdown.is_set()  # type: ignore[attr-defined]
    signals.worker_shutting_down.send(sender=None)
    assert services[0]._is_shutdown.is_set()  # type: ignore[attr-defined]
    wait_until(lambda: "beat" not in {thread.name for thread in threading.enumerate()}, "the clock ends")
    assert not stopped
