"""`manage.py doctor`: findings, and the list of checks that apps extend in their AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from quazzar.errors import QuazzarError
from quazzar.monitoring.logs import redact


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        sentence: what is.
        advice: what to do about it; empty when nothing is needed.
    """

    level: Level
    sentence: str
    advice: str = ""


Check = Callable[[], Finding]

_registered: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Add an app's check; the same name again replaces it."""
    _registered[name] = check


def registered() -> Mapping[str, Check]:
    """The apps' checks, in the order of their registration."""
    return _registered


def ok(sentence: str) -> Finding:
    return Finding(Level.OK, sentence)


def warning(sentence: str, advice: str = "") -> Finding:
    return Finding(Level.WARNING, sentence, advice)


def failed(sentence: str, advice: str = "") -> Finding:
    return Finding(Level.FAILED, sentence, advice)


def examine(checks: Mapping[str, Check]) -> Iterator[tuple[str, Finding]]:
    """Run the checks; one that cannot finish has failed, and the others go on."""
    for name, check in checks.items():
        try:
            yield name, check()
        except QuazzarError as exc:
            yield name, failed(exc.message, exc.hint)
        except (DatabaseError, ImproperlyConfigured, OSError) as exc:
            # A driver's message may quote the URL that it was given.
            yield name, failed(f"The check could not finish: {redact(str(exc)).strip()}.")
