"""Which message of ours a report is about: by its signed return path first, then by its Message-ID."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from mailrelay.bounces import returnpath
from mailrelay.models import Message
from quazzar import words
from quazzar.errors import KeyFileError
from quazzar.sealing import keyring

#: Messages to an address that are compared by subject.
_LATEST = 20


@dataclass(frozen=True, slots=True)
class Match:
    """A message, and whether only its own bounces can name it."""

    message: Message
    proven: bool


def find(
    addresses: Iterable[str], message_ids: Sequence[str], *, recipient: str = "", subject: str = ""
) -> Match | None:
    """The message; None if it is not ours, or no longer stored.

    Args:
        addresses: what bounces came to, or the original's envelope sender.
        message_ids: of the original, with or without angle brackets.
        recipient: with ``subject``, where nothing else names the message: the latest one to them.
    """
    messages = Message.objects.defer("body", "history")
    keys = _keys()
    for claim in returnpath.claims(addresses):
        found = messages.filter(pk=claim.pk).first()
        if found is not None and claim.holds(found.message_id, keys):
            return Match(found, proven=True)
    bare = [one.strip("<> ") for one in message_ids if one and words.printable(one)]
    written = [form for one in bare for form in (f"<{one}>", one)]
    if written and (found := messages.filter(message_id__in=written).order_by("-pk").first()):
        return Match(found, proven=False)
    named = recipient and subject and words.printable(recipient)
    found = _latest_to(messages, recipient, subject) if named else None
    return None if found is None else Match(found, proven=False)


def _latest_to(messages: QuerySet[Message], recipient: str, subject: str) -> Message | None:
    latest = messages.filter(only_recipient=recipient.lower()).order_by("-pk")[:_LATEST]
    return next((row for row in latest if row.subject.strip() == subject.strip()), None)


def _keys() -> tuple[bytes, ...]:
    try:
        ring = keyring.existing()
    except KeyFileError:
        return ()
    return ring.derived(returnpath.PURPOSE) if ring else ()
