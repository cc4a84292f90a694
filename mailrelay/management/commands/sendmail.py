"""manage.py sendmail: a message on standard input into the queue, with the options of sendmail(8)."""

from __future__ import annotations

import sys
from typing import NoReturn

from django.core.management.base import BaseCommand, CommandError

from mailrelay.sendmail import program as sendmail


class Command(BaseCommand):
    """The same as bin/quazzar-sendmail, which starts faster."""

    help = (
        "Put the message on standard input into the queue; options as sendmail(8): -t -i -f ADDRESS -F NAME …"
    )

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Ends the process with a code of sysexits(3). Django's own options do not exist here: -v, for one,
        means something else to sendmail."""
        sys.exit(sendmail.run_alone(argv[2:]))

    def handle(self, *args: str, **options: object) -> None:
        """For ``call_command``, which has no standard input of its own to give.

        Raises:
            CommandError: always.
        """
        raise CommandError("From Python, use mailrelay.sender.Sender.")
