"""The checks that `manage.py doctor` runs on every node, whatever the apps register."""

from __future__ import annotations

import os
import platform
import shutil
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core import checks as system_checks
from django.core.checks.registry import registry
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.utils import timezone

from quazzar import words
from quazzar.access import roles
from quazzar.models import Heartbeat
from quazzar.monitoring import clock as clocks
from quazzar.monitoring import doctor, health
from quazzar.monitoring.doctor import Area, Finding, Level, failed, idle, ok, warning
from quazzar.plans import lapse, licenses
from quazzar.rights import MANAGE_OPERATORS
from quazzar.sealing import keyring
from quazzar.sealing.columns import sealed_columns

_MIB = 1024 * 1024
_DISK_LOW = 1024 * _MIB
_DISK_FULL = 100 * _MIB
_INODES_FULL = 1000
_CLOCK_SLACK = timedelta(minutes=2)
#: How many secrets of each kind are checked every time, and how long a count of all of them is valid.
_NEWEST, _COUNT_SECONDS = 200, 3600.0
#: For checks that are expensive, or whose result only changes when the product restarts.
_SELDOM = timedelta(minutes=5)
_START = "Start the product: make run, or manage.py up."
_HELP_SECRETS = "Stored secrets do not open"
_HELP_WORKER = "“The worker last reported … ago”"


def python() -> Finding:
    """Which Python runs this."""
    return ok(f"{platform.python_implementation()} {platform.python_version()}.")


def system() -> Finding:
    """The product's own system checks; the worst message stands for all.

    Django's own are about the code, and have run before the start. Here they would load the console and the API into
    the worker, which costs 40 MB.
    """
    found = (check(app_configs=None) for check in registry.get_checks() if _is_ours(check))
    problems = sorted(chain.from_iterable(found), key=lambda message: -message.level)
    if not problems or problems[0].level < system_checks.WARNING:
        return ok("All system checks pass.")
    worst = problems[0]
    more = f" ({len(problems) - 1} more: manage.py check)" if len(problems) > 1 else ""
    report = failed if worst.is_serious() else warning
    return report(f"{worst.msg}{more}", worst.hint or "")


def _is_ours(check: Any) -> bool:
    return check.__module__.startswith("quazzar.") and "database" not in check.tags


