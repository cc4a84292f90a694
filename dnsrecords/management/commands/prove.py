"""manage.py prove: send a proof and wait for what comes of it."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dnsrecords.models import Proof, Way
from dnsrecords.proof import progress, starting
from dnsrecords.proof.starting import Wish
from quazzar import actors
from quazzar.errors import QuazzarError

_EVERY = 2.0


class Command(BaseCommand):
    """Exits with 0 if the mail arrived and nothing is wrong, and with 1 otherwise."""

    help = "Send a mail the way that mail really goes, and judge it when it arrives."

    def add_arguments(self, parser: CommandParser) -> None:
        """How, from where and to whom."""
        parser.add_argument(
            "--way", choices=Way.values, default=Way.RELAY.value, help="relay (default) or server"
        )
        parser.add_argument(
            "--from", dest="sender", default="", help="the From address; default: the way's own"
        )
        parser.add_argument("--inbox", type=int, help="id of the inbox in which the mail is found")
        parser.add_argument("--to", default="", help="the recipient, if it is not the inbox's address")
        parser.add_argument("--wait", type=int, default=300, metavar="SECONDS", help="how long to wait (300)")

    def handle(
        self, *args: Any, way: str, sender: str, inbox: int | None, to: str, wait: int, **options: Any
    ) -> None:
        """Prints one line for each check.

        Raises:
            CommandError: the mail could not be sent, did not arrive in time, or something is wrong.
        """
        try:
            with actors.acting_as("command:prove"):
                row = starting.start(Wish(way, sender, inbox, to))
        except QuazzarError as exc:
            fields: dict[str, list[str]] = getattr(exc, "fields", {})
            raise CommandError(
                " ".join(text for texts in fields.values() for text in texts) or exc.message
            ) from exc
        self.stdout.write(f"Proof {row.pk} to {row.to}, subject “{starting.subject_of(row)}”.")
        row = self._waited(row, wait)
        if row.is_open:
            raise CommandError(
                f"Proof {row.pk} is still under way; the page Delivery proofs shows how it goes on."
            )
        verdict = progress.verdict_of(row)
        for station in verdict.stations:
            self.stdout.write(f"{station.title}{f' {station.host}' if station.host else ''}")
            for check in station.checks:
                self.stdout.write(
                    f"  {check.mark}: {check.sentence}{f' {check.remedy}' if check.remedy else ''}"
                )
        self.stdout.write(verdict.sentence)
        if row.state != Proof.State.PROVEN:
            raise CommandError(f"Not proven: {verdict.sentence}")

    def _waited(self, row: Proof, wait: int) -> Proof:
        """The row when it has ended, or the time is up. The worker does the rest; this only looks."""
        until = time.monotonic() + wait
        while row.is_open and time.monotonic() < until:
            time.sleep(_EVERY)
            row.refresh_from_db()
        return row
