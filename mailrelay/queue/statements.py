"""The SQL statements that every mail needs. The ORM would take longer to build them each time than the database
takes to run them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import connections, models, router

from mailrelay.models import HourlyCount, Message, MessageAddress, searched
from quazzar.sealing import keyring

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper
    from django.db.models import Field

    from mailrelay.history import Entry
    from quazzar.sealing.values import Sealed

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
#: Rows of one INSERT: SQLite takes 999 values in older builds.
_AT_ONCE = 400
#: Turns a field's value into one that the database takes.
_Adapt = Callable[[Any, Any], Any]
#: The condition of the index ``message_due``, in literals: SQLite uses a partial index only where it sees the index's
#: condition in the statement itself.
_PENDING = "status IN ('queued', 'retrying')"
#: Turns what the database returns into a field's value.
_Read = Callable[[Any, Any, Any], Any]
#: Fields whose values the database takes as they are.
_PLAIN = (models.CharField, models.TextField, models.PositiveIntegerField)


@dataclass(slots=True)
class Claimed:
    """What a delivery needs of a ``Message``; the rest is for people. Building the model would take longer than reading
    the row."""

    pk: int
    attempts: int
    message_id: str
    envelope_sender: str
    recipients: list[dict[str, Any]]
    body: Sealed[bytes] | None
    history: list[Entry]
    created_at: datetime


#: The columns of ``Claimed``, in its order.
_CLAIMED = ["id", *[field.name for field in fields(Claimed)][1:]]


def insert(row: Message) -> None:
    """Store a new row, as ``row.save(force_insert=True)`` would (Message has no signals and no parent models), and make
    it findable by each of its recipients.

    Raises:
        IntegrityError: the idempotency key is taken.
    """
    alias = router.db_for_write(Message)
    connection = connections[alias]
    columns, statement = _statement(alias)
    values = [
        value if adapt is None or value is None else adapt(value, connection)
        for name, adapt in columns
        for value in (getattr(row, name),)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row.pk = cursor.fetchone()[0]
        _index(cursor, alias, [row])
    row._state.adding, row._state.db = False, alias


def index(rows: Sequence[Message]) -> None:
    """Make stored rows findable by each of their recipients, where ``only_recipient`` does not do that."""
    alias = router.db_for_write(MessageAddress)
    with connections[alias].cursor() as cursor:
        _index(cursor, alias, rows)


def _index(cursor: CursorWrapper, alias: str, rows: Iterable[Message]) -> None:
    values = [
        value
        for row in rows
        if row.only_recipient is None
        for address in searched(row.recipients)
        for value in (address, row.pk)
    ]
    for first in range(0, len(values), 2 * _AT_ONCE):
        batch = values[first : first + 2 * _AT_ONCE]
        cursor.execute(_index_statement(alias, len(batch) // 2), batch)


@lru_cache
def _statement(alias: str) -> tuple[list[tuple[str, _Adapt | None]], str]:
    """The INSERT, and in its order the fields' names and what adapts their values to the database, if anything has to.
    Both PostgreSQL and SQLite (from 3.35) know RETURNING."""
    quote = connections[alias].ops.quote_name
    fields = [field for field in Message._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    table, key = quote(Message._meta.db_table), quote("id")
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING {key}"  # noqa: S608
    return [(field.attname, _adapt(field)) for field in fields], statement


def _adapt(field: Field[Any, Any]) -> _Adapt | None:
    """What ``field.get_db_prep_save()`` comes to for the values of a new message, in fewer steps."""
    if type(field) in _PLAIN:
        return None
    if type(field) is models.DateTimeField:
        return _moment
    if type(field) is models.JSONField:
        return _json
    return field.get_db_prep_save


def _moment(value: datetime, connection: BaseDatabaseWrapper) -> Any:
    if connection.vendor == "sqlite" and value.tzinfo is connection.timezone:
        return str(value.replace(tzinfo=None))
    return connection.ops.adapt_datetimefield_value(value)


def _json(value: Any, connection: BaseDatabaseWrapper) -> Any:
    if connection.vendor == "sqlite":
        return "[]" if value == [] else json.dumps(value)
    return connection.ops.adapt_json_value(value, None)


@lru_cache
def _index_statement(alias: str, number: int) -> str:
    table = connections[alias].ops.quote_name(MessageAddress._meta.db_table)
    places = ", ".join(["(%s, %s)"] * number)
    return f"INSERT INTO {table} (address, message_id) VALUES {places}"  # noqa: S608


def claim(owner: str, now: datetime, until: datetime, limit: int) -> list[Claimed]:
    """Claim up to ``limit`` messages that are due, oldest first, and read what a delivery needs of them.

    Two workers may want the same rows: one of them gets each.
    """
    alias = router.db_for_write(Message)
    connection = connections[alias]
    ops = connection.ops
    values = [
        *(ops.adapt_datetimefield_value(now), limit),
        *(Message.Status.SENDING.value, owner, ops.adapt_datetimefield_value(until)),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_claim_statement(alias), values)
        rows = sorted(cursor.fetchall())
    readers = _readers(alias)
    with keyring.looked_at_once():
        return [
            Claimed(
                *[
                    value if read is None or value is None else read(value, None, connection)
                    for value, read in zip(row[1:], readers, strict=True)
                ]
            )
            for row in rows
        ]


@lru_cache
def _claim_statement(alias: str) -> str:
    connection = connections[alias]
    table = connection.ops.quote_name(Message._meta.db_table)
    # Workers on PostgreSQL that waited for each other's rows, each in an order of its own, would deadlock. WITH keeps
    # the LIMIT, whatever the planner does.
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    set_ = "SET status = %s, lease_owner = %s, lease_until = %s, attempts = attempts + 1, waits_for = NULL"
    return (
        f"WITH due AS MATERIALIZED (SELECT id FROM {_due_first(connection)} AND next_attempt_at <= %s "  # noqa: S608
        f"ORDER BY next_attempt_at, id LIMIT %s {skip}) UPDATE {table} {set_} "
        f"WHERE id IN (SELECT id FROM due) AND {_PENDING} "
        f"RETURNING {', '.join(('next_attempt_at', *_CLAIMED))}"
    )


def counted(statuses: Sequence[str], most: int) -> dict[str, int]:
    """How many messages have each status, at most so many of each; in one query."""
    alias = router.db_for_read(Message)
    table = connections[alias].ops.quote_name(Message._meta.db_table)
    each = f"(SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE status = %s LIMIT {most:d}) AS found)"  # noqa: S608
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([each] * len(statuses))}", [str(status) for status in statuses])
        return dict(zip(statuses, cursor.fetchone(), strict=True))


def anything_due(now: datetime) -> bool:
    """Whether a message waits whose time has come."""
    connection = connections[router.db_for_read(Message)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM {_due_first(connection)} AND next_attempt_at <= %s LIMIT 1",  # noqa: S608
            [connection.ops.adapt_datetimefield_value(now)],
        )
        return cursor.fetchone() is not None


def clock_agrees(now: datetime, slack: timedelta) -> bool:
    """Whether this machine's clock is that of the database: of several machines, the one with the wrong clock must not
    take the times of the others for wrong."""
    connection = connections[router.db_for_read(Message)]
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return bool(abs(cursor.fetchone()[0] - now) <= slack)


def due_after(time: datetime) -> list[int]:
    """The ids of what waits and is due after this time only."""
    connection = connections[router.db_for_read(Message)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {_due_first(connection)} AND next_attempt_at > %s",  # noqa: S608
            [connection.ops.adapt_datetimefield_value(time)],
        )
        return [pk for (pk,) in cursor.fetchall()]


def untried_among(time: datetime, latest: int) -> list[int]:
    """The ids of what was never tried and is due after this time only, among the so many messages that are due last."""
    connection = connections[router.db_for_read(Message)]
    last = f"{_due_first(connection)} AND next_attempt_at > %s ORDER BY next_attempt_at DESC LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM (SELECT id, status FROM {last}) AS last WHERE status = 'queued'",  # noqa: S608
            [connection.ops.adapt_datetimefield_value(time), latest],
        )
        return [pk for (pk,) in cursor.fetchall()]


def _due_first(connection: BaseDatabaseWrapper) -> str:
    """What waits, read in the order in which it is due. SQLite, which has no statistics, would read and sort all of
    it."""
    table = connection.ops.quote_name(Message._meta.db_table)
    by = "INDEXED BY message_due " if connection.vendor == "sqlite" else ""
    return f"{table} {by}WHERE {_PENDING}"


@lru_cache
def _readers(alias: str) -> list[_Read | None]:
    """What turns each column that a delivery reads into the attribute's value, as the ORM does."""
    connection = connections[alias]
    readers: list[_Read | None] = []
    for name in _CLAIMED:
        field: Any = Message._meta.get_field(name)
        if isinstance(field, models.JSONField):
            readers.append(_read_json)
            continue
        found = [
            *connection.ops.get_db_converters(field.get_col(Message._meta.db_table)),
            *field.get_db_converters(connection),
        ]
        assert len(found) <= 1
        readers.append(found[0] if found else None)
    return readers


