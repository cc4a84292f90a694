"""The durable queue: store, claim, record, release. Every change of state is one conditional UPDATE."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from mailrelay.history import Entry
from mailrelay.mail import addresses, emails, mime, payload
from mailrelay.mail.emails import Email
from mailrelay.models import Message, envelope
from mailrelay.queue import backoff, statements
from mailrelay.relay.target import default_from
from quazzar import doorbell, words
from quazzar.actors import current_actor
from quazzar.errors import IdempotencyConflict, InvalidEmail, RelayNotConfigured

#: How long a claim holds without being renewed: what a killed worker had claimed is free after that.
LEASE = timedelta(seconds=60)
#: Stages at which a failure is the relay's, whatever the mail.
RELAY_STAGES = ("resolve", "connect", "tls", "auth")
#: What messages wait for that ends when the relay lets us in.
_THE_RELAY = (*RELAY_STAGES, "password")
#: Rows of one transaction, so that nobody waits long for the database.
_PORTION = 5_000
#: How many messages are looked at for times that a wrong clock gave them.
_DUE_LAST = 1_000
#: How many messages find out whether changed settings work.
_FIRST = 100
#: How long an idempotency key stays taken.
IDEMPOTENCY_WINDOW = timedelta(hours=24)
#: How far the clocks of machines that share a database may differ before it counts as a clock that was set.
CLOCK_SLACK = timedelta(minutes=2)
#: The task that the worker runs for new mail.
DELIVER_OUTBOX = "mailrelay.tasks.deliver_outbox"
Status = Message.Status


def ring() -> None:
    """Wake the worker to deliver what is due; never raises."""
    doorbell.ring(DELIVER_OUTBOX)


# --- in ----------------------------------------------------------------------------------------------------
def enqueue(email: Email, *, source: str, idempotency_key: str | None = None) -> Message:
    """Store one mail and, after the commit, wake the worker.

    Raises:
        RelayNotConfigured: no relay is set.
        InvalidEmail: the mail cannot be sent as it is.
        IdempotencyConflict: the key was used for another mail within ``IDEMPOTENCY_WINDOW``.
    """
    row = _row(email, source, _sender())
    return _store(row, idempotency_key)


def enqueue_many(batch: Iterable[Email], *, source: str) -> list[Message]:
    """Store many mails in one statement, all or none, and wake the worker once.

    Raises:
        RelayNotConfigured: no relay is set.
        InvalidEmail: a mail cannot be sent as it is; none is stored.
    """
    sender = _sender()
    with transaction.atomic():
        rows = Message.objects.bulk_create([_row(email, source, sender) for email in batch], batch_size=500)
        statements.index(rows)
        transaction.on_commit(ring)
    return rows


def enqueue_raw(
    data: bytes,
    *,
    sender: str,
    recipients: Sequence[str],
    to: Sequence[str],
    subject: str,
    message_id: str,
    source: str,
) -> Message:
    """Store a complete MIME message (from Django's mail or sendmail) with its envelope, and wake the worker.

    Args:
        sender: the envelope sender; empty for the null sender of bounces.
        to: the header recipients, as shown in the queue.

    Raises:
        RelayNotConfigured: no relay is set.
        InvalidEmail: there is no recipient, or the message is too large.
    """
    _sender()
    if not recipients:
        raise InvalidEmail("to", "Enter at least one recipient.")
    most = emails.MAX_BYTES * 2  # what is attached is encoded already
    if len(data) > most:
        raise InvalidEmail(
            "attachments", f"The mail has {words.size(len(data))}; the limit is {words.size(most)}."
        )
    row = Message(
        source=source,
        message_id=message_id,
        submitted_by=current_actor(),
        envelope_sender=sender,
        to=[*to],
        **envelope([*recipients]),
        subject=subject,
        body=payload.from_raw(data),
    )
    return _store(row, None)


def _sender() -> str:
    """The from address of mail that names none.

    Plain SQL, because this runs before every mail: building the query would cost half as much as the INSERT.

    Raises:
        RelayNotConfigured: no relay is set.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT host, from_address, username FROM mailrelay_relaysettings WHERE id = 1")
        row = cursor.fetchone()
    if row is None or not row[0]:
        raise RelayNotConfigured
    return default_from(row[1], row[2])


def _row(email: Email, source: str, fallback: str) -> Message:
    emails.check(email)
    recipients = emails.recipients(email)
    sender = addresses.split(email.from_address)[1] if email.from_address else fallback
    return Message(
        source=source,
        message_id=mime.new_message_id(sender),
        submitted_by=current_actor(),
        envelope_sender=sender,
        to=[*emails.listed(email.to)],
        **envelope(recipients),
        subject=email.subject,
        body=payload.from_email(email),
    )


def _store(row: Message, key: str | None) -> Message:
    if key is None and row.only_recipient is not None and not connection.in_atomic_block:
        statements.insert(row)  # a single statement is a transaction of its own
        ring()
        return row
    with transaction.atomic():
        if key is None:
            statements.insert(row)
        else:
            row.idempotency_key = key
            earlier = _insert_or_find(row, key)
            if earlier is not None:
                return earlier
        transaction.on_commit(ring)
    return row


def _insert_or_find(row: Message, key: str) -> Message | None:
    """Insert the row, or return the one that has the key already.

    Raises:
        IdempotencyConflict: that one is another mail.
    """
    Message.objects.filter(idempotency_key=key, created_at__lt=timezone.now() - IDEMPOTENCY_WINDOW).update(
        idempotency_key=None
    )
    try:
        with transaction.atomic():
            statements.insert(row)
    except IntegrityError:
        earlier = Message.objects.get(idempotency_key=key)
        if _differs(earlier, row):
            raise IdempotencyConflict from None
        return earlier
    return None


def _differs(earlier: Message, row: Message) -> bool:
    if earlier.body is not None and earlier.body.readable and row.body is not None:
        return earlier.body.reveal() != row.body.reveal()
    # The body is gone (its retention is over): what is left must agree.
    return (earlier.subject, earlier.to) != (row.subject, row.to)


# --- claims ------------------------------------------------------------------------------------------------
def claim(owner: str, limit: int) -> list[statements.Claimed]:
    """Claim up to ``limit`` due messages for ``owner``, oldest first."""
    now = timezone.now()
    return statements.claim(owner, now, now + LEASE, limit)


def held(owner: str) -> QuerySet[Message]:
    """The messages that an owner has claimed."""
    return Message.objects.filter(status=Status.SENDING, lease_owner=owner)


def renew(owner: str) -> int:
    """Extend every lease of an owner; returns how many."""
    return held(owner).update(lease_until=timezone.now() + LEASE)


def release(owner: str, ids: Iterable[int]) -> int:
    """Give back claimed messages that were not tried; returns how many."""
    return (
        held(owner)
        .filter(id__in=list(ids))
        .update(status=Status.QUEUED, lease_owner="", lease_until=None, attempts=F("attempts") - 1)
    )


def expire_leases(of: Collection[str] | None = None) -> int:
    """Free the messages whose lease ran out because their worker died, or was taken by a clock that has been set back
    since; returns how many.

    Args:
        of: these owners only; None: all.
    """
    now = timezone.now()
    over = Q(lease_until__lt=now)
    if statements.clock_agrees(now, CLOCK_SLACK):
        over |= Q(lease_until__gt=now + LEASE + CLOCK_SLACK)
    sending = Message.objects.filter(over, status=Status.SENDING)
    if of is not None:
        sending = sending.filter(lease_owner__in=[*of])
    return sending.update(status=Status.RETRYING, lease_owner="", lease_until=None, next_attempt_at=now)


def owners() -> list[str]:
    """The names of all owners that have claimed messages now."""
    sending = Message.objects.filter(status=Status.SENDING).exclude(lease_owner="")
    return list(sending.order_by().values_list("lease_owner", flat=True).distinct())


def free_owner(owner: str) -> int:
    """Free the messages of an owner that is known to be dead; returns how many."""
    return held(owner).update(
        status=Status.RETRYING, lease_owner="", lease_until=None, next_attempt_at=timezone.now()
    )


# --- results -----------------------------------------------------------------------------------------------
def record_sent(
    owner: str, ids: Sequence[int], histories: Mapping[int, Sequence[Entry]] | None = None
) -> int:
    """Mark messages as sent to all their recipients, if ``owner`` still holds them; returns how many.

    Args:
        histories: the new history of each message.
    """
    drop_body = settings.QUAZZAR_BODY_RETENTION_DAYS == 0
    return statements.mark_sent(owner, ids, timezone.now(), histories or {}, drop_body=drop_body)


def record_failure(
    owner: str,
    message: statements.Claimed,
    error: dict[str, Any],
    *,
    permanent: bool,
    not_before: datetime | None = None,
) -> Status | None:
    """Keep the message for another attempt, or make it a dead letter when ``permanent`` or given up.

    Returns its new status; None if ``owner`` no longer holds it.

    Args:
        message: its ``recipients`` and its ``history`` are saved, too.
        error: ``{"stage", "code", "message"}``.
        not_before: when to try again, in place of the message's own time.
    """
    now = timezone.now()
    give_up = timedelta(hours=settings.QUAZZAR_GIVE_UP_HOURS)
    chance = random.random()  # noqa: S311  (jitter, not a secret)
    later = (
        None
        if permanent
        else backoff.next_attempt(message.attempts, message.created_at, now, chance, give_up)
    )
    status = Status.RETRYING if later else Status.FAILED
    changed = (
        held(owner)
        .filter(pk=message.pk)
        .update(
            status=status,
            next_attempt_at=(not_before or later) if later else None,
            lease_owner="",
            lease_until=None,
            last_error={**error, "at": now.isoformat()},
            recipients=message.recipients,
            history=message.history,
            waits_for=waits_for(error) if later else None,
        )
    )
    return status if changed else None


def waits_for(error: Mapping[str, Any]) -> str | None:
    """What must be mended before a message with this ``last_error`` is tried again; None: nothing."""
    stage = str(error["stage"])
    if "keys" in error:
        return "password" if stage == "auth" else "key"
    return stage if stage in RELAY_STAGES else None


def follow_clock() -> int:
    """Make mail due that waits for a time which only a wrong clock can have given it. Returns how many.

    After a clock has been set back, what was queued before would otherwise wait until the old time comes again.
    """
    now = timezone.now()
    if not statements.clock_agrees(now, CLOCK_SLACK):
        return 0
    longest = now + backoff.LONGEST + CLOCK_SLACK
    # Mail that was never tried is due when it was created. What is due last is looked at: if more than that waits, it
    # waits for another attempt, which is at most ``longest`` away.
    waiting = Message.objects.filter(status__in=Message.PENDING)
    found = (
        (statements.due_after(longest), waiting.filter(next_attempt_at__gt=longest)),
        (
            statements.untried_among(now + CLOCK_SLACK, _DUE_LAST),
            waiting.filter(status=Status.QUEUED, next_attempt_at__gt=now + CLOCK_SLACK),
        ),
    )
    return sum(
        rows.filter(pk__in=keys[first : first + _PORTION]).update(next_attempt_at=now)
        for keys, rows in found
        for first in range(0, len(keys), _PORTION)
    )


def bring_forward(stages: Sequence[str] = _THE_RELAY) -> int:
    """Make mail due now that failed at one of these stages: the relay answers again. Returns how many."""
    now = timezone.now()
    return sum(_make_due(waiting_for(stage, now), now) for stage in stages)


def bring_forward_unreadable(keys: str) -> int:
    """Make mail due now that no key opened when the key file had other ``keys`` than now. Returns how many."""
    now = timezone.now()
    return sum(
        _make_due(waiting_for(what, now).exclude(last_error__keys=keys), now) for what in ("password", "key")
    )


def waiting_for(what: str, now: datetime) -> QuerySet[Message]:
    """Mail that is not due yet because of this (see ``Message.waits_for``)."""
    return Message.objects.filter(waits_for=what, status=Status.RETRYING, next_attempt_at__gt=now)


def _make_due(rows: QuerySet[Message], now: datetime) -> int:
    """Make these rows due, the oldest first, in portions; returns how many."""
    number = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:_PORTION]):
        changed = rows.filter(pk__range=(ids[0], ids[-1])).update(next_attempt_at=now)
        if not changed:
            break
        number += changed
    return number


def follow_relay(**_: Any) -> None:
    """Make due at once what waited because the relay did not answer or refused the password, and wake the worker.

    Connected to ``relay_changed`` by the app's ready(). A few are enough: once the relay lets the worker in, the worker
    does the same with the rest.
    """
    now = timezone.now()
    for stage in _THE_RELAY:
        first = list(waiting_for(stage, now).order_by("pk").values_list("pk", flat=True)[:_FIRST])
        waiting_for(stage, now).filter(pk__in=first).update(next_attempt_at=now)
    ring()


# --- upkeep ------------------------------------------------------------------------------------------------
def anything_due() -> bool:
    """Whether a drain would find work."""
    return statements.anything_due(timezone.now())
