"""Everything that is looked at before the stack is enabled, side by side and within a deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import chain
from threading import Thread
from typing import TYPE_CHECKING

from mailboxes.stack.blueprint.services import PORTS, SERVICES, Options
from mailboxes.stack.preflight import machine as preflightchecks
from mailboxes.stack.preflight import names as namechecks
from mailboxes.stack.preflight.machine import Check, Machine, Severity
from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailboxes.engine.client import Engine

__all__ = ["Check", "Report", "run"]


@dataclass(frozen=True, slots=True)
class Report:
    """All checks.

    Attributes:
        ok: no error stands in the way; warnings do not.
    """

    ok: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class _Planned:
    id: str
    severity: Severity
    look: Callable[[Machine], Check]


def run(hostname: str, engine: Engine, *, options: Options | None = None, deadline: float = 10.0) -> Report:
    """Looks at everything. Never raises for what it finds, and never takes longer than the deadline: a check that
    did not finish counts as failed."""
    # The checks' own limits end a little earlier, so that each can still say what it waited for.
    machine = Machine(hostname, engine, options or Options.from_settings(hostname), deadline * 0.9)
    checks = _side_by_side(machine, _planned(), deadline)
    return Report(all(check.ok or check.severity == "warning" for check in checks), checks)


def _planned() -> list[_Planned]:
    checks = preflightchecks
    return [
        _Planned("docker", "error", checks.docker),
        *(
            _Planned(f"port_{port}", "error", partial(checks.port, standard=port))
            for port in chain.from_iterable(PORTS.values())
        ),
        _Planned("disk", "error", checks.disk),
        _Planned("memory", "error", checks.memory),
        _Planned("hostname", "warning", namechecks.hostname),
        _Planned("reverse_dns", "warning", namechecks.reverse_dns),
        _Planned("outbound_25", "warning", namechecks.outbound_25),
        *(
            _Planned(f"image_{service}", "error", partial(checks.image, service=service))
            for service in SERVICES
        ),
    ]


def _side_by_side(machine: Machine, planned: Sequence[_Planned], deadline: float) -> tuple[Check, ...]:
    until = time.monotonic() + deadline
    found: dict[str, Check] = {}
    # Not a pool: its threads would keep the process from ending for as long as a name server is silent.
    threads = [
        Thread(target=_look, args=(machine, each, found), name=each.id, daemon=True) for each in planned
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return tuple(found.get(each.id) or _unfinished(each, deadline) for each in planned)


def _look(machine: Machine, planned: _Planned, found: dict[str, Check]) -> None:
    try:
        found[planned.id] = planned.look(machine)
    except QuazzarError as exc:
        found[planned.id] = Check(planned.id, False, planned.severity, exc.message, exc.hint)
    except OSError as exc:
        sentence = f"This could not be checked: {exc.strerror or exc}."
        found[planned.id] = Check(planned.id, False, planned.severity, sentence)


def _unfinished(planned: _Planned, deadline: float) -> Check:
    about = planned.id.replace("_", " ")
    return Check(
        planned.id, False, planned.severity, f"The check of {about} did not finish within {deadline:g} s.",
        "Run the preflight again; if it stays so, look at Docker and at this machine's name servers.",
    )  # fmt: skip
