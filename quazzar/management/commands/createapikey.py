"""manage.py createapikey: make an API key and print it, alone, on stdout."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from quazzar import actors, rights, validation
from quazzar.access import apikeys
from quazzar.models import ApiKey

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User

_LONGEST_DAYS = 36_500


class Command(BaseCommand):
    help = "Create an API key and print it once on stdout. Only its hash is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--user", help="the user the key belongs to (default: the first superuser)")
        parser.add_argument(
            "--scope",
            nargs="+",
            action="extend",
            metavar="SCOPE",
            help=(
                f"one or more of {', '.join(ApiKey.Scope.values)} (default: all scopes that the user's "
                "permissions cover)"
            ),
        )
        parser.add_argument(
            "--expires-days", type=int, metavar="N", help="days until it expires (default: never)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = _user(options["user"])
        name = _name(options["name"])
        scopes = _scopes(options["scope"], user)
        expires_at = _expiry(options["expires_days"])
        with actors.acting_as("command:createapikey"):
            _, text = apikeys.issue(user, name, scopes, expires_at)
        self.stderr.write(
            f"Key {name!r} for {user.get_username()}: {', '.join(scopes)}. It is shown only once."
        )
        self.stdout.write(text)


def _user(name: str | None) -> User:
    users = get_user_model().objects
    if name is not None:
        user = users.filter(username=name).first()
        if user is None:
            raise CommandError(f"The user {name!r} does not exist.")
        return user
    superuser = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if superuser is None:
        raise CommandError("There is no superuser yet. Run manage.py createsuperuser, or pass --user.")
    return superuser


def _name(argument: str) -> str:
    name = argument.strip()
    longest = ApiKey._meta.get_field("name").max_length or 0
    if not name or len(name) > longest:
        raise CommandError(f"A key's name must have 1 to {longest} characters.")
    try:
        return validation.name(name)
    except ValueError as exc:
        raise CommandError(str(exc)) from exc


def _scopes(arguments: list[str] | None, user: User) -> list[str]:
    useful = rights.scopes_of(user) if user.is_active else []
    if not useful:
        reason = "has no role" if user.is_staff and user.is_active else "is not active staff"
        raise CommandError(
            f"{user.get_username()} {reason}, so a key could not do anything. Change that under Operators."
        )
    words = [word for item in arguments or [] for word in item.split(",") if word]
    wanted = words if arguments else useful
    unknown = sorted(set(wanted) - set(ApiKey.Scope.values))
    if unknown or not wanted:
        names = ", ".join(ApiKey.Scope.values)
        raise CommandError(
            f"The scope {', '.join(unknown) or 'without a name'} does not exist. Choose from {names}."
        )
    if excess := sorted(set(wanted) - set(useful)):
        raise CommandError(f"{user.get_username()} does not have the permissions for {', '.join(excess)}.")
    return [scope for scope in ApiKey.Scope.values if scope in wanted]


def _expiry(days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= _LONGEST_DAYS:
        raise CommandError(f"--expires-days must be a number from 1 to {_LONGEST_DAYS}.")
    return timezone.now() + timedelta(days=days)
