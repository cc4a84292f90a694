"""Email → the bytes that go on the wire (RFC 5322, MIME, CRLF, seven bits). Pure.

It writes the bytes itself, because the queue is drained at the speed of ``render``: the standard library's generator
takes up to thirty times as long, and its random boundaries would make each retry a different mail.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from mailrelay.mail import addresses, encodedwords, headerfields, parameters
from mailrelay.mail.emails import Attachment, Email, listed

_FOLD_AT = 76
# RFC 5322 §2.1.1 allows 998; some servers break lines a little earlier.
_LONGEST = 900
_LONGEST_ID_DOMAIN = 200
# The bits of a UUID that say what it is: version 7 of RFC 9562's variant.
_UUID_FIXED = 0xF << 76 | 0b11 << 62
_UUID_7 = 7 << 76 | 0b10 << 62
# Encoded already: only their display names may be encoded words.
_ADDRESS_FIELDS = ("From", "To", "Cc", "Reply-To")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SIMPLE_FILENAME = re.compile(r"[A-Za-z0-9_.()+,@-](?:[A-Za-z0-9_.()+,@ -]{0,58}[A-Za-z0-9_.()+,@-])?")
_PLAIN_HEAD = (
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
)


def crlf(data: bytes) -> bytes:
    """The same lines, each ended by CRLF.

    A bare CR or LF counts as a line end too, so that nothing in a mail can end it early at a server that is lax about
    line ends (SMTP smuggling, CVE-2023-51764).
    """
    if b"\r" not in data:
        return data.replace(b"\n", b"\r\n")
    if data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r"):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered mail.

    Attributes:
        data: the complete message, with CRLF line ends.
        sender: the envelope sender.
        utf8: whether only SMTPUTF8 (RFC 6531) can carry it.
    """

    data: bytes
    sender: str
    utf8: bool


def new_message_id(sender: str) -> str:
    """A new, unique Message-ID (RFC 5322 §3.6.4) at the domain of this address.

    It begins with the time, as a UUID of version 7 does (RFC 9562 §5.7), so that the newest are neighbours in an index.
    """
    domain = sender.rpartition("@")[2]
    # The longest possible domain would not fit the column, and no reader needs it.
    usable = domain.isascii() and 0 < len(domain) <= _LONGEST_ID_DOMAIN
    milliseconds = time.time_ns() // 1_000_000
    drawn = int.from_bytes(milliseconds.to_bytes(6, "big") + os.urandom(10), "big")
    return f"<{uuid.UUID(int=drawn & ~_UUID_FIXED | _UUID_7)}@{domain if usable else 'localhost'}>"


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def render(
    email: Email, *, message_id: str, date: datetime, default_from: str, default_name: str = ""
) -> Rendered:
    """The message as it is sent; the same arguments give the same bytes, so a retry sends the same mail.

    Args:
        date: when it was queued.
        default_from: the from address for an email that names none; ``default_name`` is its display name.

    Raises:
        ValueError: something that ``emails.check`` refuses, such as a line break in a header field.
    """
    name, sender = addresses.split(email.from_address or default_from)
    name = name or ("" if email.from_address else " ".join(_CONTROL.sub(" ", default_name).split()))
    headers = [("From", encodedwords.mailbox(name, sender))]
    headers += [(label, _people(people)) for label, people in (("To", email.to), ("Cc", email.cc)) if people]
    if not email.to and not email.cc:
        headers.append(("To", "undisclosed-recipients:;"))
    if email.reply_to:
        headers.append(("Reply-To", _people(email.reply_to)))
    headers.append(("Subject", email.subject.strip()))
    headers.append(("Date", _date(int(date.timestamp()))))
    headers.append(("Message-ID", message_id))
    own = [(label, value.strip()) for label, value in email.headers.items()]
    headers += [(label, value) for label, value in own if value or not headerfields.is_structured(label)]
    utf8 = any(addresses.needs_utf8(addresses.split(person)[1]) for person in _everybody(email, sender))
    head = "".join([_header(label, value) for label, value in headers]).encode()
    return Rendered(data=head + _body(email, message_id), sender=sender, utf8=utf8)


