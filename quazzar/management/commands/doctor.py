"""manage.py doctor: run every check, and print one line for each, or all of them as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as DatabaseError
from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from quazzar.api.health.serializers import HealthSerializer
from quazzar.models import Finding as Row
from quazzar.monitoring import doctor, findings
from quazzar.monitoring.doctor import Level
from quazzar.monitoring.readings import Reading, worst_first


class Command(BaseCommand):
    help = "Check this node now and print one line per check. Exit with 1 if something is wrong."
    # The system checks are one of the lines.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="print the same JSON as GET /api/mail/health, worst results first",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found: list[Reading] = []
        for reading in readings():
            found.append(reading)
            if not options["json"]:
                self.stdout.write(self._line(reading))
        if options["json"]:
            worst = worst_first(found)
            shown = {"level": worst[0].level if worst else Level.UNKNOWN, "checks": worst}
            self.stdout.write(JSONRenderer().render(HealthSerializer(shown).data, "", {"indent": 2}).decode())
        if any(reading.level is Level.FAILED for reading in found):
            sys.exit(1)

    def _line(self, reading: Reading) -> str:
        """``level name: sentence. What to do.``"""
        style = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.FAILED: self.style.ERROR,
        }[reading.level]
        finding = reading.finding
        said = f"{reading.name}: {finding.sentence} {finding.advice}".rstrip()
        level = f"{reading.level:<8}"
        return (level if finding.is_idle else style(level)) + said


def readings() -> Iterator[Reading]:
    """Every check, made now one by one. Nothing is stored: this process may not see the same system as the worker."""
    try:
        rows = {row.check_name: row for row in Row.objects.all()}
    except DatabaseError:
        rows = {}
    for check, finding in doctor.examine(doctor.registered()):
        now = timezone.now()
        yield Reading(check, finding, findings.since(rows.get(check.name), finding, now), now)
