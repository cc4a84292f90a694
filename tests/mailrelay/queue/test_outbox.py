"""The durable queue: put in, claim, record, give back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import byhand, outbox, recording, statements
from mailrelay.queue.recording import Recorder
from mailrelay.smtp.dialogue import Envelope, Job, Outcome, Result
from quazzar.errors import IdempotencyConflict, InvalidEmail, RelayNotConfigured

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]


def test_without_a_relay_nothing_is_stored() -> None:
    with pytest.raises(RelayNotConfigured):
        outbox.enqueue(Email(to=["ops@example.com"]), source="api")
    assert not Message.objects.exists()


def test_a_queued_mail_is_a_sealed_row(queued: Queue) -> None:
    row = Message.objects.get(pk=queued("ops@example.com").pk)
    assert (row.status, row.to, row.envelope_sender) == ("queued", ["ops@example.com"], "node@example.org")
    assert row.body is not None
    assert b"92 %" in bytes(row.body.reveal())
    assert "92 %" not in repr(row.body)


def test_the_bell_rings_after_the_commit_and_not_after_a_rollback(
    relay: RelaySettings, rings: list[str], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        outbox.enqueue(Email(to=["ops@example.com"]), source="api")
        raise ZeroDivisionError
    assert rings == []
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        outbox.enqueue(Email(to=["ops@example.com"]), source="api")
        assert rings == []
    assert rings == ["ring"]


def test_a_bad_mail_in_a_batch_stores_none_of_it(relay: RelaySettings) -> None:
    with pytest.raises(InvalidEmail):
        outbox.enqueue_many([Email(to=["ops@example.com"]), Email(to=["not an address"])], source="api")
    assert not Message.objects.exists()


def test_a_batch_is_stored_and_ordered(relay: RelaySettings) -> None:
    rows = outbox.enqueue_many(
        [Email(to=["ops@example.com"], subject=str(n)) for n in range(3)], source="api"
    )
    assert [row.pk for row in outbox.claim("me", 10)] == [row.pk for row in rows]
    assert [row.subject for row in rows] == ["0", "1", "2"]


def test_the_same_key_gives_the_same_row(queued: Queue) -> None:
    assert queued(key="k").pk == queued(key="k").pk
    assert Message.objects.count() == 1


def test_the_same_key_for_another_mail_is_refused(queued: Queue) -> None:
    queued(key="k")
    with pytest.raises(IdempotencyConflict):
        queued(key="k", subject="Other")


def test_a_key_is_free_again_after_a_day(queued: Queue) -> None:
    first = queued(key="k")
    Message.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(hours=25))
    assert queued(key="k").pk != first.pk


def test_a_message_is_claimed_once(queued: Queue) -> None:
    row = queued()
    assert [message.pk for message in outbox.claim("me", 10)] == [row.pk]
    assert outbox.claim("you", 10) == []


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_share_the_messages_and_none_of_them_fails(relay: RelaySettings) -> None:
    """On PostgreSQL, workers that waited for each other's rows ended in deadlocks."""
    outbox.enqueue_many(
        [Email(to=["ops@example.com"], subject=str(n), text="x") for n in range(400)], source="api"
    )
    start = threading.Barrier(4)

    def claim(owner: str) -> list[int]:
        start.wait(30)
        try:
            batches = iter(lambda: outbox.claim(owner, 20), [])
            return [message.pk for batch in batches for message in batch]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        claimed = [pk for keys in pool.map(claim, "abcd") for pk in keys]
    # A worker may leave what another one just looks at to the next sweep.
    left = [message.pk for message in outbox.claim("late", 400)]
    assert sorted(claimed + left) == sorted(Message.objects.values_list("pk", flat=True))


def test_a_claim_counts_as_an_attempt_and_a_release_does_not(queued: Queue) -> None:
    row = queued()
    outbox.claim("me", 10)
    assert outbox.release("me", [row.pk]) == 1
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("queued", 0)