def _read_json(value: str, _expression: None, _connection: object) -> Any:
    return [] if value == "[]" else json.loads(value)


def wait_for_disk(wait: bool) -> None:
    """Whether each commit from now on waits for the disk, which is the default. What a commit that did not wait has
    written survives a killed process at once, and a power cut from the next one on that waits.

    Only for SQLite, and outside a transaction. PostgreSQL has ``synchronous_commit``, but would lose such a commit when
    its own processes are killed.
    """
    connection = connections[router.db_for_write(Message)]
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA synchronous={'FULL' if wait else 'NORMAL'}")


def mark_sent(
    owner: str, ids: Sequence[int], at: datetime, histories: Mapping[int, Sequence[Any]], *, drop_body: bool
) -> int:
    """Mark messages as sent, if ``owner`` still holds them, each with its history if there is a new one;
    ``drop_body`` removes their bodies as well.

    Returns how many were marked.
    """
    alias = router.db_for_write(Message)
    connection = connections[alias]
    moment = connection.ops.adapt_datetimefield_value(at)
    rows = [(moment, _compact(histories[key]) if key in histories else None, key, owner) for key in ids]
    with connection.cursor() as cursor:
        cursor.executemany(_mark_statement(alias, drop_body), rows)
        return int(cursor.rowcount)


