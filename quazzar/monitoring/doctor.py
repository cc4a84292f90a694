"""The checks of `manage.py doctor`: what a finding is, and the checks that apps register in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from quazzar.errors import QuazzarError
from quazzar.monitoring.logs import redact


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        sentence: what the check saw.
        advice: what to do about it; empty if nothing is needed.
    """

    level: Level
    sentence: str
    advice: str = ""


Check = Callable[[], Finding]

_registered: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Add a check of an app; a second one of the same name replaces the first."""
    _registered[name] = check


def registered() -> Mapping[str, Check]:
    """The checks of the apps, in the order in which they were registered."""
    return _registered


def ok(sentence: str) -> Finding:
    """A finding that needs nothing."""
    return Finding(Level.OK, sentence)


def warning(sentence: str, advice: str = "") -> Finding:
    """A finding that the operator should look at."""
    return Finding(Level.WARNING, sentence, advice)


def failed(sentence: str, advice: str = "") -> Finding:
    """A finding that something does not work."""
    return Finding(Level.FAILED, sentence, advice)


def examine(checks: Mapping[str, Check]) -> Iterator[tuple[str, Finding]]:
    """Run the checks one by one; a check that cannot finish counts as failed."""
    for name, check in checks.items():
        try:
            yield name, check()
        except QuazzarError as exc:
            yield name, failed(exc.message, exc.hint)
        except (DatabaseError, ImproperlyConfigured, OSError) as exc:
            # The message of a database driver may quote the URL with its password.
            yield name, failed(f"The check could not finish: {redact(str(exc)).strip()}.")