def test_what_is_not_due_is_not_claimed(queued: Queue) -> None:
    row = queued()
    Message.objects.filter(pk=row.pk).update(next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert outbox.claim("me", 10) == []
    assert not outbox.anything_due()


def test_an_expired_lease_is_freed_and_a_renewed_one_is_not(queued: Queue) -> None:
    row = queued()
    outbox.claim("me", 10)
    assert outbox.expire_leases() == 0
    Message.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert outbox.expire_leases() == 1
    row.refresh_from_db()
    assert row.status == "retrying"


@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_no_row_that_another_worker_has_locked(relay: RelaySettings, queued: Queue) -> None:
    first, second, third = (queued().pk for _ in range(3))
    with locked_elsewhere(second) as is_locked:
        claimed = [row.pk for row in outbox.claim("me", 10)]
    # Two workers that each waited for a row of the other would end in a deadlock.
    assert claimed == [first, third] if is_locked else [first, second, third]


@contextmanager
def locked_elsewhere(number: int) -> Iterator[bool]:
    """The row is locked in another transaction; False on SQLite, which has no locks on rows."""
    if connection.vendor != "postgresql":
        yield False
        return
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor, connection.cursor() as own:
            cursor.execute("SELECT id FROM mailrelay_message WHERE id = %s FOR UPDATE", [number])
            own.execute("SET lock_timeout = '20s'")
            yield True
            own.execute("RESET lock_timeout")
    finally:
        other.close()


def test_only_the_leases_of_the_owners_that_are_named_run_out(queued: Queue) -> None:
    row = queued()
    outbox.claim("me", 10)
    Message.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(hours=1))
    assert outbox.expire_leases([]) == 0
    assert outbox.expire_leases(["another"]) == 0
    assert outbox.expire_leases(["me"]) == 1


def test_a_lease_from_before_the_clock_was_set_back_is_freed(queued: Queue) -> None:
    row = queued()
    outbox.claim("me", 10)
    Message.objects.filter(pk=row.pk).update(lease_until=timezone.now() + timedelta(days=1))
    assert outbox.expire_leases() == 1