def database() -> Finding:
    """Whether the database is reachable and has all migrations."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        return failed(
            f"The database still needs {words.count(len(waiting), 'migration')}.", "Run manage.py migrate."
        )
    return ok(f"Reachable ({connection.display_name}), with all migrations applied.")


def key_file() -> Finding:
    """Whether there is a key file that only its owner can read, and that is the one other machines use.

    Raises:
        KeyFileError: it cannot be used, or is another one.
    """
    ring = keyring.existing()
    if ring is None:
        return warning(
            f"There is no key file at {keyring.path()} yet.",
            "Quazzar creates it on first use; make run creates it now.",
        )
    keyring.guard(ring)
    return ok(f"{keyring.path()} holds {words.count(len(ring), 'key')}, and only its owner can read it.")


def seals() -> Finding:
    """Whether the key file has the key of every stored secret. Reads their headers; nothing is opened.

    All of them are counted when the keys have changed, or some secret is lost, and otherwise once an hour: there may be
    millions.

    Raises:
        KeyFileError: the key file cannot be used.
    """
    global _counted
    ring = keyring.existing()
    headers = frozenset(ring.headers) if ring else frozenset()
    columns = sealed_columns()
    is_lost = any(not column.newest_headers(_NEWEST) <= headers for column in columns)
    if _counted and not is_lost and _counted.holds(headers):
        return _counted.finding
    total = sum(column.count() for column in columns)
    lost = total - sum(column.count(headers) for column in columns)
    finding = idle("No secrets are stored.")
    if total:
        finding = ok(f"{words.count(total, 'stored secret')}: the key file opens all of them.")
    if lost:
        finding = failed(
            f"The key file does not open {lost:,} of {words.count(total, 'stored secret')}: "
            f"{'they were' if lost > 1 else 'it was'} sealed with another key.",
            "Put the old key file back, or enter the secrets again. manage.py check_seals lists them.",
        )
    _counted = _Count(headers, finding, time.monotonic())
    return finding


@dataclass(frozen=True)
class _Count:
    """What a count of all secrets found, with these keys."""

    headers: frozenset[bytes]
    finding: Finding
    at: float

    def holds(self, headers: frozenset[bytes]) -> bool:
        """Whether another count would most likely give the same result."""
        seconds = _COUNT_SECONDS if self.finding.level is Level.OK else 0
        return self.headers == headers and time.monotonic() - self.at < seconds


_counted: _Count | None = None


def broker() -> Finding:
    """Whether the broker of the task queue answers."""
    advice = "Check REDIS_URL and the server it points to." if settings.REDIS_URL else _START
    return _probed(health.broker(), advice)


def worker() -> Finding:
    """Whether the worker is alive."""
    finding = _probed(health.worker(), _START)
    if finding.level is Level.OK:
        return finding
    return replace(
        finding, since=Heartbeat.objects.filter(name=health.WORKER).values_list("at", flat=True).first()
    )


def _probed(probe: health.Probe, advice: str) -> Finding:
    return ok(probe.message) if probe.ok else failed(probe.message, advice)


def licence() -> Finding:
    """Which plan the licence grants, or why it is not valid."""
    current = licenses.read()
    advice = "Install a licence with manage.py license install FILE, or in the upgrade dialog."
    if not lapse.current().is_entitled:
        why = current.problem or f"{current.plan.title} does not include Mail Relay. {advice}"
        return failed(
            f"{why} Until you install one, the API refuses alerts, reports and messages with 402.",
            since=current.expires_at if current.code == "license_expired" else None,
        )
    if (left := lapse.ending(timezone.now())) is not None:
        return warning(
            f"{current.plan.title} ends in {words.span(left)}. After that, the API refuses alerts with 402.",
            advice,
        )
    until = f" until {words.day(current.expires_at)}" if current.expires_at else ""
    return ok(f"{current.plan.title}{until}.")


def operators() -> Finding:
    """Whether every operator has a role, or some permission."""
    staff = User.objects.filter(is_active=True, is_staff=True)
    names = sorted(user.get_username() for user in staff if not roles.grantable(user))
    if names:
        return warning(
            "These operators have no role, so they can use neither the console nor the API: "
            f"{', '.join(names)}.",
            "Give each of them a role under Access → Operators, or turn off “Can open the console”.",
        )
    count = staff.count()
    each = "each with" if count > 1 else "with"
    return ok(f"{words.count(count, 'operator')}, {each} a role or permissions.")


def disk() -> Finding:
    """Whether the disks of the data dir and of the SQLite database have room, and can be written to."""
    places = {Path(settings.QUAZZAR_DATA_DIR), *_database_folder()}
    findings = [_disk(place) for place in sorted(places)]
    return max(findings, key=lambda finding: list(Level).index(finding.level))


def _database_folder() -> list[Path]:
    database = connections[DEFAULT_DB_ALIAS].settings_dict
    file = Path(str(database["NAME"]))
    return [file.parent] if database["ENGINE"].endswith("sqlite3") and file.is_absolute() else []


def _disk(place: Path) -> Finding:
    status = os.statvfs(place)
    free = shutil.disk_usage(place).free
    sentence = f"{words.size(free)} free for {place}."
    if status.f_flag & os.ST_RDONLY:
        return failed(
            f"The disk of {place} is mounted read-only.",
            "Run dmesg: file systems become read-only after errors.",
        )
    if status.f_files and status.f_favail < _INODES_FULL:
        return failed(
            f"The disk of {place} has room for only {status.f_favail} more files (inodes).",
            "Delete files you don't need. df -i shows how many are left.",
        )
    if free < _DISK_FULL:
        return failed(sentence, "Free some space now: when the disk is full, no mail can be queued.")
    return warning(sentence, "Free some space soon.") if free < _DISK_LOW else ok(sentence)


def clock() -> Finding:
    """Whether the clock is right, as far as the kernel and our own rows know.

    A wrong clock makes certificates, licences and sign-ins fail, and mail is judged by its date.
    """
    latest = Heartbeat.objects.aggregate(latest=Max("at"))["latest"]
    ahead = latest - timezone.now() if latest else timedelta()
    if ahead > _CLOCK_SLACK:
        return failed(
            f"The clock was set back: the worker last reported {words.span(ahead)} in the future.",
            "Check the time with timedatectl.",
        )
    match clocks.is_synchronised():
        case False:
            return warning(
                "The clock is not synchronised.", "Run timedatectl set-ntp true, or install chrony."
            )
        case True:
            return ok("Synchronised.")
    return idle(
        "The kernel does not report whether the clock is synchronised. It is not behind the times in the "
        "database."
    )


def static_files() -> Finding:
    """Whether the console's static files are collected, where a web process runs."""
    if "web" not in os.environ.get("QUAZZAR_ROLES", "web").split():
        return idle("No web process runs on this machine.")
    if (Path(settings.STATIC_ROOT) / "staticfiles.json").is_file():
        return ok(f"Collected in {settings.STATIC_ROOT}.")
    return failed(
        "The static files are not collected, so the console has no styles.",
        "Run manage.py collectstatic --noinput.",
    )


def hosts() -> Finding:
    """Whether DEBUG and ALLOWED_HOSTS are safe."""
    if settings.DEBUG:
        return warning(
            "DEBUG is on, so error pages show everyone how this node works inside.", "Unset DEBUG."
        )
    if "*" in settings.ALLOWED_HOSTS:
        return warning(
            "ALLOWED_HOSTS accepts every host name.", "List only the names you use to open the console."
        )
    return ok(f"The console answers to {', '.join(settings.ALLOWED_HOSTS)}.")


def register() -> None:
    """Register the checks in the order in which they are shown."""
    doctor.register("python", python, every=_SELDOM)
    doctor.register("system checks", system, every=_SELDOM)
    doctor.register("database", database, every=_SELDOM)
    doctor.register("key file", key_file, is_local=True, help=_HELP_SECRETS)
    doctor.register("sealed secrets", seals, help=_HELP_SECRETS)
    doctor.register("broker", broker, is_live=True, help=_HELP_WORKER)
    doctor.register("worker", worker, is_live=True, help=_HELP_WORKER)
    doctor.register("licence", licence, area=Area.LICENCE, page="admin:mail_relay", help="Licence")
    doctor.register("operators", operators, page="admin:auth_user_changelist", right=MANAGE_OPERATORS)
    doctor.register("disk", disk, is_local=True, help="The disk is nearly full")
    doctor.register("clock", clock, is_local=True, help="The clock is wrong")
    doctor.register("static files", static_files, is_local=True, every=_SELDOM)
    doctor.register("hosts", hosts, every=_SELDOM)
