"""Counts per hour: kept with the results, filled by the upgrade, and never counted through the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailrelay.models import HourlyCount, Message
from mailrelay.queue import byhand, counts, outbox, retention
from mailrelay.queue.recording import Recorder
from mailrelay.smtp.dialogue import Envelope, Job, Outcome, Result
from quazzar.errors import DeliveryError

Queue = Callable[..., Message]
REFUSED = DeliveryError("No such user.", stage="recipient", smtp_code=550, permanent=True)
LATER = DeliveryError("Try later.", stage="data", smtp_code=451)


@pytest.fixture
def claimed(queued: Queue) -> Callable[[int], Recorder]:
    """A drain that has claimed so many messages."""

    def claim(number: int) -> Recorder:
        for _ in range(number):
            queued()
        return Recorder("me", {message.pk: message for message in outbox.claim("me", 100)})

    return claim


def results(recorder: Recorder, *errors: DeliveryError | None) -> list[Result]:
    """A result for each claimed message: sent, or this error."""
    return [
        Result(Job(key, Envelope("n@example.org", ("ops@example.com",), b"")), Outcome(error=error))
        for key, error in zip(recorder.rows, errors, strict=True)
    ]


def lately() -> dict[str, int]:
    return counts.since(timezone.now() - timedelta(hours=1))


def test_each_result_is_counted_once(claimed: Callable[[int], Recorder]) -> None:
    recorder = claimed(4)
    recorder.record(results(recorder, None, None, REFUSED, LATER))
    assert lately() == {"sent": 2, "failed": 1, "deferred": 1}
    numbers = counts.by_status()
    assert numbers == {"queued": 0, "sending": 0, "sent": 2, "retrying": 1, "failed": 1}


def test_a_batch_costs_one_statement_more(claimed: Callable[[int], Recorder]) -> None:
    recorder = claimed(3)
    with CaptureQueriesContext(connection) as queries:
        recorder.record(results(recorder, None, None, None))
    first, second = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert first.startswith("3 times: UPDATE ")
    assert second.startswith("INSERT ")


def test_a_result_of_somebody_elses_claim_is_not_counted(claimed: Callable[[int], Recorder]) -> None:
    recorder = claimed(2)
    sent, failed = results(recorder, None, REFUSED)
    recorder.owner = "somebody else"
    recorder.record([sent, failed])
    assert lately() == {"sent": 0, "failed": 0, "deferred": 0}


def test_mail_that_waits_for_the_relay_is_counted_as_deferred(claimed: Callable[[int], Recorder]) -> None:
    recorder = claimed(3)
    down = DeliveryError("No answer.", stage="connect")
    recorder.fail([*recorder.rows.values()], down)
    assert lately()["deferred"] == 3


def test_what_is_retried_or_deleted_leaves_the_stock_but_has_happened(
    claimed: Callable[[int], Recorder],
) -> None:
    recorder = claimed(3)
    again, gone, _ = recorder.rows.values()
    recorder.record(results(recorder, REFUSED, REFUSED, None))
    assert byhand.retry(Message.objects.get(pk=again.pk))
    assert retention.remove(Message.objects.filter(pk=gone.pk)) == 1
    assert counts.by_status() == {"queued": 1, "sending": 0, "sent": 1, "retrying": 0, "failed": 0}
    assert lately() == {"sent": 1, "failed": 2, "deferred": 0}
    assert not byhand.retry(Message.objects.get(status="sent"))
    assert counts.by_status()["sent"] == 1


def test_retention_takes_messages_from_the_stock_and_prunes_old_hours(
    claimed: Callable[[int], Recorder],
) -> None:
    recorder = claimed(2)
    recorder.record(results(recorder, None, REFUSED))
    Message.objects.update(created_at=timezone.now() - timedelta(days=400))
    old = counts.hour_of(timezone.now() - counts.KEPT - timedelta(hours=1))
    HourlyCount.objects.create(hour=old, outcome="sent", number=7)
    retention.purge()
    assert counts.by_status()["sent"] == counts.by_status()["failed"] == 0
    assert not HourlyCount.objects.filter(hour=old).exists()
    assert lately()["sent"] == 1


def test_the_most_that_waited_in_an_hour_is_remembered(queued: Queue) -> None:
    hour = counts.hour_of(timezone.now())
    counts.note_waiting()
    assert counts.hours(hour)[hour, "waiting"] == 0
    queued(), queued()
    counts.note_waiting()
    Message.objects.all().delete()
    counts.note_waiting()
    assert counts.hours(hour)[hour, "waiting"] == 2


def test_the_oldest_that_waits_is_found_in_whichever_status(queued: Queue) -> None:
    assert counts.oldest_waiting() is None
    rows = [queued() for _ in range(3)]
    for age, (row, status) in enumerate(zip(rows, ("retrying", "queued", "sent"), strict=True), start=1):
        Message.objects.filter(pk=row.pk).update(
            status=status, created_at=timezone.now() - timedelta(days=age)
        )
    oldest = counts.oldest_waiting()
    assert oldest is not None
    assert timedelta(days=2) <= timezone.now() - oldest < timedelta(days=2, minutes=1)


@pytest.mark.django_db
def test_no_figure_reads_its_way_through_sent_messages(subtests: pytest.Subtests) -> None:
    figures: dict[str, Callable[[], Any]] = {
        "by status": counts.by_status,
        "since": lately,
        "hours": lambda: counts.hours(timezone.now()),
        "oldest": counts.oldest_waiting,
        "waiting": counts.note_waiting,
    }
    for name, figure in figures.items():
        with subtests.test(figure=name), CaptureQueriesContext(connection) as queries:
            figure()
        for query in queries:
            if connection.vendor == "sqlite" and query["sql"].startswith("SELECT"):
                assert "SCAN mailrelay_message" not in plan(query["sql"]), query["sql"]


def plan(sql: str) -> str:
    """How SQLite would answer: a SCAN reads the whole table or index, a SEARCH a range of an index."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(row[-1] for row in cursor.fetchall())


