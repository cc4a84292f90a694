"""What a person does to a message: retry it, cancel it, send it again to others, delete it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from mailrelay import history
from mailrelay.mail import addresses, emails, encodedwords, payload, rawmail
from mailrelay.mail.emails import Email
from mailrelay.mail.rawmail import RawMail
from mailrelay.models import Message
from mailrelay.queue import counts, outbox, retention, submission
from quazzar import actors
from quazzar.access import audit
from quazzar.errors import QuazzarError

Status = Message.Status
#: The stage of the ``last_error`` of a message that was cancelled.
CANCELLED = "cancelled"
#: Sent before a person's deletion of ``messages``, in its transaction: what was made of them goes, too.
deleting = Signal()
#: Fields of a mail that say who gets it, or that hold for its first sending only.
_OF_THE_FIRST = (
    *("to", "cc", "bcc", "date", "message-id", "dkim-signature"),
    *(
        "resent-from",
        "resent-sender",
        "resent-to",
        "resent-cc",
        "resent-bcc",
        "resent-date",
        "resent-message-id",
    ),
)


class ContentGone(QuazzarError):
    """The message has no body any more, so it cannot be read or sent again."""

    code = "content_gone"
    message = "The content of this message is no longer stored."
    hint = "To keep the content of delivered messages, set QUAZZAR_BODY_RETENTION_DAYS."
    status = 409


def retry(message: Message) -> bool:
    """Make a message that waits or failed due now, and try its refused recipients again.

    Returns False when it is being sent, was sent, or has no body any more.
    """
    message.refresh_from_db(fields=["attempts", "recipients", "history"])
    recipients = [
        {"address": recipient["address"], "status": "pending"}
        if recipient["status"] in ("failed", "suppressed")
        else recipient
        for recipient in message.recipients
    ]
    due = {
        "status": Status.QUEUED,
        "next_attempt_at": timezone.now(),
        "recipients": recipients,
        "waits_for": None,
    }
    with transaction.atomic():
        revived = _change(message, "retried", due, status=Status.FAILED, body__isnull=False)
        if revived:
            counts.take_away({Status.FAILED: 1})
        changed = revived or _change(message, "retried", due, status__in=Message.PENDING, body__isnull=False)
        if changed:
            transaction.on_commit(outbox.ring)
    return changed


def cancel(message: Message) -> bool:
    """Give up a message that waits. It keeps its body, so that it can be retried.

    Returns False when it is being sent, or is over already.
    """
    message.refresh_from_db(fields=["attempts", "history"])
    now = timezone.now()
    sentence = "Cancelled before it reached all recipients."
    error = {"stage": CANCELLED, "code": None, "message": sentence, "at": now.isoformat()}
    given_up = {"status": Status.FAILED, "next_attempt_at": None, "last_error": error, "waits_for": None}
    with transaction.atomic():
        changed = _change(message, "cancelled", given_up, status__in=Message.PENDING)
        if changed:
            # One more in the table, and not one more that failed in this hour.
            counts.take_away({Status.FAILED: -1})
    return changed


def delete(messages: Sequence[Message]) -> int:
    """Delete messages with their content, and what was learned from them; returns how many they were."""
    with transaction.atomic():
        deleting.send(sender=Message, messages=messages)
        return retention.remove(Message.objects.filter(pk__in=[message.pk for message in messages]))


def _change(message: Message, what: str, values: dict[str, Any], **condition: Any) -> bool:
    """Change the row if nothing else has changed it, and note in its history what was done."""
    entry = history.event(what, timezone.now(), actors.current_actor())
    unchanged = Message.objects.filter(pk=message.pk, attempts=message.attempts, **condition)
    return bool(unchanged.update(history=history.added(message.history, entry), **values))


def send_again(message: Message, to: Sequence[str]) -> Message:
    """Queue a copy of a message for these recipients, and return it. The mail to the first ones is left alone.

    The copy has the same sender, subject and content, a Message-ID and a date of its own, and only the new recipients.

    Raises:
        ContentGone: the body was removed.
        Unreadable: the body was sealed with a key that is gone.
        InvalidEmail: a recipient is not an address, or there is none.
        RelayNotConfigured: no relay is set.
    """
    if message.body is None:
        raise ContentGone
    content = payload.load(bytes(message.body.reveal()))
    with transaction.atomic():
        if isinstance(content, Email):
            mail = replace(content, to=[*to], cc=[], bcc=[])
            copy = outbox.enqueue(mail, source=message.source)
        else:
            copy = _submit(rawmail.parse(content), message, to)
        _link(copy, "copied", message)
        _link(message, "sent_again", copy)
        audit.record("message.sent_again", message.message_id, ["to"])
    return copy


def _link(message: Message, what: str, other: Message) -> None:
    """Note in a message's history what it has to do with the other one."""
    entry = {**history.event(what, timezone.now(), actors.current_actor()), "message": other.pk}
    message.refresh_from_db(fields=["history"])
    Message.objects.filter(pk=message.pk).update(history=history.added(message.history, entry))


def _submit(mail: RawMail, message: Message, to: Sequence[str]) -> Message:
    recipients = emails.recipients(Email(to=to))
    people = ", ".join(encodedwords.mailbox(*addresses.split(person)) for person in to)
    node = submission.node()
    mail = mail.without(*_OF_THE_FIRST).with_field("To", people)
    return submission.submit(
        mail, node=node, sender=message.envelope_sender, recipients=recipients, source=message.source
    )
