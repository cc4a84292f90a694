"""The clock of the periodic tasks, when the machine's own clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery

from quazzar.processes.beat import SteadyScheduler


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
