"""manage.py upgrade_images: look for newer images of the mail server, or upgrade to them as one transaction."""

from __future__ import annotations

import time
from threading import Thread
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from mailboxes.models import ImageUpgrade
from mailboxes.upgrades import newer, notices, requests, steps
from quazzar import actors
from quazzar.errors import QuazzarError

_POLL = 0.5


class Command(BaseCommand):
    """Exits with 0 once the new images run, and with 1 if they do not: then the former ones run as before."""

    help = (
        "Upgrade Postfix, Dovecot and Rspamd to the images that the settings name: fetch, save the volumes, switch, "
        "prove that mail works, and roll back if it does not. Mail waits for a minute."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """With ``--look`` the command shows what runs and what is newer, and changes nothing."""
        parser.add_argument(
            "--look", action="store_true", help="show what runs and what is newer, change nothing"
        )

    def handle(self, *args: Any, look: bool, **options: Any) -> None:
        """Looks, or upgrades and prints each step.

        Raises:
            CommandError: the upgrade was refused, failed, or was rolled back.
        """
        try:
            if look:
                self._look()
                return
            with actors.acting_as("command:upgrade_images"):
                upgrade = requests.start()
        except QuazzarError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        self._follow(upgrade)

    def _look(self) -> None:
        rows = newer.look()
        if not rows:
            raise CommandError("No image runs yet. Enable the mail server first.")
        for row in rows:
            self.stdout.write(f"{row.service}: {row.ref} runs. {newer.sentence(row)}")

    def _follow(self, upgrade: ImageUpgrade) -> None:
        """Takes the steps, unless the worker does, and prints them; Ctrl-C leaves the rest to the worker."""
        shown = 0
        work = Thread(target=_carry_on, daemon=True)
        work.start()
        while True:
            upgrade.refresh_from_db()
            for step in upgrade.steps[shown:]:
                self.stdout.write(f"{ImageUpgrade.State(step['state']).label}")
                self.stdout.flush()
            shown = len(upgrade.steps)
            if upgrade.finished_at is not None:
                break
            if not work.is_alive():
                work = Thread(target=_carry_on, daemon=True)
                work.start()
            time.sleep(_POLL)
        work.join()
        for each in upgrade.proofs:
            self.stdout.write(f"  {'ok' if each['ok'] else 'failed'}: {each['message']}")
        if upgrade.state != ImageUpgrade.State.DONE:
            error = upgrade.error or {}
            raise CommandError(f"{error.get('message', '')} {error.get('hint', '')}".strip())
        for line in notices.changed(upgrade):
            self.stdout.write(line)


def _carry_on() -> None:
    try:
        steps.carry_on()
    finally:
        connections.close_all()