@lru_cache(maxsize=64)
def _date(seconds: int) -> str:
    """The Date field for this time; mail that was queued together has the same."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _everybody(email: Email, sender: str) -> Iterator[str]:
    yield sender
    yield from listed(email.to)
    yield from listed(email.cc)
    yield from listed(email.bcc)


# --- header fields -----------------------------------------------------------------------------------------
def _people(people: Sequence[str] | str) -> str:
    return ", ".join([encodedwords.mailbox(*addresses.split(person)) for person in listed(people)])


def _header(name: str, value: str) -> str:
    line = f"{name}: {value}"
    if name in _ADDRESS_FIELDS:
        return encodedwords.folded(name, value) if len(line) > _FOLD_AT else line + "\r\n"
    if _CONTROL.search(line):
        raise ValueError(f"the header field {name[:40]!r} contains a line break or another control character")
    if len(line) <= _FOLD_AT and encodedwords.is_writable(line) and not headerfields.holds_addresses(name):
        return line + "\r\n"
    if headerfields.is_structured(name):
        return headerfields.written(name, value)
    if _is_readable(value):
        return encodedwords.folded(name, value)
    # All of it, so that nothing in a caller's text is taken for an encoded word.
    return encodedwords.folded(name, encodedwords.encoded(value, headerfields.room(name)))


def _is_readable(value: str) -> bool:
    return encodedwords.is_writable(value.replace("\t", " ")) and max(map(len, value.split())) <= _LONGEST


# --- body --------------------------------------------------------------------------------------------------
def _body(email: Email, message_id: str) -> bytes:
    if email.html or email.attachments:
        return b"MIME-Version: 1.0\r\n" + _structure(email, message_id)
    text = crlf(email.text.encode())
    if email.text.isascii() and _short_lines(text):
        return _PLAIN_HEAD + _ended(text)
    return b"MIME-Version: 1.0\r\n" + _ended(_text("plain", text, b""))


def _structure(email: Email, message_id: str) -> bytes:
    # "=_" cannot occur in base64 or quoted-printable, and a part that contains the boundary is never sent as 7bit.
    boundary = b"=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32].encode()
    texts = [
        _text(subtype, crlf(value.encode()), boundary)
        for subtype, value in (("plain", email.text), ("html", email.html))
        if value
    ]
    content = _multipart(b"alternative", boundary + b"a", texts) if len(texts) > 1 else b"".join(texts)
    if not email.attachments:
        return _ended(content)
    files = [_attached(attachment, boundary) for attachment in email.attachments]
    return _multipart(b"mixed", boundary + b"m", [content or _text("plain", b"", boundary), *files])


def _multipart(subtype: bytes, boundary: bytes, parts: Iterable[bytes]) -> bytes:
    head = b'Content-Type: multipart/%s;\r\n boundary="%s"\r\n\r\n' % (subtype, boundary)
    pieces = [b"--%s\r\n%s\r\n" % (boundary, part) for part in parts]
    return b"".join([head, *pieces, b"--%s--\r\n" % boundary])


def _text(subtype: str, data: bytes, boundary: bytes) -> bytes:
    """A text part, unencoded if possible.

    Else Latin text is quoted-printable, because spam filters distrust it in base64; other text is base64, because
    quoted-printable would make it three times as long.
    """
    kind = f"text/{subtype}; charset=utf-8"
    if data.isascii() and _short_lines(data) and not (boundary and boundary in data):
        return _part(kind, "7bit", data)
    readable = binascii.b2a_qp(data, quotetabs=False, istext=True)
    if len(readable) <= 2 * len(data):
        return _part(kind, "quoted-printable", crlf(readable))
    return _part(kind, "base64", _base64(data))


def _attached(attachment: Attachment, boundary: bytes) -> bytes:
    kind, content = attachment.content_type, attachment.content
    if not kind.isprintable():
        raise ValueError(f"{kind[:60]!r} is not a content type")
    disposition = _disposition(attachment.filename)
    name = kind.partition(";")[0].strip().lower()
    if name.startswith(("message/", "multipart/")):
        # RFC 2046 §5.2.1 forbids base64 here; a mail that is not seven-bit is sent as a plain file.
        lines = crlf(content)
        if name == "message/rfc822" and _seven_bits(lines) and boundary not in lines:
            return _part("message/rfc822", "7bit", lines, disposition)
        kind = "application/octet-stream"
    written = headerfields.written("Content-Type", kind)
    return _part(written.removeprefix("Content-Type:").strip(), "base64", _base64(content), disposition)


def _part(kind: str, encoding: str, content: bytes, disposition: str = "") -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n{disposition}\r\n"
    return head.encode() + content


def _disposition(filename: str) -> str:
    """Content-Disposition (RFC 2183). A name beyond plain ASCII is percent-encoded, and a long one is cut into numbered
    pieces (RFC 2231)."""
    if _SIMPLE_FILENAME.fullmatch(filename):
        return f'Content-Disposition: attachment; filename="{filename}"\r\n'
    pieces = parameters.extended("filename", filename)
    return "Content-Disposition: attachment;\r\n " + ";\r\n ".join(pieces) + "\r\n"


def _base64(data: bytes) -> bytes:
    encoded = base64.b64encode(data)
    return b"\r\n".join([encoded[start : start + 76] for start in range(0, len(encoded), 76)])


def _ended(data: bytes) -> bytes:
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def _short_lines(data: bytes) -> bool:
    return len(data) <= _LONGEST or max(map(len, data.split(b"\r\n"))) <= _LONGEST


def _seven_bits(data: bytes) -> bool:
    return data.isascii() and b"\0" not in data and _short_lines(data)
