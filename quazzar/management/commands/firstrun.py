"""manage.py firstrun: create everything that a new node needs. Running it again changes nothing."""

from __future__ import annotations

import os
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from quazzar import actors, paths
from quazzar.access import audit, firstpassword
from quazzar.backups import copying
from quazzar.errors import QuazzarError
from quazzar.machines import locks
from quazzar.plans import keys, licenses
from quazzar.plans.plans import EVALUATION_DAYS
from quazzar.sealing import keyring

OPERATOR = "operator"
EVALUATION_PLAN = "pro"
# Without characters that look alike on a screen.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

Row = tuple[str, str]


class Command(BaseCommand):
    help = "Set up a fresh node: database, static files, key file, a first operator, an evaluation licence."
    # The system checks need the key file and the tables that this command makes.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="only used in the printed URL")
        parser.add_argument("--without-copy", action="store_true", help=copying.HELP)

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("collectstatic", interactive=False, verbosity=0)
        # In turn, because of several machines that start together one makes what they share.
        with locks.shared("migrate", wait=True):
            copying.migrate(self.stdout.write, copy=not options["without_copy"])
            self.make(options["port"])

    def make(self, port: int) -> None:
        """Make key file, licence and operator, and print where everything is.

        Raises:
            CommandError: one of them cannot be made.
        """
        rows = [("Console", settings.QUAZZAR_URL or f"http://127.0.0.1:{port}/")]
        try:
            with actors.acting_as("command:firstrun"):
                rows += [*key_rows(), *licence_rows(), *operator_rows()]
        except QuazzarError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".rstrip()) from exc
        for line in ("", "Quazzar Mail Relay", *(f"  {name:<9} {text}" for name, text in rows), ""):
            self.stdout.write(line)


def operator_rows() -> list[Row]:
    """Make a first operator if there is no superuser; name and password are shown only this once."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return []
    if users.filter(username=OPERATOR).exists():
        return [
            ("Note", f"{OPERATOR} exists, but is not a superuser. Create one with manage.py createsuperuser")
        ]
    password = new_password()
    with transaction.atomic():
        user = users.create_superuser(OPERATOR, password=password)
        firstpassword.require(user)
        audit.record("operator.created", user)
    return [
        ("Name", OPERATOR),
        ("Password", f"{password}   (shown this once; you choose another when you sign in)"),
    ]


def new_password() -> str:
    """A random password: five groups of four characters, 98 bits, easy to type."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def licence_rows() -> list[Row]:
    """Install an evaluation licence if there is no licence and an evaluation would count.

    Raises:
        LicenseError: it cannot be written.
    """
    if licenses.path().exists() or keys.configured():
        return []
    licenses.trial(EVALUATION_PLAN, EVALUATION_DAYS)
    return [("Plan", f"{EVALUATION_PLAN}, an evaluation for {EVALUATION_DAYS} days")]


def key_rows() -> list[Row]:
    """Make the key file if there is none, and say where it is.

    Raises:
        KeyFileError: it cannot be made or used, or other machines use another one.
    """
    file = keyring.path()
    fresh = keyring.existing() is None
    keyring.to_seal_with()
    if not fresh:
        return []
    rows = [("Key file", f"{file}   (back it up: without it stored secrets are unreadable)")]
    if file == settings.QUAZZAR_DATA_DIR / "secrets.key" and not os.environ.get("QUAZZAR_SECRETS_KEY_FILE"):
        rows.append(("", f"It is in the data dir because this user cannot write {paths.SYSTEM_KEY_FILE}."))
    return rows
