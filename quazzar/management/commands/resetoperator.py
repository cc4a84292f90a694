"""manage.py resetoperator: let an operator who lost the password or the second factor sign in again."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from quazzar import actors, words
from quazzar.access.joining import links


class Command(BaseCommand):
    help = (
        "Remove an operator's password, second factors and sessions, and print a one-time link to set a "
        "new password."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the operator's name")
        parser.add_argument(
            "--url", default="http://127.0.0.1:8000", help="the console's address, for the link (%(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError(f"The operator {options['name']!r} does not exist.")
        if not (user.is_active and user.is_staff):
            raise CommandError(
                f"{user.get_username()} is not allowed to sign in. Turn on “Can sign in” under Operators "
                "first."
            )
        with actors.acting_as("command:resetoperator"):
            token = links.reset(user)
        self.stderr.write(
            f"{user.get_username()} is signed out, and the password and second factors are removed. This "
            f"link works once, for {words.span(links.LIFE)}:"
        )
        self.stdout.write(f"{options['url'].rstrip('/')}{links.PATH}#{token}")
