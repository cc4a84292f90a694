"""What every change of the stack's rows shares: one writer at a time, a new generation, a ring on commit."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import IntegrityError, connection, models, transaction

from mailboxes.models import Stack, Synced
from quazzar import doorbell
from quazzar.errors import AlreadyExists, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The task that the worker runs for a change.
PUSH_CHANGES = "mailboxes.tasks.push_changes"
#: Keys in one statement; databases limit the number of parameters.
BATCH = 500
#: The columns that `stamp` sets, for ``save(update_fields=…)``.
STAMPED = ("generation", "applied_at")

K = TypeVar("K", int, str)
M = TypeVar("M", bound=models.Model)
S = TypeVar("S", bound=Synced)


@contextmanager
def writing() -> Iterator[None]:
    """One transaction during which no other process changes domains, mailboxes, aliases or the stack's settings.

    Writers of these rows queue up at the Stack row. So whatever is checked inside (whether an address is free, which
    home is next, whether an alias closes a circle) is still true at the commit.

    Raises:
        AlreadyExists: the database found a duplicate, written by a process that did not queue up.
    """
    try:
        with transaction.atomic():
            lock()
            yield
    except IntegrityError as exc:
        raise AlreadyExists("Someone else just added this name or address.") from exc


def lock() -> None:
    """Waits for other writers; call it inside a transaction. Creates the Stack row if there is none."""
    # SQLite has no row locks. There, a transaction that may write is alone from its BEGIN IMMEDIATE on.
    Stack.objects.only("pk").select_for_update().get_or_create(pk=1)


def bump() -> int:
    """Raises the desired generation and returns it; call it inside the transaction of the change."""
    with connection.cursor() as cursor:
        # One statement; the ORM would need two.
        cursor.execute(
            "UPDATE mailboxes_stack SET desired_generation = desired_generation + 1 "
            "WHERE id = 1 RETURNING desired_generation"
        )
        row = cursor.fetchone()
    if row is None:
        Stack.objects.get_or_create(pk=1)
        return bump()
    return int(row[0])


def stamp(row: Synced) -> None:
    """Marks the row as changed and not yet pushed; the caller saves it."""
    row.generation = bump()
    row.applied_at = None


def announce() -> None:
    """Wakes the worker once the change is committed."""
    transaction.on_commit(ring)


def ring() -> None:
    """Wakes the worker to push changes into the running stack; never raises."""
    doorbell.ring(PUSH_CHANGES)


def existing(rows: models.QuerySet[M], row_id: int) -> M:
    """The row with this id.

    Raises:
        NotFound: there is no such row (any more).
    """
    row = rows.filter(pk=row_id).first()
    if row is None:
        raise NotFound(f"This {rows.model._meta.verbose_name} does not exist.")
    return row


def store(
    rows: models.QuerySet[S], row: S, values: Mapping[str, Any]
) -> tuple[S, dict[str, tuple[Any, Any]]]:
    """Write the values that differ from the row's, inside ``writing``, as the next generation.

    The row may have been read before that. Its generation says whether it is still as it was; it is read again only
    when it is not.

    Args:
        rows: where the row must still be found.

    Returns:
        The row as it is stored, and for each column that was written its value before and after: none when nothing
        differs.

    Raises:
        NotFound: it is gone.
    """
    while changed := {
        name: (getattr(row, name), value) for name, value in values.items() if getattr(row, name) != value
    }:
        columns = {name: values[name] for name in changed} | {"generation": bump(), "applied_at": None}
        if rows.filter(pk=row.pk, generation=row.generation).update(**columns):
            for name, value in columns.items():
                setattr(row, name, value)
            break
        row = existing(rows, row.pk)
    return row, changed


def batches(keys: Iterable[K]) -> Iterator[list[K]]:
    """The keys without duplicates, sorted, in portions for one statement each."""
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]
