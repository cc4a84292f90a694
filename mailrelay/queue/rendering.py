"""A stored message as the mail that is sent: the same bytes for each attempt, for its preview and for its download."""

from __future__ import annotations

from mailrelay.mail import mime, payload
from mailrelay.models import Message
from mailrelay.queue.statements import Claimed


def rendered(message: Message | Claimed, from_name: str) -> tuple[bytes, bool]:
    """The complete mail, and whether only SMTPUTF8 (RFC 6531) can carry its header.

    Args:
        from_name: the relay's display name, for a mail that names no author.

    Raises:
        Unreadable: the body was sealed with a key that is gone.
        ValueError: it cannot be rendered, or its body was removed.
    """
    if message.body is None:
        raise ValueError("its body was removed")
    content = payload.load(bytes(message.body.reveal()))
    if isinstance(content, bytes):
        return content, False
    mail = mime.render(
        content,
        message_id=message.message_id,
        date=message.created_at,
        default_from=message.envelope_sender,
        default_name=from_name,
    )
    return mail.data, mail.utf8
