"""What the page sees of the worker's work: phase, step, percent and what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models.functions import Greatest
from django.utils import timezone

from mailboxes.models import Stack, error_value

if TYPE_CHECKING:
    from mailboxes.engine.spec import StackSpec
    from mailboxes.stack.planning import Observation
    from quazzar.errors import QuazzarError

Phase = Stack.Phase
#: Phase → (step, percent at its start). The steps of one bringing up; a percent never falls within it.
STEPS = {
    Phase.PREFLIGHT: (1, 0),
    Phase.PULLING: (2, 8),
    Phase.CREATING: (3, 60),
    Phase.STARTING: (4, 70),
    Phase.HEALTHY: (5, 100),
}
WORKING = (Phase.PREFLIGHT, Phase.PULLING, Phase.CREATING, Phase.STARTING)


class Superseded(Exception):
    """The operator wants something else by now; what is under way is left where it is."""


def begin(phase: Phase, message: str, percent: int | None = None) -> None:
    """A step of bringing up begins, or goes on.

    Raises:
        Superseded: the stack was disabled meanwhile.
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


def again() -> None:
    """A stack that was healthy is brought up anew: its percent starts from zero."""
    Stack.objects.filter(pk=1, enabled=True).update(percent=0, step=0)


def part_of(phase: Phase, fraction: float) -> int:
    """The percent at which a phase is this far (0 to 1)."""
    phases = list(STEPS)
    end = STEPS[phases[phases.index(phase) + 1]][1]
    start = STEPS[phase][1]
    return min(end - 1, start + int((end - start) * max(0.0, min(1.0, fraction))))


def healthy() -> None:
    """All is as it should be."""
    _settle(Phase.HEALTHY, "Healthy", None)


def degraded(error: QuazzarError) -> None:
    """It runs, but not as it should."""
    _settle(Phase.DEGRADED, error.message, error)


def failed(error: QuazzarError) -> None:
    """It could not be brought up. The percent stays where it stopped."""
    Stack.objects.filter(pk=1, enabled=True).update(
        phase=Phase.FAILED, progress_message=error.message[:300], last_error=_value(error)
    )


def _settle(phase: Phase, message: str, error: QuazzarError | None) -> None:
    Stack.objects.filter(pk=1, enabled=True).update(
        phase=phase,
        step=len(STEPS),
        steps=len(STEPS),
        percent=100,
        progress_message=message[:300],
        last_error=_value(error) if error else None,
    )


def stopping(message: str, error: QuazzarError | None = None) -> None:
    """The stack is being taken down.

    Raises:
        Superseded: it was enabled meanwhile.
    """
    changed = Stack.objects.filter(pk=1, enabled=False).update(
        phase=Phase.STOPPING, progress_message=message[:300], last_error=_value(error) if error else None
    )
    if not changed:
        raise Superseded


def _value(error: QuazzarError) -> dict[str, str]:
    return error_value(error.code, error.message, error.hint)


def seen(spec: StackSpec, observation: Observation) -> None:
    """What GET stack shows of the containers."""
    Stack.objects.filter(pk=1).update(
        services=[
            {
                "name": service.service,
                "image": service.image,
                "status": state.status
                if (state := observation.containers.get(service.service))
                else "absent",
                "health": state.health if state else "none",
                "ports": sorted(port.host for port in service.ports),
            }
            for service in spec.services
        ],
        observed_at=timezone.now(),
    )
