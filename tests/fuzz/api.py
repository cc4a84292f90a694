"""Requests made up from the OpenAPI description, by every kind of caller: schemathesis, in this process or by HTTP."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from drf_spectacular.generators import SchemaGenerator
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import JsonSchemaError

from tests.fuzz import contract
from tests.fuzz.world import CALLERS, change_the_weather, ids

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Run:
    """The run under way. Hooks and checks of schemathesis are functions of the process, so that there is one."""

    def __init__(self, caller: str = "anonymous", seed: int = 0, shown: dict[str, str] | None = None) -> None:
        self.caller, self.seed, self.shown = caller, seed, shown or {}
        self.dice, self.number = random.Random(seed), count()


_run = _Run()
#: Checks of schemathesis that do not hold for this API, or not as they are, and why.
_CHECKS = {
    # Rules that no schema can say (a known domain, a free address) refuse what the schema allows.
    "positive_data_acceptance": {"enabled": False},
    # Credentials are put into every request; that nobody gets anywhere without them, the anonymous caller shows.
    "ignored_auth": {"enabled": False},
    # Answers about other machines: the name server of a domain, Docker. contract.py checks their codes.
    "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "502", "503"]},
}
#: Path → what the schema forbids there and the API takes on purpose.
_LENIENT = (
    (re.compile("^/api/mail/(alerts|backups)$"), "the news matters more than its details"),
    (re.compile("^/api/schema$"), "an unknown format is answered as JSON, like an unknown Accept"),
)
#: In a query: a size of a page is at most 500, and a filter without a value is none.
_SIZE, _EMPTY = re.compile(r"page_size"), re.compile(r"[?&][^=&]+=(?:&|$)")


@schemathesis.check
def contract_holds(ctx: Any, response: Any, case: Any) -> None:
    """The answer is one that this caller may get; see contract.py."""
    method = response.request.method
    if wrong := contract.breaches(_run.caller, case.operation.path, method, response):
        raise AssertionError("; ".join(wrong))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Most ids are those of rows; an idempotency key is a new one, or all but the first would be conflicts. What shows
    who the caller is takes the place of what was made up."""
    there, dice = ids(), _run.dice
    if dice.random() < 0.02:
        change_the_weather(dice)
    if case.path_parameters and str(case.path_parameters.get("id", "")).isdecimal() and dice.random() < 0.7:
        found = (pk for start, pk in there.items() if case.operation.path.startswith(start))
        case.path_parameters["id"] = next(found, 1)
    if isinstance(case.headers.get("Idempotency-Key"), str) and dice.random() < 0.9:
        case.headers["Idempotency-Key"] = f"fuzz-{_run.seed}-{next(_run.number)}"
    case.headers.update(_run.shown)


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a failure counts."""
    if isinstance(failure, AcceptedNegativeData):
        is_lenient = any(path.search(case.operation.path) for path, _ in _LENIENT)
        return not (is_lenient or _SIZE.search(failure.message) or _EMPTY.search(response.request.url))
    # Who may change something but not read it gets no stored values; contract.py checks that.
    return not (isinstance(failure, JsonSchemaError) and contract.hides(_run.caller, case, response))


@dataclass
class Outcome:
    """What a run came to."""

    #: Phase (examples, coverage, fuzzing, stateful) → requests.
    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    #: One of each kind: (operation, check, first line) → how to repeat it.
    failures: dict[tuple[str, str, str], str] = field(default_factory=dict)


def config(
    *, seed: int, examples: int, seconds: float | None, thorough: bool, url: str = ""
) -> SchemathesisConfig:
    """What schemathesis tries: the edges of each description, made-up values, and sequences of calls."""
    settings: dict[str, Any] = {
        "seed": seed,
        "continue-on-failure": True,
        "cache": {"enabled": False},
        "generation": {"max-examples": examples, "no-shrink": False, "database": "none"},
        "checks": _CHECKS,
        "phases": {"stateful": {"enabled": thorough}, "coverage": {"enabled": thorough}},
        "analysis": {"constants": {"enabled": False}},
        "suppress-health-check": ["all"],
    }
    if url:
        settings |= {"base-url": url, "request-timeout": 180}
    if seconds:
        settings["max-time"] = int(seconds)
    return SchemathesisConfig.from_dict(settings)


def _as(caller: str) -> Any:
    """The product, which takes every request for this caller's."""
    product, shown = WSGIHandler(), CALLERS[caller]()
    return lambda environ, start: product(environ | shown, start)


def _headers(caller: str) -> dict[str, str]:
    """What shows a real server who the caller is."""
    shown = CALLERS[caller]()
    return {name.removeprefix("HTTP_").replace("_", "-").title(): value for name, value in shown.items()}


def attack(
    caller: str,
    *,
    seed: int,
    examples: int = 10,
    seconds: float | None = None,
    thorough: bool = True,
    url: str = "",
) -> Outcome:
    """Send requests as this caller, and return what they came to.

    Args:
        examples: made-up requests for each operation.
        seconds: when to stop; without it, once every operation had its examples.
        thorough: also the edges of each description, and sequences of calls; they take minutes.
        url: of a node that runs on this process's database; without it, requests do not leave this process.
    """
    global _run
    _run = _Run(caller, seed, _headers(caller) if url else {})
    described = schemathesis.openapi.from_dict(
        cast("Any", SchemaGenerator)().get_schema(request=None, public=True),
        config=config(seed=seed, examples=examples, seconds=seconds, thorough=thorough, url=url),
    )
    if not url:
        described.app = _as(caller)
    return summed_up(from_schema(described).execute())


def summed_up(stream: Iterable[Any]) -> Outcome:
    """Count what a run of the engine reports."""
    outcome = Outcome()
    for event in stream:
        if isinstance(event, events.NonFatalError):
            outcome.failures[event.label, "error", str(event.value).partition("\n")[0]] = repr(event.value)
        if isinstance(event, events.FatalError):
            raise event.exception
        if not isinstance(event, events.ScenarioFinished):
            continue
        outcome.cases[event.phase.value] += len(event.recorder.interactions)
        for interaction in event.recorder.interactions.values():
            if interaction.response is not None:
                outcome.statuses[interaction.response.status_code] += 1
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.status is Status.FAILURE and check.failure_info:
                    failure = check.failure_info.failure
                    first = f"{failure.title} {failure.message}".partition("\n")[0]
                    key = (event.recorder.label, check.name, first)
                    outcome.failures.setdefault(key, f"{failure.message}\n{check.failure_info.code_sample}")
    return outcome
