"""Makes the demo's node: database, key, licence, operators, and a week that the product itself lived through.

`python -m demo.seed PORT`, in the environment that `demo.environment` makes.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import timedelta

import django
from django.core.management import call_command
from django.db import connection


def main() -> None:
    """Make all of it, and print where the console is and how to sign in."""
    django.setup()
    from django.utils import timezone

    from demo import environment
    from demo.seed import clock, domains, people, week
    from quazzar import actors
    from quazzar.celery import app
    from quazzar.management.commands import firstrun

    # The worker is not running yet, so nobody hears the rings of the week's mail.
    app.conf.update(broker_url="memory://")
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")  # nothing here is lost that cannot be made again
    # The log of the week would not interest the person who starts the demo.
    logging.disable(logging.CRITICAL)
    with_server = bool(os.environ.get("DEMO_MAIL_SERVER"))
    print("Creating a week of mail …", flush=True)
    password = firstrun.new_password()
    with actors.acting_as("command:firstrun"), clock.at(timezone.now() - timedelta(days=23)):
        firstrun.key_rows()
        firstrun.licence_rows()
    with actors.acting_as("command:firstrun"):
        crew = people.hire(password)
    week.live(crew, domains.Zones(), with_server=with_server)
    rows = [
        ("Console", f"http://127.0.0.1:{sys.argv[1]}/"),
        ("Name", environment.OPERATOR),
        ("Password", password),
    ]
    if with_server:
        rows += [("Mailbox", domains.ADA), ("", f"with the password {domains.ada_password()}")]
    print("\nQuazzar Mail Relay, demo: nothing leaves this machine")
    for name, text in rows:
        print(f"  {name:<9} {text}")
    print(flush=True)


main()
