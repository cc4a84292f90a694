"""The doctor's checks: what a check and its finding are, and the list of all checks.

Each app registers its checks in AppConfig.ready(). ``findings.py`` runs them on time and stores what they found;
``readings.py`` decides what pages, API and metrics show of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from quazzar.errors import QuazzarError
from quazzar.monitoring.logs import redact
from quazzar.rights import LOOK_AROUND, Right

#: How often a cheap check runs.
OFTEN = timedelta(seconds=20)
# Numbers that change between checks are not news.
_NUMBERS = re.compile(r"\d[\d.,:-]*(?: ?[A-Za-z]{1,4}\b)?")


class Level(StrEnum):
    """How serious a finding is. A check finds one of the first three; the numbers of /metrics are in this order."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    #: The current state is unknown: the check has not run lately. Only a reading has this level (``readings.py``).
    UNKNOWN = "unknown"


class Area(StrEnum):
    """What a check is about."""

    RELAY = "relay"
    SERVER = "server"
    DNS = "dns"
    QUEUE = "queue"
    CERTIFICATE = "certificate"
    LICENCE = "licence"
    REPORTS = "reports"
    NODE = "node"


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        sentence: what the check found.
        advice: what to do about it; empty if nothing is needed.
        since: since when, if the check knows; otherwise the time when it was first found is used.
        is_idle: ok because there is nothing to check: what the check is about is not in use.
    """

    level: Level
    sentence: str
    advice: str = ""
    since: datetime | None = None
    is_idle: bool = False

    @property
    def problem(self) -> str:
        """What is wrong, without the numbers that change between checks; empty if nothing is."""
        return "" if self.level is Level.OK else f"{self.level}: {_NUMBERS.sub('#', self.sentence)}"


@dataclass(frozen=True)
class Check:
    """A check, with everything needed to show its finding.

    Attributes:
        name: as people read it; the finding is stored under it.
        run: makes the check. May raise QuazzarError, a database error or OSError, which count as failed.
        page: URL name of the console's page where the operator can fix it; empty: there is none.
        title: as a heading; empty: the name with a capital.
        right: what an operator needs to see the finding.
        every: how often the worker runs it while all is well. A check that does not pass runs at least every minute.
        is_live: also run whenever the finding is read, because a dead worker cannot find it.
        is_local: about the machine that runs it; of several machines, one stores its finding (see ``stores_local``).
        again: called first when an operator asks for another check: refreshes what the check reads.
        help: the symptom or chapter in docs/help.md that explains what it finds; empty: the chapter of ``page``.
    """

    name: str
    run: Callable[[], Finding]
    area: Area = Area.NODE
    page: str = ""
    right: Right = LOOK_AROUND
    every: timedelta = OFTEN
    is_live: bool = False
    is_local: bool = False
    title: str = ""
    again: Callable[[], object] | None = None
    help: str = ""

    @property
    def heading(self) -> str:
        """The check's name as a heading."""
        return self.title or self.name[:1].upper() + self.name[1:]


_registered: dict[str, Check] = {}


def _always() -> bool:
    """Store what local checks find."""
    return True


#: Whether this machine stores what its local checks find; otherwise machines would overwrite each other's findings. The
#: app sets it to ``machines.reporting.is_first``.
stores_local: Callable[[], bool] = _always


def register(
    name: str,
    check: Callable[[], Finding],
    *,
    area: Area = Area.NODE,
    page: str = "",
    right: Right = LOOK_AROUND,
    every: timedelta = OFTEN,
    is_live: bool = False,
    is_local: bool = False,
    title: str = "",
    again: Callable[[], object] | None = None,
    help: str = "",
) -> None:
    """Add a check (see ``Check``); a second one of the same name replaces the first."""
    _registered[name] = Check(
        name, check, Area(area), page, right, every, is_live, is_local, title, again, help
    )


def registered() -> list[Check]:
    """All checks, in the order in which they were registered: those of the node first."""
    return list(_registered.values())


def ok(sentence: str, *, since: datetime | None = None) -> Finding:
    """A finding that needs nothing."""
    return Finding(Level.OK, sentence, since=since)


def idle(sentence: str) -> Finding:
    """A finding that there is nothing to check: neither right nor wrong."""
    return Finding(Level.OK, sentence, is_idle=True)


def warning(sentence: str, advice: str = "", *, since: datetime | None = None) -> Finding:
    """A finding that the operator should look at."""
    return Finding(Level.WARNING, sentence, advice, since)


def failed(sentence: str, advice: str = "", *, since: datetime | None = None) -> Finding:
    """A finding that something does not work."""
    return Finding(Level.FAILED, sentence, advice, since)


def examine(checks: Iterable[Check]) -> Iterator[tuple[Check, Finding]]:
    """Run the checks one by one; a check that cannot finish counts as failed."""
    for check in checks:
        try:
            yield check, check.run()
        except QuazzarError as exc:
            yield check, failed(exc.message, exc.hint)
        except (DatabaseError, ImproperlyConfigured, OSError) as exc:
            # The message of a database driver may quote the URL with its password.
            yield check, failed(f"The check stopped with an error: {redact(str(exc)).strip()}.")
