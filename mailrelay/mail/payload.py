"""A queued mail as bytes, to be sealed: an Email as JSON (rendered when it is sent), or whole MIME."""

from __future__ import annotations

import base64
import json
from typing import Any

from mailrelay.mail.emails import Attachment, Email, listed

_EMAIL, _RAW = b"E", b"R"


def from_email(email: Email) -> bytes:
    """The Email, to be rendered at delivery: a queue row costs no rendering."""
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
            [one.filename, one.content_type, base64.b64encode(one.content).decode()]
            for one in email.attachments
        ],
    }
    return _EMAIL + json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def from_raw(data: bytes) -> bytes:
    """A complete MIME message, sent as it is."""
    return _RAW + data


def load(payload: bytes) -> Email | bytes:
    """What was put in.

    Raises:
        ValueError: it is not a payload.
    """
    kind, rest = payload[:1], payload[1:]
    if kind == _RAW:
        return rest
    if kind != _EMAIL:
        raise ValueError("unknown kind of payload")
    try:
        fields = json.loads(rest)
        fields["attachments"] = [
            Attachment(filename=name, content_type=kind, content=base64.b64decode(content, validate=True))
            for name, kind, content in fields["attachments"]
        ]
        return Email(**fields)
    except (KeyError, TypeError) as exc:
        raise ValueError("a payload of another version") from exc
