"""Following the logs: nothing is lost or doubled by restarts of the worker, of a container or of Docker."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from mailboxes.engine.logstream import LogLine
from mailboxes.maillog import filing, following, retention
from mailboxes.maillog.daemons.event import Event, Kind
from mailboxes.maillog.following import PARSERS, Follower, Superseded
from mailboxes.maillog.positions import OVERLAP, SECOND, Position
from mailboxes.models import Journey, JourneyKey, LogPosition, MailEvent, Stack
from mailboxes.monitoring import maillog as monitoring
from tests.fakeparts import FakeContainer
from tests.mailboxes.maillog import records
from tests.mailboxes.stackengine import StackEngine

pytestmark = pytest.mark.django_db


def follower(engine: StackEngine) -> Follower:
    return Follower(engine, threading.Event(), pause=lambda seconds: None)


@pytest.fixture
def logged(up: StackEngine) -> StackEngine:
    """The fake Engine, whose containers have written the recorded lines just now."""
    for service in PARSERS:
        up.boxes[f"qz-{service}"].lines = fresh(service)
    return up


def fresh(service: str) -> list[LogLine]:
    """The recorded lines, as if the last one had just been written."""
    shift = time.time_ns() - max(line.at_ns for name in PARSERS for line in records.lines(name))
    return [LogLine(line.at_ns + shift, line.text) for line in records.lines(service)]


def box(engine: StackEngine, service: str = "postfix") -> FakeContainer:
    return engine.boxes[f"qz-{service}"]


def stored() -> tuple[int, int, int]:
    return Journey.objects.count(), MailEvent.objects.count(), JourneyKey.objects.count()


def test_what_the_logs_hold_is_stored_and_then_what_comes(logged: StackEngine) -> None:
    once = follower(logged)
    once.turn()
    before = stored()
    assert before[0] > 20 and before[1] > 100
    once.turn()
    assert stored() == before
    box(logged).lines.append(
        LogLine(time.time_ns(), "I postfix/smtpd[1]: ABCDEF12: client=unknown[192.0.2.99]")
    )
    once.turn()
    assert Journey.objects.latest("id").client == "192.0.2.99"
    postfix = LogPosition.objects.get(service="postfix")
    assert postfix.lines == len(box(logged).lines) and postfix.counts["deferred"] == 6
    assert 0 <= postfix.lag < 60


def test_another_follower_goes_on_where_the_last_one_ended(logged: StackEngine) -> None:
    follower(logged).turn()
    before = stored()
    follower(logged).turn()
    assert stored() == before


def test_a_batch_that_was_not_stored_is_read_again(
    logged: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(filing.Filer, "_write", broken)
        with pytest.raises(DatabaseError):
            follower(logged).turn()
    assert stored() == (0, 0, 0) and LogPosition.objects.get(service="postfix").at_ns == 0
    follower(logged).turn()
    assert stored()[0] > 20


def test_lines_after_the_container_started_again_or_was_made_anew_are_found(
    logged: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = follower(logged)
    once.turn()
    box(logged).status = "exited"
    once.turn()
    box(logged).status = "running"
    line = LogLine(time.time_ns(), "I postfix/smtpd[1]: ABCDEF12: client=unknown[192.0.2.99]")
    box(logged).lines = [line]
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    once.turn()
    assert Journey.objects.latest("id").client == "192.0.2.99"


def test_a_container_that_is_missing_is_told_and_the_others_are_followed(logged: StackEngine) -> None:
    del logged.boxes["qz-dovecot"]
    follower(logged).turn()
    assert "qz-dovecot" in LogPosition.objects.get(service="dovecot").problem
    assert Journey.objects.exists()
    finding = monitoring.examine()
    assert finding.level == "failed" and "Dovecot" in finding.sentence


def test_two_followers_never_store_the_same_lines(logged: StackEngine) -> None:
    first, second = follower(logged), follower(logged)
    first.turn()
    before = stored()
    with pytest.raises(Superseded):
        second.turn()
    assert stored() == before


def test_a_burst_is_stored_in_portions(logged: StackEngine) -> None:
    begun = time.time_ns()
    box(logged).lines = [
        LogLine(
            begun + number, f"I postfix/smtpd[{number}]: {0xABCDEF00 + number:X}: client=unknown[192.0.2.9]"
        )
        for number in range(4500)
    ]
    once = follower(logged)
    turns = [once.turn() for _ in range(3)]
    assert turns == [True, True, False]
    assert Journey.objects.filter(client="192.0.2.9").count() == 4500


def test_it_ends_when_the_stack_is_disabled(logged: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(10**9, 2 * 10**9, 20))
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    Stack.objects.update(enabled=False)
    follower(logged).run()
    assert not following.wanted()


def test_nothing_is_followed_if_it_is_switched_off(logged: StackEngine, settings: Any) -> None:
    settings.QUAZZAR_MAIL_LOG_DAYS = 0
    following.ensure()
    assert following._thread is None
    assert monitoring.examine().level == "ok"


# --- where to go on


def test_the_same_lines_are_known_and_others_of_the_same_time_are_not() -> None:
    one, two, three = (LogLine(10 * SECOND, text) for text in ("a", "b", "c"))
    position = Position()
    assert position.fresh([one, two]) == [one, two]
    again = Position(position.at_ns, position.recent)
    assert again.fresh([one, two, three]) == [three]
    assert again.since(20 * SECOND, 0) == 10 * SECOND - OVERLAP


def test_a_clock_that_was_set_back_does_not_end_the_following() -> None:
    position = Position(1_000 * SECOND)
    assert position.since(now_ns=400 * SECOND, oldest_ns=0) == 399 * SECOND
    assert position.fresh([LogLine(400 * SECOND, "a")]) and position.at_ns == 400 * SECOND


def test_only_the_digests_of_the_last_moment_are_kept() -> None:
    position = Position()
    position.fresh([LogLine(second * SECOND, "a") for second in range(1, 100)])
    assert len(position.recent) == 1


# --- what is kept, and what is told


def test_what_is_old_is_removed_with_all_that_belongs_to_it(logged: StackEngine, settings: Any) -> None:
    follower(logged).turn()
    count = Journey.objects.count()
    assert retention.purge() == 0
    Journey.objects.filter(pk__in=Journey.objects.order_by("pk")[:5]).update(
        last_at=timezone.now() - timedelta(days=15)
    )
    assert retention.purge() == 5
    assert stored()[0] == count - 5
    assert not MailEvent.objects.exclude(journey__in=Journey.objects.all()).exists()


def test_a_mail_that_never_came_does_not_wait_for_ever(up: StackEngine) -> None:
    """Other servers ask whether an address exists, and hang up."""
    accepted = Event("postfix", Kind.ACCEPTED, "A1B2C3D4", client="192.0.2.1")
    filing.store([(timezone.now() - timedelta(hours=2), accepted)])
    filing.store([(timezone.now(), replace(accepted, queue_id="A1B2C3D5"))])
    retention.purge()
    assert [row.state for row in Journey.objects.order_by("id")] == ["broken", "arriving"]


def test_more_than_fit_are_removed_too(logged: StackEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    follower(logged).turn()
    monkeypatch.setattr(retention, "MOST_JOURNEYS", 10)
    retention.purge()
    assert Journey.objects.count() <= 10


def test_doctor_tells_when_following_stands_still(logged: StackEngine) -> None:
    assert monitoring.examine().level == "warning"
    follower(logged).turn()
    assert monitoring.examine().level == "ok"
    LogPosition.objects.update(looked_at=timezone.now() - timedelta(minutes=10))
    finding = monitoring.examine()
    assert finding.level == "failed" and "10 min" in finding.sentence


def test_metrics_count_lines_events_and_refusals(logged: StackEngine) -> None:
    assert list(monitoring.collect()) == []
    follower(logged).turn()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in monitoring.collect()
        for sample in metric.samples
    }
    assert samples["quazzar_maillog_lines_total", "postfix"] == len(box(logged).lines)
    assert samples["quazzar_maillog_events_total", "postfix", "deferred"] == 6
    assert samples["quazzar_maillog_refused_total",] == 10
    assert samples["quazzar_maillog_lag_seconds", "postfix"] >= 0


def test_a_line_that_cannot_be_read_does_not_stop_the_following(
    logged: StackEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(line: str) -> tuple[Event, ...]:
        raise ValueError("no number")

    monkeypatch.setitem(following.PARSERS, "rspamd", fails)
    follower(logged).turn()
    assert LogPosition.objects.get(service="rspamd").lines == len(box(logged, "rspamd").lines)
    assert Journey.objects.count() > 20
