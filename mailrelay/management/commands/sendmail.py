"""manage.py sendmail: queue the message on standard input, with the options of sendmail(8)."""

from __future__ import annotations

import sys
from typing import NoReturn

from django.core.management.base import BaseCommand, CommandError

from mailrelay.sendmail import program


class Command(BaseCommand):
    """The same as bin/quazzar-sendmail, which starts faster because it loads less."""

    help = (
        "Put the message from standard input into the queue. Options as in sendmail(8): -t -i -f ADDRESS "
        "-F NAME …"
    )

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Run sendmail and exit with a code of sysexits(3).

        Django's own options do not exist here: -v, for example, means something else to sendmail.
        """
        sys.exit(program.run_alone(argv[2:]))

    def handle(self, *args: str, **options: object) -> None:
        """Refuse ``call_command``, which has no standard input to read the message from.

        Raises:
            CommandError: always.
        """
        raise CommandError("From Python, use mailrelay.sender.Sender.")
