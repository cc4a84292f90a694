"""Many cases in one test: a case that fails is named, and a trial leaves no rows behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import transaction

from mailboxes.push import snapshots
from mailboxes.stack import reconcile

if TYPE_CHECKING:
    from tests.mailboxes.stackengine import StackEngine


@contextmanager
def case(*label: object) -> Iterator[None]:
    """Adds the label to what is raised inside, so that the report says which case it was."""
    try:
        yield
    except BaseException as exc:
        exc.add_note(f"case: {', '.join(map(str, label))}")
        raise


@contextmanager
def trial(*label: object) -> Iterator[None]:
    """A case whose rows are rolled back. What is kept of rows in memory is forgotten before and after it."""
    snapshots._entries.clear()
    with case(*label), transaction.atomic():
        yield
        transaction.set_rollback(True)
    snapshots._entries.clear()


@contextmanager
def healthy_stack(engine: StackEngine, *label: object) -> Iterator[None]:
    """A trial with the stack of the fixture ``enabled``, brought up on a new Engine."""
    engine.renew()
    with trial(*label):
        reconcile.converge()
        engine.forget()
        yield
