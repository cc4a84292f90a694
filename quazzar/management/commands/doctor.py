"""manage.py doctor: run every check, and print one line for each."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from quazzar.monitoring import doctor, nodechecks
from quazzar.monitoring.doctor import Finding, Level


class Command(BaseCommand):
    help = "Check this node and print one line per check; exit 1 if something is wrong."
    # The system checks are one of the lines.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        style = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.FAILED: self.style.ERROR,
        }
        wrong = 0
        for name, finding in doctor.examine({**nodechecks.CHECKS, **doctor.registered()}):
            self.stdout.write(style[finding.level](f"{finding.level:<8}") + described(name, finding))
            wrong += finding.level is Level.FAILED
        if wrong:
            sys.exit(1)


def described(name: str, finding: Finding) -> str:
    """``name: sentence. What to do.``"""
    return f"{name}: {finding.sentence} {finding.advice}".rstrip()
