"""manage.py license: show, install, try out or remove this node's licence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from quazzar import actors, words
from quazzar.errors import LicenseError
from quazzar.plans import licenses
from quazzar.plans.plans import EVALUATION_DAYS, Plan

_LARGEST = 64 * 1024


class Command(BaseCommand):
    help = "Show or change this node's plan. A change takes effect immediately, without a restart."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("show", help="show the plan in force, and why")
        install = verbs.add_parser("install", help="put a licence in force")
        install.add_argument("file", help="the file with the licence; - reads it from stdin")
        trial = verbs.add_parser("trial", help="sign and install an evaluation licence")
        trial.add_argument("--plan", default=Plan.PRO.id, choices=[plan.id for plan in Plan])
        trial.add_argument("--days", type=int, default=EVALUATION_DAYS)
        verbs.add_parser("remove", help="remove the licence and go back to community")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            with actors.acting_as("command:license"):
                self._run(verb, options)
        except LicenseError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".rstrip()) from exc

    def _run(self, verb: str, options: dict[str, Any]) -> None:
        match verb:
            case "install":
                licenses.install(_content(options["file"]))
            case "trial":
                licenses.trial(options["plan"], options["days"])
            case "remove" if not licenses.remove():
                self.stderr.write("There was no licence to remove.")
        self.stdout.write(_described(licenses.read()))


def _content(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read(_LARGEST + 1)
        with Path(file).open(encoding="utf-8", errors="replace") as source:
            return source.read(_LARGEST + 1)
    except OSError as exc:
        raise CommandError(f"{file} cannot be read: {exc.strerror}.") from exc


def _described(licence: licenses.Licence) -> str:
    lines = [f"Plan: {licence.plan.id} ({licence.plan.title})"]
    if licence.expires_at is not None:
        verb = "Expired" if licence.code == "license_expired" else "Expires"
        lines.append(f"{verb}: {words.minute(licence.expires_at)}")
    if licence.subject:
        lines.append(f"Issued to: {licence.subject}")
    if licence.problem:
        lines.append(licence.problem)
    return "\n".join(lines)