def test_a_machine_whose_clock_is_not_the_databases_takes_no_time_of_the_others_for_wrong(
    queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert statements.clock_agrees(timezone.now(), timedelta(minutes=2))
    agrees = connection.vendor == "sqlite"  # whose clock is this machine's
    assert statements.clock_agrees(timezone.now() - timedelta(hours=1), timedelta(minutes=2)) is agrees
    row = queued()
    outbox.claim("me", 10)
    ahead = timezone.now() + timedelta(days=1)
    Message.objects.filter(pk=row.pk).update(lease_until=ahead, created_at=ahead)
    monkeypatch.setattr(statements, "clock_agrees", lambda now, slack: False)
    assert (outbox.expire_leases(), outbox.follow_clock()) == (0, 0)


@pytest.mark.parametrize(
    ("status", "ahead", "hurried"),
    [
        ("queued", timedelta(minutes=1), 0),
        ("queued", timedelta(hours=1), 1),
        ("retrying", timedelta(hours=2), 0),
        ("retrying", timedelta(days=1), 1),
        ("failed", timedelta(days=1), 0),
    ],
)
def test_after_the_clock_was_set_back_mail_does_not_wait_for_the_old_time(
    queued: Queue, status: str, ahead: timedelta, hurried: int
) -> None:
    row = queued()
    then = timezone.now() + ahead
    Message.objects.filter(pk=row.pk).update(status=status, next_attempt_at=then, created_at=then)
    assert outbox.follow_clock() == hurried
    assert outbox.anything_due() == bool(hurried)


def test_a_long_queue_that_waits_for_its_next_attempt_is_not_read_whole_to_look_for_a_wrong_clock(
    queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_DUE_LAST", 2)
    first, *others = [queued() for _ in range(4)]
    now = timezone.now()
    Message.objects.filter(pk=first.pk).update(next_attempt_at=now + timedelta(minutes=10))
    later = Message.objects.filter(pk__in=[row.pk for row in others])
    later.update(status="retrying", next_attempt_at=now + timedelta(hours=1))
    assert outbox.follow_clock() == 0
    later.update(next_attempt_at=now)
    assert outbox.follow_clock() == 1


def test_a_result_of_somebody_elses_claim_changes_nothing(queued: Queue) -> None:
    row = queued()
    outbox.claim("me", 10)
    outbox.record_sent("you", [row.pk])
    row.refresh_from_db()
    assert row.status == "sending"


def test_a_delivered_body_is_removed(queued: Queue) -> None:
    row = queued()
    outbox.claim("me", 10)
    outbox.record_sent("me", [row.pk])
    row.refresh_from_db()
    assert (row.status, row.body, row.next_attempt_at) == ("sent", None, None)


def test_a_temporary_failure_comes_back_within_five_minutes(queued: Queue) -> None:
    queued()
    (claimed,) = outbox.claim("me", 10)
    outbox.record_failure("me", claimed, {"stage": "data", "code": 451, "message": "later"}, permanent=False)
    row = Message.objects.get()
    assert row.status == "retrying"
    assert row.next_attempt_at is not None
    assert timezone.now() < row.next_attempt_at < timezone.now() + timedelta(minutes=5)


def test_a_temporary_failure_of_an_old_message_is_a_dead_letter(queued: Queue) -> None:
    queued()
    Message.objects.update(created_at=timezone.now() - timedelta(days=2), attempts=20)
    (claimed,) = outbox.claim("me", 10)
    outbox.record_failure("me", claimed, {"stage": "data", "code": 451, "message": "later"}, permanent=False)
    row = Message.objects.get()
    assert (row.status, row.next_attempt_at) == ("failed", None)
    assert row.body is not None


def test_a_dead_letter_can_be_tried_again_and_a_sent_message_cannot(queued: Queue) -> None:
    row = queued()
    (claimed,) = outbox.claim("me", 10)
    outbox.record_failure("me", claimed, {"stage": "data", "code": 554, "message": "no"}, permanent=True)
    assert byhand.retry(row)
    assert [again.pk for again in outbox.claim("me", 10)] == [row.pk]
    outbox.record_sent("me", [row.pk])
    assert not byhand.retry(row)


def test_when_the_relay_answers_again_only_its_own_failures_are_brought_forward(queued: Queue) -> None:
    queued(), queued()
    for row, stage in zip(outbox.claim("me", 10), ("connect", "data"), strict=True):
        outbox.record_failure("me", row, {"stage": stage, "code": None, "message": "no"}, permanent=False)
    assert outbox.bring_forward() == 1
    (again,) = outbox.claim("me", 10)
    error = Message.objects.get(pk=again.pk).last_error
    assert error is not None
    assert (error["stage"], error["code"], error["message"]) == ("connect", None, "no")


@pytest.mark.django_db(transaction=True)
def test_a_mail_is_committed_before_its_caller_and_the_worker_know(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def count_elsewhere() -> None:
        def look() -> None:
            seen.append(Message.objects.count())
            connection.close()

        thread = threading.Thread(target=look)  # with a connection of its own
        thread.start()
        thread.join(30)

    monkeypatch.setattr(outbox, "ring", count_elsewhere)
    for number, to in enumerate(
        (["a@example.com"], ["a@example.com", "b@example.com"], ["c@example.com"]), 1
    ):
        outbox.enqueue(Email(to=to, subject="x", text="x"), source="api")
        count_elsewhere()
        assert seen == [number, number]
        seen.clear()
        assert connection.get_autocommit()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        outbox.enqueue(Email(to=["d@example.com"], subject="x", text="x"), source="api")
        raise ZeroDivisionError
    assert (seen, Message.objects.count()) == ([], 3)


# --- what a claim costs


def test_a_claim_does_not_read_all_that_waits(relay: RelaySettings) -> None:
    """Without statistics, SQLite would sort the whole queue for each hundred messages."""
    with CaptureQueriesContext(connection) as taken:
        outbox.claim("me", 100)
    (claim,) = [one["sql"] for one in taken.captured_queries if "RETURNING" in one["sql"]]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + claim.replace("%", "%%"))
            plan = [row[3] for row in cursor.fetchall()]
        assert any("INDEX message_due (next_attempt_at<?)" in step for step in plan), plan
        assert not any("TEMP B-TREE" in step for step in plan), plan
    else:
        assert "SKIP LOCKED" in claim


@pytest.mark.django_db(transaction=True)
def test_results_reach_the_disk_at_once_unless_more_are_to_come(
    queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, levels = 2, []

    def synchronous() -> int:
        if connection.vendor != "sqlite":
            return full
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous")
            return int(cursor.fetchone()[0])

    monkeypatch.setattr(recording, "_UNSYNCED_SECONDS", 3600)
    for _ in range(44):
        queued()
    rows = {row.pk: row for row in outbox.claim("me", 100)}
    recorder = Recorder("me", dict(rows))
    mark_sent = statements.mark_sent

    def noted(*args: Any, **kwargs: Any) -> int:
        levels.append(synchronous())
        return mark_sent(*args, **kwargs)

    monkeypatch.setattr(statements, "mark_sent", noted)
    for n, pk in enumerate(rows):
        job = Job(pk, Envelope("a@example.com", ("b@example.com",), b"x"))
        recorder.record([Result(job, Outcome(), in_doubt=True, seconds=0.1)], more=n not in (1, 43))
    # Each but the second (the last of its drain), the one after forty, and the last.
    synced = [1, 42, 43] if connection.vendor == "sqlite" else list(range(44))
    assert [n for n, level in enumerate(levels) if level == full] == synced
    assert synchronous() == full
    assert Message.objects.filter(status="sent").count() == 44
