"""The transaction: fetch, save, switch, prove, open; on red, back to what ran before. It may be killed at any point.

Nothing is decided in memory. The row says which step is being taken, and each step can be taken again; the sweep finds
an upgrade whose worker has ended. Until the step "opening" the containers have no ports, so no mail comes in that going
back could lose, and none goes out that going back could send twice. After it there is no way back.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from mailboxes import changes
from mailboxes.engine import connect
from mailboxes.models import ImageUpgrade, Stack, error_value
from mailboxes.provisioning import passwords
from mailboxes.push import parts, recipe, render, snapshots, writer
from mailboxes.stack import bringup, lock, pins, progress, versions
from mailboxes.stack.blueprint import services
from mailboxes.upgrades import candidates, fetching, notices, proof, volumes
from quazzar.errors import NetworkInUse, NotThere, QuazzarError, StackError
from quazzar.sealing import agreement

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import StackSpec
    from mailboxes.stack.bringup import Target
    from mailboxes.upgrades.candidates import Visitor

logger = logging.getLogger(__name__)

State = ImageUpgrade.State
#: Steps after which the containers may differ from what ran before, and can still go back.
_UNPROVED = (State.SAVING, State.SWITCHING, State.PROVING)
#: A step whose worker has ended this often is not tried again.
_MOST_ATTEMPTS = 3
#: Seconds to wait for a worker that changes mailboxes at this moment.
_PATIENCE = 120.0
_POLL = 0.2


class WorkerEnded(StackError):
    """The worker has ended in the middle of the upgrade, again and again."""

    code = "worker_ended"
    message = f"The worker ended {_MOST_ATTEMPTS} times during the upgrade."
    hint = "Look for the reason in the worker's log, and in the kernel's if memory ran out."


class Disabled(StackError):
    """The operator has disabled the mail server."""

    code = "stack_disabled"
    message = "The mail server was disabled during the upgrade."


class BadRow(StackError):
    """A row cannot be rendered."""

    code = "bad_row"


def carry_on() -> None:
    """Takes up the upgrade that is under way, if there is one, and brings it to its end.

    It returns at once if another process does that already. It never raises because of problems in the stack.
    """
    if not agreement.agrees():
        return
    with lock.single_writer("upgrade") as mine:
        upgrade = ImageUpgrade.objects.open().first() if mine else None
        if upgrade is None:
            return
        upgrade.save_values(attempts=upgrade.attempts + 1)
        with connect.to_docker() as engine:
            if upgrade.state == State.FETCHING and not _fetch(engine, upgrade):
                return
            if _alone(engine, upgrade):
                changes.ring()  # what was changed in the meantime waits to be pushed


def _fetch(engine: Engine, upgrade: ImageUpgrade) -> bool:
    """The first step, while mail flows and mailboxes change; False if the upgrade ends here."""
    _enter(upgrade, State.FETCHING)
    try:
        if not Stack.load().enabled:
            raise Disabled
        fetching.run(engine, upgrade)
    except StackError as exc:
        _end(upgrade, State.FAILED, exc)
        return False
    return True


def _alone(engine: Engine, upgrade: ImageUpgrade) -> bool:
    """The other steps, while no other worker touches the stack; False if another one does for too long."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with lock.single_writer() as mine:
            if mine:
                Transaction(engine, upgrade).run()
                return True
        if time.monotonic() > deadline:
            return False  # the sweep takes it up again
        time.sleep(_POLL)


