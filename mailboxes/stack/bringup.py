"""Brings the three containers up, and takes them down. Can be killed at any line and started again."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from django.utils import timezone

from mailboxes.engine.values import PutFile
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.push import parts, render, snapshots
from mailboxes.push import writer as syncing
from mailboxes.stack import planning, progress
from mailboxes.stack.blueprint import configuration, services
from mailboxes.stack.planning import Observation, observe
from mailboxes.stack.preflight import run as preflight
from quazzar.errors import PortTaken, StackError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.stack.planning import Action

logger = logging.getLogger(__name__)

Phase = Stack.Phase
#: On a container: the digest of the static configuration that it reads when it starts.
CONFIG_LABEL = "quazzar.config"
#: Seconds until all three are healthy; 20 are usual.
HEALTHY_WITHIN = 180.0
_POLL = 0.5


class PreflightFailed(StackError):
    """A check that does not let the stack start."""

    code = "preflight_failed"


class NotHealthy(StackError):
    """A container does not get healthy."""

    code = "not_healthy"
    hint = "Look at its log in the Mailboxes tab."


@dataclass(frozen=True)
class Site:
    """Where the stack stands: what should be there, and what was seen.

    Attributes:
        files: the static configuration that belongs to it.
    """

    engine: Engine
    spec: StackSpec
    files: tuple[configuration.ConfigFile, ...]

    def look(self) -> Observation:
        """What is there now; the page sees it too."""
        seen = observe(self.engine, self.spec)
        progress.seen(self.spec, seen)
        return seen


def site(engine: Engine, stack: Stack) -> Site:
    """What should be there; nothing is changed. The configuration names the network's gateway, if there is one yet.

    Raises:
        StackError: the engine does not answer.
    """
    wanted = services.for_hostname(stack.hostname)
    network = engine.network(wanted.network)
    gateway = network.gateway if network else ""
    files = tuple(configuration.static_files(stack.hostname, gateway, _controller_password(stack)))
    labelled = tuple(
        replace(
            service, labels=(*service.labels, (CONFIG_LABEL, configuration.digest(files, service.service)))
        )
        for service in wanted.services
    )
    return Site(engine, replace(wanted, services=labelled), files)


def _controller_password(stack: Stack) -> str:
    password = stack.controller_password
    return password.reveal() if password is not None and password.readable else ""


def bring_up(engine: Engine, stack: Stack, *, allowed: bool = True) -> Site:
    """From whatever is there to three healthy containers with everything in them; each step is shown.

    What would interrupt mail that flows is left alone unless it is ``allowed``.

    Raises:
        Superseded: the operator disabled it meanwhile.
        StackError: what stands in the way.
    """
    progress.begin(Phase.PREFLIGHT, "Checking this machine")
    check_machine(engine, stack)
    _make_ground(engine, stack)
    where = site(engine, stack)
    _pull(where)
    progress.begin(Phase.CREATING, "Creating the containers")
    making = [each for each in _plan(where) if each.kind in {"create", "recreate"}]
    repair(where, [each for each in making if allowed or not each.interrupts])
    _put_files(where)
    progress.begin(Phase.STARTING, "Starting the containers")
    repair(where, [each for each in _plan(where) if each.kind in {"start", "restart"}])
    syncing.forget()
    _wait_until_healthy(where)
    syncing.sync(engine, where.spec)
    return where


def _plan(where: Site) -> list[Action]:
    return planning.plan(where.spec, where.look(), timezone.now())


def check_machine(engine: Engine, stack: Stack) -> None:
    """Only for what is not there yet: our own running containers hold the ports.

    Raises:
        PreflightFailed: something does not let the stack start.
        StackError: the engine does not answer.
    """
    wanted = services.for_hostname(stack.hostname)
    if len(engine.containers(wanted.project)) == len(wanted.services):
        return
    report = preflight.run(stack.hostname, engine)
    if not report.ok:
        wrong = [check for check in report.checks if not check.ok and check.severity == "error"]
        raise PreflightFailed(" ".join(check.message for check in wrong), hint=wrong[0].hint)


def _make_ground(engine: Engine, stack: Stack) -> None:
    """Network and volumes. Containers that knew one that is gone go first: they would not know the new one."""
    wanted = services.for_hostname(stack.hostname)
    for service in planning.homeless(wanted, observe(engine, wanted)):
        engine.stop(service.name, service.stop_grace)
        engine.remove(service.name)
    engine.ensure_network(wanted.network, dict(wanted.labels))
    for volume in wanted.volumes:
        engine.ensure_volume(volume, dict(wanted.labels))


def _pull(where: Site) -> None:
    missing = [each for each in where.spec.services if where.engine.image_id(each.image) is None]
    for number, service in enumerate(missing):

        def layer(percent: int, sentence: str, number: int = number) -> None:
            fraction = (number + percent / 100) / len(missing)
            progress.begin(Phase.PULLING, sentence, progress.part_of(Phase.PULLING, fraction))

        layer(0, f"Fetching {service.image}")
        where.engine.pull(service.image, layer)


def repair(where: Site, actions: Iterable[Action]) -> None:
    """Does these actions: create, recreate, start or restart.

    Raises:
        StackError: one could not be done; those before it are.
    """
    for action in actions:
        logger.info("stack: %s %s: %s", action.kind, action.target, action.sentence)
        _act(where, action)


def _act(where: Site, action: Action) -> None:
    engine = where.engine
    match action.kind:
        case "create":
            engine.create(where.spec.service(action.target))
        case "recreate":
            _recreate(engine, where.spec.service(action.target))
        case "start":
            _start(engine, where.spec.service(action.target))
        case "restart":
            engine.restart(where.spec.service(action.target).name)


def _recreate(engine: Engine, service: ServiceSpec) -> None:
    engine.stop(service.name, service.stop_grace)
    engine.remove(service.name)
    engine.create(service)


def _start(engine: Engine, service: ServiceSpec) -> None:
    try:
        engine.start(service.name)
    except PortTaken:
        # It would stay behind, created and never started.
        engine.remove(service.name)
        raise


def _put_files(where: Site) -> None:
    """The static files; and, before the first start, everything else. Later on only the write recipe touches that."""
    seen = where.look()
    config = [PutFile(f"/etc/dovecot/{each.path}", each.data, each.mode) for each in where.files]
    if not any(seen.running(service.service) for service in where.spec.services):
        config += _put_rows(where)
    where.engine.put(where.spec.service("dovecot").name, [*_directories(config), *config])


def _put_rows(where: Site) -> list[PutFile]:
    """What is rendered from rows: the keys are written at once, the files for mail-config are returned."""
    taken = snapshots.take()
    rendered = parts.bundle(taken.snapshot, taken.certificate or ("", ""))
    config, keys = [], []
    for name, files in rendered.items():
        if name in taken.frozen or (name == "dkim" and taken.unreadable_keys):
            continue
        for each in files:
            volume, _, rest = each.path.partition("/")
            if volume == "dkim":
                keys.append(PutFile(f"/etc/opendkim/keys/{rest}", each.data, each.mode))
            else:
                config.append(PutFile(f"/etc/dovecot/{each.path}", each.data, each.mode))
    if not taken.unreadable:
        # Readable by root alone: until its owner is set from inside, logins wait instead of meeting an old file.
        config.append(PutFile("/etc/dovecot/users", render.users(taken.snapshot), 0o600))
    where.engine.put(where.spec.service("postfix").name, keys)
    return config


def _directories(files: Iterable[PutFile]) -> list[PutFile]:
    """The directories of these files, outermost first: left to the engine, they would be open to everybody."""
    parents = {str(parent) for file in files for parent in PurePosixPath(file.path).parents}
    inside = sorted(parent for parent in parents if parent.startswith("/etc/dovecot"))
    return [PutFile(f"{each}/", b"", 0o750 if each.endswith("/postfix") else 0o755) for each in inside]


def _wait_until_healthy(where: Site) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN
    began = time.monotonic()
    while True:
        seen = where.look()
        waiting = [each for each in where.spec.services if not _healthy(seen, each.service)]
        if not waiting:
            return
        ready = len(where.spec.services) - len(waiting)
        # Three quarters by containers, the rest by the time that is usual.
        fraction = 0.75 * ready / len(where.spec.services) + 0.25 * min(1, (time.monotonic() - began) / 40)
        names = ", ".join(each.service for each in waiting)
        progress.begin(Phase.STARTING, f"Waiting for {names}", progress.part_of(Phase.STARTING, fraction))
        gone = [each for each in waiting if not seen.running(each.service)]
        if time.monotonic() > deadline or (gone and time.monotonic() - began > 20):
            first = (gone or waiting)[0]
            how = "does not stay up" if gone else "does not get healthy"
            raise NotHealthy(f"The container {first.name} {how}.")
        time.sleep(_POLL)


def _healthy(seen: Observation, service: str) -> bool:
    return seen.running(service) and seen.containers[service].health in {"healthy", "none"}


def tear_down(engine: Engine, stack: Stack) -> None:
    """Removes containers and network; volumes only when the operator asked to purge them.

    Raises:
        Superseded: the operator enabled it meanwhile, or asked to purge it too.
        StackError: the engine does not answer; nothing is lost by trying again.
    """
    wanted = services.for_hostname(stack.hostname)
    progress.stopping("Stopping the containers")
    for service, state in engine.containers(wanted.project).items():
        progress.stopping(f"Stopping {service}")
        engine.stop(state.name, 20)
        engine.remove(state.name)
    engine.remove_network(wanted.network)
    if stack.purge:
        progress.stopping("Removing the volumes")
        for volume in wanted.volumes:
            engine.remove_volume(volume)
        # Their mail is gone, so there is nothing left to restore.
        Mailbox.objects.filter(deleted_at__isnull=False).delete()
    for model in (Domain, Mailbox, Alias):
        model.objects.exclude(applied_at=None, live_at=None).update(applied_at=None, live_at=None)
    Mailbox.objects.filter(deleted_at__isnull=False, removed_at=None).update(removed_at=timezone.now())
    down = Stack.objects.filter(pk=1, enabled=False, purge=stack.purge).update(
        phase=Phase.DISABLED, step=0, steps=0, percent=0, progress_message="", last_error=None, services=[],
        parts={}, pending=[], purge=False, applied_generation=0, gateway_only=None, observed_at=timezone.now(),
    )  # fmt: skip
    if not down:
        raise progress.Superseded
