"""Observe, compare, act: brings the running stack to what the rows say. One writer at a time; safe to be killed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.utils import timezone

from mailboxes.engine import connect as engines
from mailboxes.models import Stack
from mailboxes.push import writer as syncing
from mailboxes.stack import bringup, drift, lock, planning, progress
from mailboxes.stack.blueprint import services
from quazzar.errors import StackError, StaleGeneration

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from mailboxes.stack.planning import Action

logger = logging.getLogger(__name__)

Phase = Stack.Phase
SETTLED = (Phase.HEALTHY, Phase.DEGRADED)
#: Rounds of one call: the operator may change his mind, and rows change, while one is under way.
_ROUNDS = 100


def converge(*, fast: bool = False, quiet: bool = False, deep: bool = False) -> None:
    """Does what there is to do, and looks again until there is nothing. Whoever finds another writer leaves it to him.

    Args:
        fast: a healthy stack gets its changes at once; the containers themselves are left to the sweep.
        quiet: a stack that failed is tried again without showing it, unless it would get further now.
        deep: also compares the files in the containers with what they should be.
    """
    for _ in range(_ROUNDS):
        with lock.single_writer() as mine:
            if not mine:
                return
            try:
                finished = _round(fast=fast, quiet=quiet, deep=deep)
            except progress.Superseded:
                finished = True
        # Looked at after the lock is free: whoever was refused meanwhile has committed before.
        if not finished or not _anything_left():
            return
        # What came meanwhile is a change of the rows; the containers were looked at a moment ago.
        fast, deep = True, False


def _anything_left() -> bool:
    stack = Stack.load()
    if not stack.enabled:
        return stack.phase != Phase.DISABLED
    waiting = stack.interruption_allowed or stack.desired_generation > stack.applied_generation
    return waiting or stack.phase not in SETTLED


def _round(*, fast: bool, quiet: bool, deep: bool) -> bool:
    """One pass; False when something stands in the way, which is written down for the page."""
    stack = Stack.load()
    if not stack.enabled and stack.phase == Phase.DISABLED:
        return True
    try:
        with engines.connect() as engine:
            if fast and stack.enabled and stack.phase == Phase.HEALTHY and not stack.interruption_allowed:
                syncing.sync(engine, services.for_hostname(stack.hostname))
            else:
                _converge(engine, stack, quiet=quiet, deep=deep)
    except StaleGeneration:
        return True  # another node brought in newer rows than we had read
    except StackError as exc:
        logger.warning("stack: %s: %s", exc.code, exc.message)
        _record(exc)
        return False
    except ValueError as exc:
        # A renderer found a row that no surface lets in; the files in force stay as they are.
        logger.error("stack: a row cannot be brought in: %s", exc)
        _record(StackError(f"A row cannot be brought into the stack: {exc}", code="bad_row"))
        return False
    return True


def _converge(engine: Engine, stack: Stack, *, quiet: bool, deep: bool) -> None:
    if not stack.enabled:
        bringup.tear_down(engine, stack)
    elif stack.phase in SETTLED:
        _keep(engine, stack, deep=deep)
    else:
        if quiet and stack.phase == Phase.FAILED:
            bringup.check_machine(engine, stack)  # before the page shows anything of this try
        # Ended half-way by a kill, a repair still waits with what the operator has not allowed.
        allowed = stack.interruption_allowed or not stack.pending
        bringup.bring_up(engine, stack, allowed=allowed)
        if allowed:
            Stack.objects.filter(pk=1).update(interruption_allowed=False, pending=[])
        progress.healthy()
        logger.info("stack: %s is healthy", stack.hostname)


def _keep(engine: Engine, stack: Stack, *, deep: bool) -> None:
    """A stack that was brought up is kept as it should be."""
    where = bringup.site(engine, stack)
    actions = planning.plan(where.spec, where.look(), timezone.now())
    allowed = stack.interruption_allowed
    pending = [each for each in actions if each.interrupts and not allowed]
    doable = [each for each in actions if each not in pending]
    _show_pending(stack, pending)
    if any(each.kind not in {"start", "restart"} for each in doable):
        progress.again()
        bringup.bring_up(engine, stack, allowed=allowed)
    elif doable:
        logger.warning("stack: drift repaired: %s", " ".join(each.sentence for each in doable))
        bringup.repair(where, doable)
    if allowed:
        # Once: what differs later is shown again before it is done.
        Stack.objects.filter(pk=1).update(interruption_allowed=False)
    if deep:
        _look_into_the_files(where)
    syncing.sync(engine, where.spec)
    _judge(where)


def _show_pending(stack: Stack, pending: list[Action]) -> None:
    sentences = [each.sentence for each in pending]
    if sentences != stack.pending:
        Stack.objects.filter(pk=1).update(pending=sentences)
        for sentence in sentences:
            logger.warning("stack: waits for the operator, because it interrupts mail: %s", sentence)


def _look_into_the_files(where: bringup.Site) -> None:
    found = drift.find(where)
    if found:
        logger.warning("stack: drift repaired: changed by hand: %s", ", ".join(sorted(found)))
        drift.repair(where, found)


def _judge(where: bringup.Site) -> None:
    seen = where.look()
    ill = [each for each in where.spec.services if not seen.well(each.service)]
    if not ill:
        progress.healthy()
        return
    state = seen.containers.get(ill[0].service)
    how = (
        "is missing" if state is None else f"is {state.health if state.status == 'running' else state.status}"
    )
    hint = "It is started again by itself when it stays so."
    progress.degraded(bringup.NotHealthy(f"The container {ill[0].name} {how}.", hint=hint))


def _record(exc: StackError) -> None:
    stack = Stack.load()
    if not stack.enabled:
        progress.stopping("Waiting to stop the stack", exc)
    elif stack.phase in SETTLED or isinstance(exc, syncing.RelayUnusable):
        progress.degraded(exc)
    else:
        progress.failed(exc)


def differences() -> list[str]:
    """What `reconcile --dry-run` prints: a sentence for each difference; nothing is changed.

    Raises:
        StackError: the engine does not answer.
    """
    stack = Stack.load()
    with engines.connect() as engine:
        if not stack.enabled:
            wanted = services.for_hostname(stack.hostname)
            left = engine.containers(wanted.project)
            return [
                f"The container {state.name} is there, though the stack is disabled."
                for state in left.values()
            ]
        where = bringup.site(engine, stack)
        seen = where.look()
        found = [each.sentence for each in planning.plan(where.spec, seen, timezone.now())]
        if all(seen.running(each.service) for each in where.spec.services):
            found += [f"{name} differs from the rows." for name in sorted(drift.find(where))]
    if stack.desired_generation > stack.applied_generation:
        found.append(
            f"The stack has generation {stack.applied_generation}; the rows are at {stack.desired_generation}."
        )
    return found
