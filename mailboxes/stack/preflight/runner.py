"""Runs all checks before the stack is enabled, in parallel and within a deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import chain
from threading import Thread
from typing import TYPE_CHECKING

from mailboxes.stack.blueprint.services import PORTS, SERVICES, Options
from mailboxes.stack.preflight.inside import ID, check_inside
from mailboxes.stack.preflight.machine import (
    Check,
    Machine,
    Severity,
    check_disk,
    check_docker,
    check_image,
    check_memory,
    check_port,
)
from mailboxes.stack.preflight.names import check_hostname, check_outbound_25, check_reverse_dns
from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailboxes.engine.client import Engine

__all__ = ["Check", "Report", "run"]


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all checks.

    Attributes:
        ok: no check ended with an error; warnings do not count.
    """

    ok: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class _PlannedCheck:
    id: str
    severity: Severity
    look: Callable[[Machine], Check]


def run(
    hostname: str,
    engine: Engine,
    *,
    options: Options | None = None,
    deadline: float = 10.0,
    inside: bool = False,
) -> Report:
    """Runs all checks. It never raises because of a check's result; a check that does not finish in time has failed.

    Args:
        hostname: the name that the stack is to have.
        options: defaults to those of the settings.
        deadline: seconds for everything.
        inside: also look from inside a container, which may be made for it.
    """
    # The checks get a little less time, so that each can still say what it waited for.
    machine = Machine(hostname, engine, options or Options.from_settings(hostname), deadline * 0.9)
    planned = [*_planned(), *([_PlannedCheck(ID, "warning", check_inside)] if inside else ())]
    checks = _side_by_side(machine, planned, deadline)
    return Report(all(check.ok or check.severity == "warning" for check in checks), checks)


def _planned() -> list[_PlannedCheck]:
    return [
        _PlannedCheck("docker", "error", check_docker),
        *(
            _PlannedCheck(f"port_{port}", "error", partial(check_port, standard=port))
            for port in chain.from_iterable(PORTS.values())
        ),
        _PlannedCheck("disk", "error", check_disk),
        _PlannedCheck("memory", "error", check_memory),
        _PlannedCheck("hostname", "warning", check_hostname),
        _PlannedCheck("reverse_dns", "warning", check_reverse_dns),
        _PlannedCheck("outbound_25", "warning", check_outbound_25),
        *(
            _PlannedCheck(f"image_{service}", "error", partial(check_image, service=service))
            for service in SERVICES
        ),
    ]


def _side_by_side(machine: Machine, planned: Sequence[_PlannedCheck], deadline: float) -> tuple[Check, ...]:
    until = time.monotonic() + deadline
    results: dict[str, Check] = {}
    # Not a pool: its threads would keep the process from ending while a name server does not answer.
    threads = [
        Thread(target=_look, args=(machine, check, results), name=check.id, daemon=True) for check in planned
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return tuple(results.get(check.id) or _unfinished(check, deadline) for check in planned)


def _look(machine: Machine, planned: _PlannedCheck, results: dict[str, Check]) -> None:
    try:
        results[planned.id] = planned.look(machine)
    except QuazzarError as exc:
        results[planned.id] = Check(planned.id, False, planned.severity, exc.message, exc.hint)
    except OSError as exc:
        sentence = f"This could not be checked: {exc.strerror or exc}."
        results[planned.id] = Check(planned.id, False, planned.severity, sentence)


def _unfinished(planned: _PlannedCheck, deadline: float) -> Check:
    about = planned.id.replace("_", " ")
    return Check(
        planned.id,
        False,
        planned.severity,
        f"The check of {about} did not finish within {deadline:g} s.",
        "Run the check again. If it still fails, check Docker and this machine's name servers.",
    )
