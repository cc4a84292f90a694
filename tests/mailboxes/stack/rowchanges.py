"""Rows as an operator leaves them, and the worker's answer to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from mailboxes.models import Mailbox, Stack
from mailboxes.stack import reconcile
from tests.mailboxes import factories

if TYPE_CHECKING:
    from tests.mailboxes.stackengine import StackEngine

HASH = factories.HASH
OTHER_HASH = HASH[:-1] + "B"


def add(local_part: str, **columns: Any) -> Mailbox:
    """A mailbox that the operator has just added."""
    row = factories.mailbox(f"{local_part}@example.com", **columns)
    changed(row)
    return row


def change(row: Any, **columns: Any) -> Any:
    """What the operator has just changed of a row."""
    for name, value in columns.items():
        setattr(row, name, value)
    return changed(row)


def changed(row: Any) -> Any:
    stack = Stack.load()
    stack.desired_generation += 1
    stack.save(update_fields=["desired_generation"])
    row.generation, row.applied_at = stack.desired_generation, None
    row.save()
    return row


def remove(row: Mailbox) -> None:
    change(row, deleted_at=timezone.now())


def push(engine: StackEngine) -> list[str]:
    """What a push does, in order."""
    engine.forget()
    reconcile.converge(fast=True)
    return [*engine.done]
