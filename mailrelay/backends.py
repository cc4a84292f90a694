"""Django's mail backend: ``send_mail``, error mails and password resets go into the durable queue."""

from __future__ import annotations

import copy
import io
import logging
import re
from collections.abc import Iterator, Sequence
from email.errors import MessageError
from email.generator import BytesGenerator
from email.message import Message as MimePart

from django.core.mail import BadHeaderError, EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import ADDRESS_HEADERS
from django.db import Error as DatabaseFailure
from django.db import transaction

from mailrelay.mail import addresses, encodedwords, headerfields, mime, rawmail
from mailrelay.mail.rawmail import RawMail
from mailrelay.queue import submission
from mailrelay.queue.submission import Node
from quazzar.errors import InvalidEmail, QuazzarError, RelayNotConfigured

logger = logging.getLogger(__name__)

# A line break that does not continue the field.
_INJECTION = re.compile(r"\r(?!\n)|\n(?![ \t])|\x00")


class RelayBackend(BaseEmailBackend):
    """For the setting ``EMAIL_BACKEND``: queues each message durably, and the worker sends it.

    Messages from Django's default senders (webmaster@localhost, root@localhost) leave from the relay's from address.
    With ``fail_silently`` a message that cannot be queued is logged and not counted.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue the messages, all or none; returns how many were queued. Those without recipients are left out.

        Raises:
            RelayNotConfigured: no relay is set.
            InvalidEmail: a message cannot be sent as it is.
            BadHeaderError: a header field contains a line break. As in Django, ``fail_silently`` does not hide that.
        """
        messages = [message for message in email_messages if message.recipients()]
        if not messages:
            return 0
        try:
            node = submission.node()
            with transaction.atomic():
                return sum(self._queue(message, node) for message in messages)
        except (RelayNotConfigured, DatabaseFailure) as exc:
            if not self.fail_silently:
                raise
            logger.warning("%s messages not queued: %s", len(messages), exc)
            return 0

    def _queue(self, message: EmailMessage, node: Node) -> bool:
        try:
            queue(message, node)
        except QuazzarError as exc:
            if not self.fail_silently:
                raise
            logger.warning("message not queued: %s", exc.message)
            return False
        return True


def queue(message: EmailMessage, node: Node) -> None:
    """Queue one message.

    Raises:
        RelayNotConfigured: no relay is set.
        InvalidEmail: the message cannot be sent as it is.
        BadHeaderError: a header field contains a line break.
    """
    mail = _with_addresses(rawmail.parse(as_bytes(_identified(message, node))), message)
    sender = node.sender(_address("from_address", message.from_email))
    asked = [_address("to", recipient) for recipient in message.recipients()]
    recipients = [receiver for address in asked for receiver in node.receivers(address)]
    mail = submission.with_deliverable_people(mail, node) if node.alert_recipients else mail
    submission.submit(mail, node=node, sender=sender, recipients=recipients, source="django")


def as_bytes(message: EmailMessage) -> bytes:
    """The message with CRLF line ends.

    Raises:
        InvalidEmail: it cannot be written as MIME.
        BadHeaderError: a header field of the message or of an attachment contains a line break.
    """
    try:
        content = message.message()
        _refuse_injection(content)
        out = io.BytesIO()
        BytesGenerator(out, mangle_from_=False).flatten(content, linesep="\r\n")
    except BadHeaderError:
        raise
    except (MessageError, ValueError, LookupError) as exc:
        raise InvalidEmail("headers", f"The mail cannot be generated: {exc}.") from exc
    return out.getvalue()


def _identified(message: EmailMessage, node: Node) -> EmailMessage:
    """The message with a Message-ID: its own, or one of ours.

    For its own, Django would look up this host's name in DNS, which can take long when the network is down. Fields
    with their own syntax are written in ASCII: Django would write encoded words where RFC 2047 §5 allows none.
    """
    headers = {
        name: value if str(value).isascii() or _INJECTION.search(str(value)) else _in_ascii(name, str(value))
        for name, value in message.extra_headers.items()
    }
    if not any(name.lower() == "message-id" for name in headers):
        headers["Message-ID"] = mime.new_message_id(node.from_address)
    identified = copy.copy(message)
    identified.extra_headers = headers
    return identified


def _in_ascii(name: str, value: str) -> str:
    structured = headerfields.is_structured(name) and name.lower() not in ADDRESS_HEADERS
    return headerfields.in_ascii(name, value) if structured else value


def _with_addresses(mail: RawMail, message: EmailMessage) -> RawMail:
    """The mail with its addresses as they are: Django writes an encoded word before an @, where none is allowed."""
    lists = {"From": [message.from_email], "To": message.to, "Cc": message.cc, "Reply-To": message.reply_to}
    own = {name.lower() for name in message.extra_headers}
    for name, people in lists.items():
        if name.lower() in own or all(str(person).rpartition("@")[0].isascii() for person in people):
            continue
        pairs = [_split(name, person) for person in people]
        mail = mail.with_field(name, ", ".join(encodedwords.mailbox(*pair) for pair in pairs))
    return mail


def _address(field: str, text: object) -> str:
    return _split(field, text)[1]


def _split(field: str, text: object) -> tuple[str, str]:
    try:
        return addresses.split(str(text))
    except ValueError as exc:
        raise InvalidEmail(field, str(exc)) from exc


def _refuse_injection(content: MimePart) -> None:
    """Refuse line breaks in header fields. Django checks those of the message and its texts, but not of attachments."""
    for part in _parts(content):
        for name, value in part.raw_items():
            if _INJECTION.search(f"{name}: {value}"):
                raise BadHeaderError(
                    f"Header values can't contain newlines (got {value!r} for header {name!r})"
                )


def _parts(part: MimePart) -> Iterator[MimePart]:
    yield part
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        for inner in part.get_payload():
            if isinstance(inner, MimePart):
                yield from _parts(inner)
