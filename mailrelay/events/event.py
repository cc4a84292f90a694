"""What a provider's webhook tells, in one form for all of them: kinds are named as in django-anymail. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mailrelay.bounces import outcomes
from mailrelay.bounces.outcomes import Outcome
from quazzar.errors import QuazzarError

#: django-anymail's event types that say something of a mail's way, and what they mean here. A mail that the provider
#: rejected or failed to send never left it, which is a bounce for its sender. Others (opened, clicked, …) are ignored.
_KINDS = {
    "delivered": outcomes.DELIVERED,
    "deferred": outcomes.DELAYED,
    "bounced": outcomes.BOUNCED,
    "rejected": outcomes.BOUNCED,
    "failed": outcomes.BOUNCED,
    "complained": outcomes.COMPLAINED,
}


class EventRefused(QuazzarError):
    """A call of a webhook whose signature or content is wrong."""

    code = "event_refused"
    message = "This call is not signed as the provider signs its calls."
    status = 403


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the webhook: its header fields by name in lower case, and its body as it came."""

    headers: Mapping[str, str]
    body: bytes
    now: datetime

    def json(self) -> Any:
        """The body.

        Raises:
            EventRefused: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise EventRefused("The body is not JSON.") from exc
        except RecursionError as exc:
            raise EventRefused("The body is nested too deeply.") from exc


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a mail for one recipient.

    Attributes:
        type: one of django-anymail's event types.
        hard: whether the address itself cannot receive mail; None: as the server's words say.
        senders: envelope senders of the mail, which may be ours.
        message_ids: of the mail as we sent it.
        subject: by which it is found where nothing else names it.
    """

    type: str
    recipient: str
    at: datetime | None = None
    hard: bool | None = None
    said: str = ""
    status: str = ""
    host: str = ""
    senders: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    subject: str = field(default="", repr=False)

    @property
    def outcome(self) -> Outcome | None:
        """What this is for the message; None: nothing that is stored."""
        kind = _KINDS.get(self.type)
        if kind is None:
            return None
        found = outcomes.bounced(self.recipient, self.said, status=self.status, host=self.host, kind=kind)
        if kind != outcomes.BOUNCED or self.hard is None:
            return found
        return Outcome(found.recipient, kind, self.hard, found.status, found.code, found.said, found.host)


def text(value: Any) -> str:
    """A value of JSON as text, without halves of characters, which nothing can store; empty if it is none."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def table(value: Any) -> dict[str, Any]:
    """A value of JSON as an object; empty if it is none."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """A value of JSON as a list; empty if it is none."""
    return value if isinstance(value, list) else []


def moment(value: Any) -> datetime | None:
    """Seconds since 1970, or ISO 8601; None if it is neither."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