class Transaction:
    """The steps of one upgrade; the caller holds the stack's lock."""

    def __init__(self, engine: Engine, upgrade: ImageUpgrade) -> None:
        self._engine = engine
        self._upgrade = upgrade
        self._stack = Stack.load()

    def run(self) -> None:
        """Goes on from the step that the row names until it has ended, or until something holds it up."""
        try:
            if not self._stack.enabled:
                raise progress.Superseded
            self._forwards()
        except progress.Superseded:
            self._leave_disabled()

    def _forwards(self) -> None:
        upgrade = self._upgrade
        if upgrade.state in (State.FETCHING, *_UNPROVED):
            try:
                if upgrade.attempts > _MOST_ATTEMPTS:
                    raise WorkerEnded
                if upgrade.state in (State.FETCHING, State.SAVING):
                    self._save()
                self._prove(self._switch())
                self._commit()
            except (StackError, ValueError) as exc:
                self._fail(exc if isinstance(exc, StackError) else BadRow(f"A row cannot be applied: {exc}"))
        try:
            if upgrade.state == State.OPENING:
                self._open()
            else:
                self._return()
        except StackError as exc:
            # It is tried again by the sweep.
            logger.warning("upgrade %s: %s: %s", upgrade.pk, exc.code, exc.message)
            progress.failed(exc)
            if upgrade.error is None or upgrade.state == State.OPENING:
                upgrade.save_values(error=error_value(exc.code, exc.message, exc.hint))

    # --- forwards ------------------------------------------------------------------------------------------
    def _save(self) -> None:
        """Stops the containers, and copies the volumes: from here on, mail waits."""
        spec = self._spec(self._upgrade.before)
        self._enter(State.SAVING, "Stopping the containers")
        for service in reversed(spec.services):
            with suppress(NotThere):
                self._engine.stop(service.name, service.stop_grace)
        self._say("Copying the volumes")
        volumes.save(self._engine, spec, self._upgrade.pk)

    def _switch(self) -> tuple[Target, Visitor]:
        """Starts the new containers, cut off from the world, with a mailbox more than the rows have."""
        self._enter(State.SWITCHING, "Creating the new containers")
        spec = self._spec(self._upgrade.before)
        self._remove_containers(spec)
        self._engine.ensure_network(candidates.network(spec), dict(spec.labels))
        whole = bringup.target(self._engine, self._stack)
        cut_off = candidates.isolated(pins.applied(whole.spec, self._upgrade.after))
        target = replace(whole, spec=cut_off)
        desired = snapshots.take()
        snapshot, visitor = candidates.with_visitor(desired.snapshot, passwords.hash_password)
        desired = replace(desired, snapshot=snapshot)
        for service in cut_off.services:
            self._engine.create(service)
        bringup.put_files(target, desired)
        self._say("Starting the new containers")
        for service in cut_off.services:
            self._engine.start(service.name)
        bringup.wait_until_healthy(target)
        self._write(target.spec, writer.with_unreadable_secrets(self._engine, cut_off, desired))
        return target, visitor

    def _write(self, spec: StackSpec, desired: snapshots.Desired) -> None:
        """Gives the rendered files their owners, as a push does; nothing is confirmed."""
        users = recipe.UsersFile(render.users(desired.snapshot))
        recipe.write_users(self._engine, spec.service("dovecot").name, users, recipe.ANY)
        rendered = parts.bundle(desired.snapshot, desired.certificate or ("", ""))
        chosen = {name: files for name, files in rendered.items() if name not in desired.frozen}
        generation = desired.snapshot.generation
        recipe.write_bundle(self._engine, spec.service("postfix").name, generation, recipe.ANY, chosen)

    def _prove(self, candidate: tuple[Target, Visitor]) -> None:
        target, visitor = candidate
        self._enter(State.PROVING, "Signing in, delivering a mail, verifying a signature", proofs=[])
        found = []
        for each in proof.run(self._engine, target.spec, visitor):
            found.append({"id": each.id, "ok": each.ok, "message": each.message})
            self._upgrade.save_values(proofs=found)
        proof.leave(self._engine, target.spec, visitor)
        after = {
            service.service: self._upgrade.after[service.service]
            | {"version": versions.ask(self._engine, service.name, service.service)}
            for service in target.spec.services
        }
        self._upgrade.save_values(after=after)

    def _commit(self) -> None:
        with transaction.atomic():
            pins.store(self._upgrade.after)
            self._enter(State.OPENING, "Starting the containers with their ports")

    def _open(self) -> None:
        """Creates the containers again, with their ports; from here on there is no way back, and no copy."""
        self._bring_up(self._spec(self._upgrade.after))
        self._end(State.DONE)

    # --- back ----------------------------------------------------------------------------------------------
    def _fail(self, error: StackError) -> None:
        logger.warning(
            "upgrade %s: %s: %s: %s", self._upgrade.pk, self._upgrade.state, error.code, error.message
        )
        value = error_value(error.code, error.message, error.hint)
        self._upgrade.save_values(failed_at=self._upgrade.state, error=value)

    def _return(self) -> None:
        """Puts back the volumes and the containers that ran before."""
        self._enter(State.RETURNING, "Putting the volumes back")
        spec = self._spec(self._upgrade.before)
        self._restore(spec)
        pins.store(self._upgrade.before)
        self._bring_up(spec)
        self._end(State.ROLLED_BACK)

    def _restore(self, spec: StackSpec) -> None:
        self._remove_containers(spec)
        volumes.restore(self._engine, spec, self._upgrade.pk)

    def _leave_disabled(self) -> None:
        """The mail server is off, or about to be: it keeps the volumes as they were before, unless they were proved."""
        spec, state = self._spec(self._upgrade.before), self._upgrade.state
        try:
            if state not in (State.FETCHING, State.OPENING) and not Stack.load().purge:
                self._restore(spec)
            self._clean_up(spec)
        except StackError as exc:
            logger.warning("upgrade %s: %s: %s", self._upgrade.pk, exc.code, exc.message)
            return
        if state == State.OPENING:
            self._end(State.DONE)
        else:
            _end(self._upgrade, State.ROLLED_BACK, Disabled())

    # --- parts ---------------------------------------------------------------------------------------------
    def _bring_up(self, spec: StackSpec) -> None:
        self._remove_containers(spec)
        bringup.bring_up(self._engine, Stack.load(), known=True)
        self._say("Removing the copy of the volumes")
        self._clean_up(spec)
        Stack.objects.filter(pk=1).update(interruption_allowed=False, pending=[])
        progress.healthy()

    def _remove_containers(self, spec: StackSpec) -> None:
        """Whatever runs, of the old images or of the new ones."""
        volumes.remove_helper(self._engine, spec)
        for service in reversed(spec.services):
            with suppress(NotThere):
                self._engine.stop(service.name, service.stop_grace)
            self._engine.remove(service.name)

    def _clean_up(self, spec: StackSpec) -> None:
        with suppress(NetworkInUse):
            self._engine.remove_network(candidates.network(spec))
        if f"{spec.project}-mail-data" in self._engine.volumes(spec.project):
            volumes.drop(self._engine, spec)

    def _spec(self, images: dict[str, pins.Image]) -> StackSpec:
        return pins.applied(services.for_hostname(self._stack.hostname), images)

    def _enter(self, state: State, message: str, **values: object) -> None:
        _enter(self._upgrade, state, message, **values)
        self._show(message)

    def _say(self, message: str) -> None:
        self._upgrade.save_values(message=message)
        self._show(message)

    def _show(self, message: str) -> None:
        progress.restart()
        progress.begin(Stack.Phase.STARTING, f"Upgrading the images: {message}")

    def _end(self, state: State) -> None:
        _end(self._upgrade, state)


def _enter(upgrade: ImageUpgrade, state: State, message: str = "", **values: object) -> None:
    """Notes which step begins; the same step again begins once."""
    steps = upgrade.steps
    if not steps or steps[-1]["state"] != state:
        steps = [*steps, {"state": str(state), "at": timezone.now().isoformat()}]
    upgrade.save_values(state=state, message=message or State(state).label, steps=steps, **values)
    logger.info("upgrade %s: %s", upgrade.pk, state)


def _end(upgrade: ImageUpgrade, state: State, error: QuazzarError | None = None) -> None:
    """Closes the row, and tells the operator if it did not succeed."""
    values: dict[str, object] = {"error": None} if state == State.DONE else {}
    if error is not None and upgrade.error is None:
        values["failed_at"] = upgrade.failed_at or upgrade.state
        values["error"] = error_value(error.code, error.message, error.hint)
    with transaction.atomic():
        _enter(upgrade, state, State(state).label, finished_at=timezone.now(), **values)
        notices.tell(upgrade)
