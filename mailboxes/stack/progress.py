"""Stores what the page shows of the worker's work: phase, step, percentage, and the error that stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models.functions import Greatest
from django.utils import timezone

from mailboxes.models import Stack, StackImage, error_value
from quazzar.monitoring import findings

if TYPE_CHECKING:
    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.engine.values import ContainerState
    from mailboxes.stack.planning import Observation
    from quazzar.errors import QuazzarError

Phase = Stack.Phase
#: Phase → (step, percentage at its start). While a stack is brought up the percentage never falls.
STEPS = {
    Phase.PREFLIGHT: (1, 0),
    Phase.PULLING: (2, 8),
    Phase.CREATING: (3, 60),
    Phase.STARTING: (4, 70),
    Phase.HEALTHY: (5, 100),
}
WORKING = (Phase.PREFLIGHT, Phase.PULLING, Phase.CREATING, Phase.STARTING)


class Superseded(Exception):
    """The operator has decided otherwise: the work in progress stops where it is."""


def begin(phase: Phase, message: str, percent: int | None = None) -> None:
    """Stores that a phase of bringing up begins, or how far it has got.

    Args:
        percent: of the whole; None means where the phase starts.

    Raises:
        Superseded: the stack has been disabled since.
    """
    step, start = STEPS[phase]
    changed = Stack.objects.filter(pk=1, enabled=True).update(
        phase=phase,
        step=step,
        steps=len(STEPS),
        percent=Greatest("percent", start if percent is None else percent),
        progress_message=message[:300],
        last_error=None,
    )
    if not changed:
        raise Superseded


def restart() -> None:
    """Sets the percentage back to zero, because a stack that was up is brought up again."""
    Stack.objects.filter(pk=1, enabled=True).update(percent=0, step=0)


def part_of(phase: Phase, fraction: float) -> int:
    """The percentage of the whole at which this fraction (0 to 1) of a phase is done."""
    phases = list(STEPS)
    end = STEPS[phases[phases.index(phase) + 1]][1]
    start = STEPS[phase][1]
    return min(end - 1, start + int((end - start) * max(0.0, min(1.0, fraction))))


def healthy() -> None:
    """Stores that all containers are healthy."""
    _settle(Phase.HEALTHY, "Healthy", None)


def degraded(error: QuazzarError) -> None:
    """Stores that the stack runs, but not as it should."""
    _settle(Phase.DEGRADED, error.message, error)


def failed(error: QuazzarError) -> None:
    """Stores that the stack could not be brought up. The percentage stays where it stopped."""
    Stack.objects.filter(pk=1, enabled=True).update(
        phase=Phase.FAILED, progress_message=error.message[:300], last_error=_value(error)
    )
    findings.look({"stack"})


def _settle(phase: Phase, message: str, error: QuazzarError | None) -> None:
    row = Stack.objects.filter(pk=1, enabled=True)
    value = _value(error) if error else None
    # Another problem is news, too: it may be fixed before the next scheduled check, and nobody would learn of it.
    is_news = row.values_list("phase", "last_error").first() not in (None, (phase, value))
    row.update(
        phase=phase,
        step=len(STEPS),
        steps=len(STEPS),
        percent=100,
        progress_message=message[:300],
        last_error=value,
    )
    if is_news:
        findings.look({"stack"})


def stopping(message: str, error: QuazzarError | None = None) -> None:
    """Stores how far taking the stack down has got.

    Raises:
        Superseded: the stack has been enabled since.
    """
    changed = Stack.objects.filter(pk=1, enabled=False).update(
        phase=Phase.STOPPING, progress_message=message[:300], last_error=_value(error) if error else None
    )
    if not changed:
        raise Superseded


def disabled(*, purge: bool) -> bool:
    """Stores that nothing is left of the stack; False if the operator has decided otherwise since.

    Args:
        purge: whether the volumes were removed, too.
    """
    changed = Stack.objects.filter(pk=1, enabled=False, purge=purge).update(
        phase=Phase.DISABLED,
        step=0,
        steps=0,
        percent=0,
        progress_message="",
        last_error=None,
        services=[],
        parts={},
        pending=[],
        purge=False,
        applied_generation=0,
        clients={},
        versions={},
        mail_queue=None,
        mail_queue_told={},
        guessed={},
        observed_at=timezone.now(),
    )
    if changed and purge:
        StackImage.objects.all().delete()  # nothing depends on these images: begin with the configured ones
    return bool(changed)


def _value(error: QuazzarError) -> dict[str, str]:
    return error_value(error.code, error.message, error.hint)


def observed(spec: StackSpec, observation: Observation) -> None:
    """Stores the state of the containers, for the page and ``GET /api/mail/stack``."""
    services = [_service(service, observation.containers.get(service.service)) for service in spec.services]
    Stack.objects.filter(pk=1).update(services=services, observed_at=timezone.now())


def _service(service: ServiceSpec, state: ContainerState | None) -> dict[str, object]:
    return {
        "name": service.service,
        "image": service.image,
        "status": state.status if state else "absent",
        "health": state.health if state else "none",
        "ports": sorted(port.host for port in service.ports),
    }
