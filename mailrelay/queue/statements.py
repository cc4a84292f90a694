"""The SQL statements that every mail needs. The ORM would take longer to build them each time than the database
takes to run them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connections, router
from django.db.models import Field

from mailrelay.models import HourlyCount, Message, MessageAddress, searched


def insert(row: Message) -> None:
    """Store a new row, as ``row.save(force_insert=True)`` would (Message has no signals and no parent models).

    Raises:
        IntegrityError: the idempotency key is taken.
    """
    alias = router.db_for_write(Message)
    connection = connections[alias]
    fields, statement = _statement(alias)
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row.pk = cursor.fetchone()[0]
    row._state.adding, row._state.db = False, alias


@lru_cache
def _statement(alias: str) -> tuple[list[Field[Any, Any]], str]:
    """The INSERT and the fields in its order. Both PostgreSQL and SQLite (from 3.35) know RETURNING."""
    quote = connections[alias].ops.quote_name
    fields = [field for field in Message._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    table, key = quote(Message._meta.db_table), quote("id")
    return fields, f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING {key}"  # noqa: S608


def index(row: Message) -> None:
    """Make a stored row findable by its recipients."""
    addresses = searched(row.recipients)
    alias = router.db_for_write(MessageAddress)
    quote = connections[alias].ops.quote_name
    places = ", ".join(["(%s, %s)"] * len(addresses))
    table = quote(MessageAddress._meta.db_table)
    statement = f"INSERT INTO {table} (address, message_id) VALUES {places}"  # noqa: S608
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, [value for address in addresses for value in (address, row.pk)])


def mark_sent(
    owner: str, ids: Sequence[int], at: datetime, histories: Mapping[int, Sequence[Any]], *, drop_body: bool
) -> int:
    """Mark messages as sent, if ``owner`` still holds them, each with its history if there is a new one;
    ``drop_body`` removes their bodies as well.

    Returns how many were marked.
    """
    alias = router.db_for_write(Message)
    connection = connections[alias]
    body = ", body = NULL" if drop_body else ""
    places = ", ".join(["%s"] * len(ids))
    history, entries = _histories(connection, histories)
    statement = (
        f"UPDATE {connection.ops.quote_name(Message._meta.db_table)} SET status = %s, sent_at = %s, "  # noqa: S608
        f"next_attempt_at = NULL, lease_owner = '', lease_until = NULL, last_error = NULL{body}{history} "
        f"WHERE status = %s AND lease_owner = %s AND id IN ({places})"
    )
    moment = connection.ops.adapt_datetimefield_value(at)
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [Message.Status.SENT.value, moment, *entries, Message.Status.SENDING.value, owner, *ids],
        )
        return int(cursor.rowcount)


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


def _histories(connection: Any, histories: Mapping[int, Sequence[Any]]) -> tuple[str, list[Any]]:
    """The part of an UPDATE that gives each message its history, and its values."""
    if not histories:
        return "", []
    kind = Message._meta.get_field("history").db_type(connection)
    cases = f" WHEN %s THEN CAST(%s AS {kind})" * len(histories)
    encoded = [
        value
        for key, entries in histories.items()
        for value in (key, json.dumps(entries, ensure_ascii=False, separators=(",", ":")))
    ]
    return f", history = CASE id{cases} ELSE history END", encoded
