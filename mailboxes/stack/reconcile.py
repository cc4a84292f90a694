"""Observe, compare, act: brings the running stack to what the rows say. One writer at a time; safe to be killed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.utils import timezone

from mailboxes.engine import connect
from mailboxes.models import ImageUpgrade, Stack
from mailboxes.push import writer
from mailboxes.stack import bringup, drift, lock, pins, planning, progress
from mailboxes.stack.blueprint import services
from quazzar.errors import StackError, StaleGeneration
from quazzar.sealing import agreement

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

Phase = Stack.Phase
SETTLED = (Phase.HEALTHY, Phase.DEGRADED)
#: Rounds of one call: the rows, or the operator's decision, may change during a round.
_ROUNDS = 100


def converge(*, fast: bool = False, quiet: bool = False, deep: bool = False) -> None:
    """Does what has to be done, and checks again until nothing is left.

    If another process holds the lock, it returns at once: the holder checks again after it has released the lock. It
    also returns on a machine with another key file than the others, which cannot open the DKIM keys, and while the
    images are being upgraded: then the containers belong to ``mailboxes/upgrades``. It never raises
    because of problems in the stack, but stores them as ``Stack.last_error``.

    Args:
        fast: only push changes to a healthy stack; the sweep takes care of the containers.
        quiet: retry a failed stack without showing it, unless the retry gets further than the preflight.
        deep: also compare the files in the containers with what they should be.
    """
    if not agreement.agrees():
        return
    for _ in range(_ROUNDS):
        with lock.single_writer() as acquired:
            if not acquired or ImageUpgrade.objects.open().exists():
                return
            try:
                finished = _round(fast=fast, quiet=quiet, deep=deep)
            except progress.Superseded:
                finished = True
        # Only after the lock is free: a process that did not get it has committed its change before.
        if not finished or not _anything_left():
            return
        # What is left is a change of the rows; the containers were checked a moment ago.
        fast, deep = True, False


def _anything_left() -> bool:
    stack = Stack.load()
    if not stack.enabled:
        return stack.phase != Phase.DISABLED
    waiting = stack.interruption_allowed or stack.desired_generation > stack.applied_generation
    return waiting or stack.phase not in SETTLED


def _round(*, fast: bool, quiet: bool, deep: bool) -> bool:
    """One pass; False if an error stopped it, which is then stored for the page."""
    stack = Stack.load()
    if not stack.enabled and stack.phase == Phase.DISABLED:
        return True
    try:
        with connect.to_docker() as engine:
            if fast and stack.enabled and stack.phase == Phase.HEALTHY and not stack.interruption_allowed:
                writer.sync(engine, services.for_hostname(stack.hostname))
            else:
                _converge(engine, stack, quiet=quiet, deep=deep)
    except StaleGeneration:
        return True  # another node has pushed newer rows than we had read
    except StackError as exc:
        logger.warning("stack: %s: %s", exc.code, exc.message)
        _store_error(exc)
        return False
    except ValueError as exc:
        # A renderer refused a row that no surface should have accepted. The files in force stay unchanged.
        logger.error("stack: a row cannot be pushed: %s", exc)
        _store_error(
            StackError(f"A database row cannot be applied to the mail server: {exc}", code="bad_row")
        )
        return False
    return True


def _converge(engine: Engine, stack: Stack, *, quiet: bool, deep: bool) -> None:
    if not stack.enabled:
        bringup.tear_down(engine, stack)
    elif stack.phase in SETTLED:
        _maintain(engine, stack, deep=deep)
    else:
        if quiet and stack.phase == Phase.FAILED:
            bringup.check_machine(engine, stack)  # before the page shows anything of this attempt
        # A repair that a kill ended half-way still waits with what the operator has not allowed.
        allowed = stack.interruption_allowed or not stack.pending
        bringup.bring_up(engine, stack, allowed=allowed)
        if allowed:
            Stack.objects.filter(pk=1).update(interruption_allowed=False, pending=[])
        progress.healthy()
        logger.info("stack: %s is healthy", stack.hostname)


def _maintain(engine: Engine, stack: Stack, *, deep: bool) -> None:
    """Repairs a stack that is up, pushes changes, and stores how it is."""
    target = bringup.target(engine, stack)
    observation = target.observe()
    pins.remember(engine, target.spec, observation.containers)
    actions = planning.plan(target.spec, observation, timezone.now())
    outdated = pins.outdated(engine, observation.containers)
    allowed = stack.interruption_allowed
    if allowed and outdated:
        Stack.objects.filter(pk=1).update(interruption_allowed=False)
        ImageUpgrade.objects.create(message="Waiting for the worker")
        return
    pending = [action for action in actions if action.interrupts and not allowed]
    doable = [action for action in actions if action not in pending]
    told = [action.sentence for action in pending if action.target not in outdated]
    _show_pending(stack, [*told, *outdated.values()])
    if any(action.kind not in {"start", "restart"} for action in doable):
        progress.restart()
        bringup.bring_up(engine, stack, allowed=allowed)
    elif doable:
        sentence = " ".join(action.sentence for action in doable)
        logger.warning("stack: drift repaired: %s", sentence)
        # Shown while it lasts, and in the history of the doctor's check.
        progress.degraded(bringup.NotHealthy(sentence, hint="Quazzar is starting it again."))
        bringup.repair(target, doable)
    if allowed:
        # The approval is valid once: later differences are shown again first.
        Stack.objects.filter(pk=1).update(interruption_allowed=False)
    repaired = _repair_files(target) if deep else set()
    writer.sync(engine, target.spec)
    if any(file.path in repaired for file in target.files if file.path.startswith("rspamd/")):
        bringup.reload_rspamd(target)
    _store_health(target)


def _show_pending(stack: Stack, sentences: list[str]) -> None:
    if sentences != stack.pending:
        Stack.objects.filter(pk=1).update(pending=sentences)
        for sentence in sentences:
            logger.warning("stack: waits for the operator because it interrupts mail: %s", sentence)


def _repair_files(target: bringup.Target) -> set[str]:
    """Repairs files that were changed by hand or written by another release, and returns their names."""
    names = drift.find(target)
    if names:
        logger.warning("stack: drift repaired: not as they should be: %s", ", ".join(sorted(names)))
        drift.repair(target, names)
    return names


def _store_health(target: bringup.Target) -> None:
    observation = target.observe()
    unhealthy = [service for service in target.spec.services if not observation.healthy(service.service)]
    if not unhealthy:
        progress.healthy()
        return
    state = observation.containers.get(unhealthy[0].service)
    condition = "missing" if state is None else state.health if state.status == "running" else state.status
    if condition == "starting" and Stack.load().phase == Phase.DEGRADED:
        return  # why it starts is told already, and stays on the pages until it runs
    progress.degraded(
        bringup.NotHealthy(
            f"The container {unhealthy[0].name} is {condition}.",
            hint="Quazzar restarts it if it stays that way.",
        )
    )


def _store_error(error: StackError) -> None:
    stack = Stack.load()
    if not stack.enabled:
        progress.stopping("Waiting to stop the stack", error)
    elif stack.phase in SETTLED or isinstance(error, writer.RelayUnusable):
        progress.degraded(error)
    else:
        progress.failed(error)


def differences() -> list[str]:
    """A sentence for each difference between the rows and the running stack; changes nothing.

    Raises:
        StackError: the Docker Engine does not answer.
    """
    stack = Stack.load()
    with connect.to_docker() as engine:
        if not stack.enabled:
            left = engine.containers(services.for_hostname(stack.hostname).project)
            return [
                f"The container {state.name} exists although the stack is disabled."
                for state in left.values()
            ]
        target = bringup.target(engine, stack)
        observation = target.observe()
        actions = planning.plan(target.spec, observation, timezone.now())
        outdated = pins.outdated(engine, observation.containers)
        sentences = [action.sentence for action in actions if action.target not in outdated]
        sentences += outdated.values()
        if all(observation.running(service.service) for service in target.spec.services):
            sentences += [f"{name} differs from the database." for name in sorted(drift.find(target))]
    if stack.desired_generation > stack.applied_generation:
        sentences.append(
            f"The stack has generation {stack.applied_generation}, but the database has "
            f"{stack.desired_generation}."
        )
    return sentences
