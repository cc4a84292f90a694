"""The rows of the followed logs as they are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse

from mailboxes.maillog.positions import moment
from mailboxes.models import Journey, JourneyKey, LogPosition, MailEvent
from quazzar.console import shown
from quazzar.console.rows import GatedAdmin, ReadOnlyAdmin
from quazzar.rights import FIND_MAIL


def in_words(key: str) -> str:
    """A key as words: ``sign_in_failed`` is "Sign in failed"."""
    return MailEvent(kind=key).in_words()


class MailLogAdmin(GatedAdmin, ReadOnlyAdmin):
    """Rows of the followed logs: too many to count, or to search here."""

    see = FIND_MAIL
    own_page, own_route = "Find mail", "admin:find_mail"
    show_full_result_count = False


class JourneyAdmin(MailLogAdmin):
    """Where each mail is."""

    about = "Where each mail of the mail server is, as its logs say."
    list_display = ("__str__", "state", "who", "to", "last_at")

    def own_url(self, row: Any = None) -> str:
        """The page of the journey."""
        return reverse("admin:find_mail_journey", args=[row.pk]) if row else super().own_url()

    @admin.display(description="From", empty_value="the null sender")
    def who(self, row: Journey) -> str | None:
        return row.sender or row.login or row.client or None

    @admin.display(description="To")
    def to(self, row: Journey) -> str | None:
        more = row.recipient_count - 1
        return (
            (f"{row.recipients[0]} + {more}" if more > 0 else row.recipients[0]) if row.recipients else None
        )


class JourneyKeyAdmin(MailLogAdmin):
    """By what journeys are found."""

    about = "Addresses, queue ids and Message-IDs by which a mail is found."
    list_display = ("key", "journey_id")


class MailEventAdmin(MailLogAdmin):
    """What the logs say."""

    about = "What the mail server's logs say about each mail."
    list_display = ("kind", "service", "recipient", "at")
    ordering = ("-id",)
    labels: ClassVar[dict[str, str]] = {
        "kind": "What happened",
        "remote": "Other server, or folder",
        "code": "Reply code",
        "text": "The server's words",
        "data": "Details",
        "count": "How often",
    }
    spoken: ClassVar[dict[str, Callable[[str], str]]] = {"kind": in_words, "service": str.capitalize}


class LogPositionAdmin(MailLogAdmin):
    """How far each log was read."""

    about = "How far the log of each container was read."
    list_display = ("service", "lines", "last_line", "looked_at")
    hidden = ("recent",)
    labels: ClassVar[dict[str, str]] = {
        "at_ns": "Last line",
        "lag": "Seconds behind",
        "lines": "Lines read",
        "counts": "What they said",
    }
    spoken: ClassVar[dict[str, Callable[[Any], str]]] = {
        "at_ns": lambda at: shown.moment(moment(at)) if at else "",
        "service": str.capitalize,
        "lag": "{:.1f}".format,
        "lines": shown.number,
    }

    @admin.display(description="Last line")
    def last_line(self, row: LogPosition) -> str | None:
        return shown.distance(moment(row.at_ns)) if row.at_ns else None


#: Model → its pages.
ADMINS: dict[type[Model], type[MailLogAdmin]] = {
    Journey: JourneyAdmin,
    JourneyKey: JourneyKeyAdmin,
    MailEvent: MailEventAdmin,
    LogPosition: LogPositionAdmin,
}
