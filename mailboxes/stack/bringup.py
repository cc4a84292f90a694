"""Brings the three containers up, and takes them down. It may be killed at any point, and then starts again."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from mailboxes.engine.values import PutFile
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.push import parts, render, snapshots, writer
from mailboxes.stack import pins, planning, progress
from mailboxes.stack.blueprint import configuration, services
from mailboxes.stack.planning import Observation, observe
from mailboxes.stack.preflight import runner
from quazzar import words
from quazzar.errors import ImageUnavailable, NetworkInUse, PortTaken, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.push.snapshots import Desired
    from mailboxes.stack.planning import Action

logger = logging.getLogger(__name__)

Phase = Stack.Phase
#: On a container: the digest of the static configuration that it reads when it starts.
CONFIG_LABEL = "quazzar.config"
#: Where Dovecot and Rspamd listen for Postfix, whose start lets it in (files/50-quazzar.sh). 11333 is Rspamd's user.
_SOCKETS = (
    PutFile("/mail-sockets/dovecot/", b"", 0o700),
    PutFile("/mail-sockets/rspamd/", b"", 0o700, 11333, 11333),
)
#: Seconds until all containers must be healthy; 20 are usual.
HEALTHY_WITHIN = 180.0
#: If a container is not running this many seconds after the start, waiting longer does not help.
_STAYS_UP_WITHIN = 20.0
_POLL = 0.5


class PreflightFailed(StackError):
    """A preflight check does not let the stack start."""

    code = "preflight_failed"


class NotHealthy(StackError):
    """A container does not get healthy."""

    code = "not_healthy"
    hint = "Read its log in the Mailboxes tab."


@dataclass(frozen=True)
class Target:
    """What should be on a Docker Engine.

    Attributes:
        files: the static configuration in the stack's volumes.
    """

    engine: Engine
    spec: StackSpec
    files: tuple[configuration.ConfigFile, ...]

    def observe(self) -> Observation:
        """What the Engine has now; it is also stored for the page.

        Raises:
            StackError: the Engine does not answer.
        """
        observation = observe(self.engine, self.spec)
        progress.observed(self.spec, observation)
        return observation


def target(engine: Engine, stack: Stack) -> Target:
    """What should be there, made from the pinned images.

    The configuration names the gateway of the stack's network, if the network exists.

    Raises:
        StackError: the Engine does not answer.
    """
    spec = pins.applied(services.for_hostname(stack.hostname), pins.read())
    network = engine.network(spec.network)
    gateway = network.gateway if network else ""
    files = tuple(
        configuration.static_files(stack.hostname, gateway, _controller_password(stack), _policy_password())
    )
    labelled = tuple(
        replace(
            service, labels=(*service.labels, (CONFIG_LABEL, configuration.digest(files, service.service)))
        )
        for service in spec.services
    )
    return Target(engine, replace(spec, services=labelled), files)


def _controller_password(stack: Stack) -> str:
    password = stack.controller_password
    return password.reveal() if password is not None and password.readable else ""


def _policy_password() -> str:
    """What Dovecot asks Rspamd with; nobody types it, so it need not be stored."""
    return hmac.new(settings.SECRET_KEY.encode(), b"quazzar auth policy", hashlib.sha256).hexdigest()[:32]


def bring_up(engine: Engine, stack: Stack, *, allowed: bool = True, known: bool = False) -> Target:
    """Goes from whatever exists to three healthy containers with all files in them, and shows each step.

    Args:
        allowed: also take steps that interrupt mail that is flowing now.
        known: the stack ran on this machine a moment ago, so the machine is not checked.

    Raises:
        Superseded: the operator has disabled the stack since.
        StackError: a step failed; a later call continues from there.
    """
    progress.begin(Phase.PREFLIGHT, "Checking this machine")
    if not known:
        check_machine(engine, stack)
    _ensure_network_and_volumes(engine, stack)
    wanted = target(engine, stack)
    if _pull(wanted):
        wanted = target(engine, stack)
    progress.begin(Phase.CREATING, "Creating the containers")
    creations = [action for action in _plan(wanted) if action.kind in {"create", "recreate"}]
    repair(wanted, [action for action in creations if allowed or not action.interrupts])
    put_files(wanted)
    progress.begin(Phase.STARTING, "Starting the containers")
    repair(wanted, [action for action in _plan(wanted) if action.kind in {"start", "restart"}])
    writer.forget()
    pins.remember(engine, wanted.spec, wait_until_healthy(wanted).containers)
    writer.sync(engine, wanted.spec)
    if not allowed:
        reload_rspamd(wanted)
    return wanted


def reload_rspamd(wanted: Target) -> None:
    """Makes Rspamd take new static configuration at once, in a container that may not be created again yet.

    It signs, so until then the mail of a domain that is added, or of a key that is replaced, would leave without a
    valid signature in a stack from 0.3.0, where OpenDKIM signed. Sessions that it serves come to their end.

    Raises:
        StackError: the container does not answer.
    """
    name = wanted.spec.service("rspamd").name
    wanted.engine.check(name, ["bash", "-c", "kill -HUP 1"], what="reloading Rspamd")


def _plan(wanted: Target) -> list[Action]:
    return planning.plan(wanted.spec, wanted.observe(), timezone.now())


def check_machine(engine: Engine, stack: Stack) -> None:
    """Runs the preflight, unless all containers exist: then the ports are in use by them.

    Raises:
        PreflightFailed: a check does not let the stack start.
        StackError: the Engine does not answer.
    """
    spec = services.for_hostname(stack.hostname)
    if len(engine.containers(spec.project)) == len(spec.services):
        return
    report = runner.run(stack.hostname, engine)
    if not report.ok:
        errors = [check for check in report.checks if not check.ok and check.severity == "error"]
        raise PreflightFailed(" ".join(check.message for check in errors), hint=errors[0].hint)


def _ensure_network_and_volumes(engine: Engine, stack: Stack) -> None:
    """Creates what is missing, after removing containers that were attached to something that no longer exists."""
    spec = services.for_hostname(stack.hostname)
    for service in planning.detached(spec, observe(engine, spec)):
        engine.stop(service.name, service.stop_grace)
        engine.remove(service.name)
    engine.ensure_network(spec.network, dict(spec.labels))
    for volume in spec.volumes:
        engine.ensure_volume(volume, dict(spec.labels))


def _pull(wanted: Target) -> bool:
    """Fetches the images that the Engine lacks; whether it did."""
    engine = wanted.engine
    missing = [service for service in wanted.spec.services if engine.image_id(service.source) is None]
    for number, service in enumerate(missing):

        def show(percent: int, sentence: str, number: int = number) -> None:
            fraction = (number + percent / 100) / len(missing)
            progress.begin(Phase.PULLING, sentence, progress.part_of(Phase.PULLING, fraction))

        show(0, f"Fetching {service.image}")
        fetch(engine, service, show)
    return bool(missing)


def fetch(engine: Engine, service: ServiceSpec, show: Callable[[int, str], None]) -> None:
    """Fetches the image of a service; a pinned one by its digest, or by its name if that is not known any more.

    Raises:
        ImageUnavailable: it cannot be fetched.
    """
    *exact, ref = pins.sources(service)
    for source in exact:
        with suppress(ImageUnavailable):
            engine.pull(source, show)
            ref = source
            break
    else:
        engine.pull(ref, show)
    if service.pinned:
        pins.store(
            {service.service: pins.described(engine, service.image, engine.image_id(ref) or service.pinned)}
        )


def repair(wanted: Target, actions: Iterable[Action]) -> None:
    """Carries out actions of the kinds create, recreate, start and restart, in their order.

    Raises:
        StackError: an action failed; those before it are done, those after it are not.
    """
    for action in actions:
        logger.info("stack: %s %s: %s", action.kind, action.target, action.sentence)
        _act(wanted, action)


def _act(wanted: Target, action: Action) -> None:
    engine = wanted.engine
    match action.kind:
        case "create":
            engine.create(wanted.spec.service(action.target))
        case "recreate":
            _recreate(engine, wanted.spec.service(action.target))
        case "start":
            _start(engine, wanted.spec.service(action.target))
        case "restart":
            engine.restart(wanted.spec.service(action.target).name)


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


def put_files(wanted: Target, desired: Desired | None = None) -> None:
    """Writes the static files, and before the first start also those that are rendered from rows.

    Once a container runs, only the write recipe touches the latter.

    Args:
        desired: what to render in place of the rows.

    Raises:
        StackError: a container did not take the files.
    """
    observation = wanted.observe()
    config = [PutFile(f"/etc/dovecot/{file.path}", file.data, file.mode) for file in wanted.files]
    if not any(observation.running(service.service) for service in wanted.spec.services):
        config += _put_rendered_files(wanted, desired or snapshots.take())
        config += _SOCKETS
    wanted.engine.put(wanted.spec.service("dovecot").name, [*_directories(config), *config])


def _put_rendered_files(wanted: Target, desired: Desired) -> list[PutFile]:
    """Writes the DKIM keys, and returns the files for the volume mail-config."""
    rendered = parts.bundle(desired.snapshot, desired.certificate or ("", ""))
    config, keys = [], []
    for name, files in rendered.items():
        if name in desired.frozen or (name == "dkim" and desired.unreadable_keys):
            continue
        for file in files:
            volume, _, rest = file.path.partition("/")
            if volume == "dkim":
                keys.append(PutFile(f"/mail-dkim/{rest}", file.data, file.mode))
            else:
                config.append(PutFile(f"/etc/dovecot/{file.path}", file.data, file.mode))
    if not desired.unreadable:
        # Readable by root alone until the write recipe sets its owner: so logins wait, and none is checked against an
        # old file.
        config.append(PutFile("/etc/dovecot/users", render.users(desired.snapshot), 0o600))
    wanted.engine.put(wanted.spec.service("postfix").name, keys)
    return config


def _directories(files: Iterable[PutFile]) -> list[PutFile]:
    """The directories of these files, outermost first. Those that the Engine makes are open to everybody."""
    parents = {str(parent) for file in files for parent in PurePosixPath(file.path).parents}
    inside = sorted(parent for parent in parents if parent.startswith("/etc/dovecot"))
    return [PutFile(f"{path}/", b"", 0o750 if path.endswith("/postfix") else 0o755) for path in inside]


def wait_until_healthy(wanted: Target) -> Observation:
    """Waits until all three containers are, and returns what was observed last.

    Raises:
        NotHealthy: one of them is not in time, or has ended.
        Superseded: the operator has disabled the stack since.
        StackError: the Engine does not answer.
    """
    began = time.monotonic()
    while True:
        observation = wanted.observe()
        waiting = [service for service in wanted.spec.services if not observation.healthy(service.service)]
        if not waiting:
            return observation
        waited = time.monotonic() - began
        ready = len(wanted.spec.services) - len(waiting)
        # Three quarters of the progress by containers, the rest by the time that is usual.
        fraction = 0.75 * ready / len(wanted.spec.services) + 0.25 * min(1, waited / 40)
        names = words.listed([service.service.title() for service in waiting])
        progress.begin(Phase.STARTING, f"Waiting for {names}", progress.part_of(Phase.STARTING, fraction))
        down = [service for service in waiting if not observation.running(service.service)]
        if waited > HEALTHY_WITHIN or (down and waited > _STAYS_UP_WITHIN):
            reason = "does not stay up" if down else "does not get healthy"
            raise NotHealthy(f"The container {(down or waiting)[0].name} {reason}.")
        time.sleep(_POLL)


def tear_down(engine: Engine, stack: Stack) -> None:
    """Removes containers and network; the volumes too if the operator asked to purge them.

    Raises:
        Superseded: the operator has enabled the stack since, or now wants it purged too.
        StackError: the Engine does not answer; a later call continues from there.
    """
    spec = services.for_hostname(stack.hostname)
    progress.stopping("Stopping the containers")
    for service, state in engine.containers(spec.project).items():
        progress.stopping(f"Stopping {service.title()}")
        engine.stop(state.name, 20)
        engine.remove(state.name)
    try:
        engine.remove_network(spec.network)
    except NetworkInUse as exc:
        # Such as a webmail's container. The stack is gone anyway, and the next start uses the network again.
        logger.warning("stack: the network stays: %s %s", exc.message, exc.hint)
    if stack.purge:
        progress.stopping("Removing the volumes")
        for volume in spec.volumes:
            engine.remove_volume(volume)
        # Their mail is gone, so there is nothing left to restore.
        Mailbox.objects.deleted().delete()
        Mailbox.objects.exclude(usage_bytes=0).update(usage_bytes=0, warned_percent=0)
    for model in (Domain, Mailbox, Alias):
        model.objects.exclude(applied_at=None, live_at=None).update(applied_at=None, live_at=None)
    Mailbox.objects.leaving().update(removed_at=timezone.now())
    if not progress.disabled(purge=stack.purge):
        raise progress.Superseded
