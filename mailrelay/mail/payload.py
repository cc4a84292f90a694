"""What a queued message's sealed body holds: an Email as JSON, rendered when it is sent, or complete MIME. Pure."""

from __future__ import annotations

import base64
import json
from typing import Any

from mailrelay.mail.emails import Attachment, Email, listed

_EMAIL, _RAW = b"E", b"R"


def from_email(email: Email) -> bytes:
    """The bytes for an Email. It is rendered at delivery, so that queueing it costs no rendering."""
    fields: dict[str, Any] = {
        "to": [*listed(email.to)],
        "cc": [*listed(email.cc)],
        "bcc": [*listed(email.bcc)],
        "subject": email.subject,
        "text": email.text,
        "html": email.html,
        "from_address": email.from_address,
        "reply_to": email.reply_to,
        "headers": dict(email.headers),
        "attachments": [
            [file.filename, file.content_type, base64.b64encode(file.content).decode()]
            for file in email.attachments
        ],
    }
    return _EMAIL + json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def from_raw(data: bytes) -> bytes:
    """The bytes for a complete message, which is kept as it is."""
    return _RAW + data


def load(payload: bytes) -> Email | bytes:
    """The Email, or the MIME message, that the bytes were made from.

    Raises:
        ValueError: they are not a payload, or one of another version.
    """
    kind, rest = payload[:1], payload[1:]
    if kind == _RAW:
        return rest
    if kind != _EMAIL:
        raise ValueError("unknown kind of payload")
    try:
        fields = json.loads(rest.decode())
        fields["attachments"] = [
            Attachment(filename=name, content_type=kind, content=base64.b64decode(content, validate=True))
            for name, kind, content in fields["attachments"]
        ]
        return Email(**fields)
    except (KeyError, TypeError) as exc:
        raise ValueError("a payload of another version") from exc