@lru_cache
def _mark_statement(alias: str, drop_body: bool) -> str:
    connection = connections[alias]
    table = connection.ops.quote_name(Message._meta.db_table)
    kind = Message._meta.get_field("history").db_type(connection)
    body = ", body = NULL" if drop_body else ""
    return (
        f"UPDATE {table} SET status = 'sent', sent_at = %s, next_attempt_at = NULL, lease_owner = '', "  # noqa: S608
        f"lease_until = NULL, last_error = NULL, history = COALESCE(CAST(%s AS {kind}), history){body} "
        "WHERE id = %s AND status = 'sending' AND lease_owner = %s"
    )


def count(rows: Sequence[tuple[datetime, str, int]]) -> None:
    """Add each number to the count of that hour and outcome."""
    connection = connections[router.db_for_write(HourlyCount)]
    table = connection.ops.quote_name(HourlyCount._meta.db_table)
    places = ", ".join(["(%s, %s, %s)"] * len(rows))
    # Sorted, so that two workers lock the rows in the same order.
    values = [
        value
        for hour, outcome, number in sorted(rows)
        for value in (connection.ops.adapt_datetimefield_value(hour), outcome, number)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (hour, outcome, number) VALUES {places} "  # noqa: S608
            f"ON CONFLICT (hour, outcome) DO UPDATE SET number = {table}.number + excluded.number",
            values,
        )
