"""What the web and worker processes report about their machine, so that any of them can tell where machines differ.

Only with PostgreSQL: SQLite has one machine.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from django.utils.crypto import salted_hmac

from quazzar import __version__, words
from quazzar.errors import QuazzarError
from quazzar.machines import comparing
from quazzar.models import Process
from quazzar.monitoring import doctor, nodechecks
from quazzar.monitoring.doctor import Finding, Level
from quazzar.plans import licenses
from quazzar.sealing import keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

#: Seconds between two reports of a process.
EVERY = 15.0
#: Times are compared between machines, above all those of leases (60 seconds).
_CLOCK_SLACK = timedelta(seconds=10)


def start(role: str) -> threading.Event:
    """Report from now on, in a thread, until the event is set; ``finish`` does that."""
    stop = threading.Event()
    threading.Thread(target=_go_on, args=(role, stop), name="reports", daemon=True).start()
    return stop


def finish(role: str, stop: threading.Event) -> None:
    """Stop reporting, and take this process's row away: it ends on purpose."""
    stop.set()
    if connection.vendor == "postgresql":
        with suppress(DatabaseError):
            Process.objects.filter(machine=machine(), role=role).delete()


def machine() -> str:
    """This machine's name: the host's, and four digits that tell its data dirs and containers apart."""
    host = socket.gethostname()[:90]
    place = f"{host} {settings.QUAZZAR_DATA_DIR}"
    return f"{host}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:4]}"


def describe(role: str) -> Process:
    """What this process would report now; not saved."""
    return Process(
        machine=machine(),
        role=role,
        version=__version__,
        secret_key=salted_hmac("quazzar.process", "SECRET_KEY", algorithm="sha256").hexdigest(),
        licence=_licence(),
        problems=[[found.level, found.sentence, found.advice] for found in _problems()],
    )


def is_first() -> bool:
    """Whether this machine speaks for all where it makes no difference: the first one with a worker that reports."""
    if connection.vendor != "postgresql":
        return True
    alive = Process.objects.filter(role="worker", at__gt=timezone.now() - comparing.SILENT_AFTER)
    return alive.order_by("machine").values_list("machine", flat=True).first() in (None, machine())


def report(role: str, started_at: datetime) -> None:
    """Store what this process has to report, and log what is new about how its machine differs from the others."""
    row = describe(role)
    values = {name: getattr(row, name) for name in ("version", "secret_key", "licence", "problems")}
    Process.objects.update_or_create(
        machine=row.machine,
        role=role,
        defaults={**values, "started_at": started_at, "at": timezone.now()},
    )
    _log(comparing.about(row.machine, list(Process.objects.all()), timezone.now()))


def _licence() -> str:
    licence = licenses.read()
    until = f" until {words.minute(licence.expires_at)}" if licence.expires_at else ""
    why = f" ({licence.problem})" if licence.problem else ""
    return f"{licence.plan.title}{until}{why}"[:300]


def _problems() -> Iterator[Finding]:
    try:
        keyring.to_seal_with()
    except QuazzarError as exc:
        yield doctor.failed(exc.message, exc.hint)
    for check in (nodechecks.disk, nodechecks.static_files, _clock):
        try:
            found = check()
        except OSError as exc:
            found = doctor.failed(f"The check stopped with an error: {exc.strerror}.")
        if found.level is not Level.OK:
            yield found


def _clock() -> Finding:
    if connection.vendor != "postgresql":
        return doctor.idle("The database is on this machine.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (there,) = cursor.fetchone()
    off = abs(timezone.now() - there)
    if off > _CLOCK_SLACK:
        return doctor.failed(
            f"The clock differs from that of the database by {off.total_seconds():.0f} seconds. Workers could "
            "send messages twice.",
            "Run timedatectl set-ntp true on both machines, or install chrony.",
        )
    return doctor.ok("The clock agrees with that of the database.")


_logged: set[str] = set()


def _log(findings: list[Finding]) -> None:
    """Log each finding when it is new."""
    now = {finding.problem: finding for finding in findings}
    for problem in now.keys() - _logged:
        logger.error("%s %s", now[problem].sentence, now[problem].advice)
    _logged.clear()
    _logged.update(now)


def _go_on(role: str, stop: threading.Event) -> None:
    if connection.vendor != "postgresql":
        return
    started_at = timezone.now()
    while True:
        try:
            report(role, started_at)
            (settings.QUAZZAR_DATA_DIR / f"{role}.alive").touch()  # for the health check of a container
        except (DatabaseError, QuazzarError, OSError) as exc:
            logger.warning("this machine could not report (%s)", type(exc).__name__)
        finally:
            connection.close()  # it is not needed for a while
        if stop.wait(EVERY):
            return