# --- the upgrade -------------------------------------------------------------------------------------------
def test_of_a_long_queue_the_number_of_the_last_sweep_is_told(
    queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "COUNTED", 3)
    monkeypatch.setattr(counts, "_counted_at", -counts._EVERY)
    for _ in range(3):
        queued()
    assert counts.by_status()["queued"] == 3
    counts.note_waiting()
    for _ in range(3):
        queued()
    assert counts.by_status()["queued"] == 4  # at least: nobody has counted them all yet
    counts.note_waiting()
    assert counts.by_status()["queued"] == 4  # and not again within a minute
    monkeypatch.setattr(counts, "_counted_at", -counts._EVERY)
    counts.note_waiting()
    assert counts.by_status()["queued"] == 6
    assert counts.hours(timezone.now())[counts.hour_of(timezone.now()), "waiting"] == 6
    outbox.claim("me", 4)
    assert counts.by_status()["queued"] == 2  # short again: counted as it is


@pytest.fixture
def before(transactional_db: None) -> Iterator[Any]:
    """The models before there were counts."""
    executor = MigrationExecutor(connection)
    executor.migrate([("mailrelay", "0005_node_finding")])
    yield executor.loader.project_state([("mailrelay", "0005_node_finding")]).apps
    call_command("migrate", verbosity=0)


@pytest.mark.slow
def test_an_upgrade_counts_the_messages_that_are_there(before: Any) -> None:
    old = before.get_model("mailrelay", "Message")
    now = timezone.now()
    hour = counts.hour_of(now)
    error = {"stage": "data", "code": 554, "message": "no", "at": (now - timedelta(hours=2)).isoformat()}
    for status, fields in (
        ("sent", {"sent_at": now}),
        ("sent", {"sent_at": now}),
        ("sent", {"sent_at": now - timedelta(days=80)}),
        ("failed", {"last_error": error}),
        ("failed", {"last_error": None, "created_at": now - timedelta(hours=3)}),
        ("queued", {}),
    ):
        old.objects.create(status=status, message_id="<1@x>", **fields)
    call_command("migrate", verbosity=0)
    assert counts.by_status() == {"queued": 1, "sending": 0, "sent": 3, "retrying": 0, "failed": 2}
    assert counts.hours(datetime(2000, 1, 1, tzinfo=UTC)) == {
        (hour, "sent"): 2,
        (hour - timedelta(hours=2), "failed"): 1,
        (hour - timedelta(hours=3), "failed"): 1,
    }
