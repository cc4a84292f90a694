"""`manage.py firstrun`: whatever a fresh node lacks, made once; running it again changes nothing."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from quazzar import keyring, licenses, paths
from quazzar.errors import QuazzarError

OPERATOR = "operator"
EVALUATION_PLAN = "pro"
EVALUATION_DAYS = 30
# Without those that are mistaken for each other when typed from a screen.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class Command(BaseCommand):
    help = "Prepare a fresh node: database, static files, key file, a first operator, an evaluation licence."
    # They need the key file and the tables that this makes.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="only for the URL that is printed")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        url = f"http://127.0.0.1:{options['port']}/"
        rows = [("Console", url), *operator_rows(), *licence_rows(), *self._key_rows()]
        self.stdout.write(
            "\n".join(["", "Quazzar Mail Relay", *(f"  {n:<9} {text}" for n, text in rows), ""])
        )

    def _key_rows(self) -> list[tuple[str, str]]:
        try:
            return key_rows()
        except QuazzarError as exc:
            raise CommandError(f"{exc.message} {exc.hint}") from exc


def operator_rows() -> list[tuple[str, str]]:
    """A first operator when there is none yet; name and password are shown this once."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return []
    password = new_password()
    user, _ = users.get_or_create(username=OPERATOR)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    return [("Name", OPERATOR), ("Password", f"{password}   (shown this once; change it in the console)")]


def new_password() -> str:
    """Five groups of four: 98 bits, and easy to type."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def licence_rows() -> list[tuple[str, str]]:
    """An evaluation licence where no licence was ever put."""
    if Path(settings.QUAZZAR_LICENSE_FILE).exists():
        return []
    licenses.trial(EVALUATION_PLAN, EVALUATION_DAYS)
    return [("Plan", f"{EVALUATION_PLAN}, an evaluation for {EVALUATION_DAYS} days")]


def key_rows() -> list[tuple[str, str]]:
    """Where the key file is, made now if need be.

    Raises:
        KeyFileError: it cannot be made or used.
    """
    file = keyring.path()
    fresh = keyring.existing() is None
    keyring.current()
    rows = [("Key file", f"{file}   (back it up: without it stored secrets are unreadable)")] if fresh else []
    if file == settings.QUAZZAR_DATA_DIR / "secrets.key" and not paths.SYSTEM_KEY_FILE.exists():
        rows.append(
            (
                "Note",
                f"{paths.SYSTEM_KEY_FILE} cannot be written by this user: the key file is in the data dir.",
            )
        )
    return rows
