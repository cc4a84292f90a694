"""Email: the mail that a caller wants to send, checked where it enters. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailrelay.mail import addresses, headerfields
from quazzar import words
from quazzar.errors import InvalidEmail

#: The most that texts and attachments may have together, in bytes: what most providers accept.
MAX_BYTES = 25 * 1024 * 1024
MAX_RECIPIENTS = 500
# All of C0 but TAB, DEL, C1 (with U+0085), and the two separators that many programs take for line ends.
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
# RFC 6838 §4.2: names of at most 127 characters. RFC 2045 §5.1: parameters, whose values are tokens or quoted.
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_VALUE = r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+"
_PARAMETER = rf'[ \t]*;[ \t]*{_VALUE}[ \t]*=[ \t]*(?:{_VALUE}|"(?:[^"\\]|\\.)*")'
_MIME_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:{_PARAMETER})*")
_FILENAME_LIMIT = 255
_CONTENT_TYPE_LIMIT = 500
_HAVE_FIELDS = frozenset({"from", "to", "cc", "bcc", "subject", "reply-to"})
# Written by us or by servers on the way; a caller's own value would contradict the message.
_RESERVED = frozenset(
    {
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "message-id",
        "reply-to",
        "mime-version",
        "return-path",
        "received",
        "dkim-signature",
        "resent-bcc",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file to send with a mail.

    Attributes:
        content_type: a MIME type, which may have parameters; a complete mail is ``message/rfc822``.
    """

    filename: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A mail to send. Addresses are ``name@example.com`` or ``Name <name@example.com>``.

    Attributes:
        bcc: recipients that only the envelope names.
        text: the plain text; give this, ``html`` or both.
        from_address: empty: the relay's from address.
        headers: further header fields; those that the relay writes itself are refused.
    """

    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    subject: str = ""
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    from_address: str = ""
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()


def recipients(email: Email) -> list[str]:
    """The envelope recipients from to, cc and bcc: normalised, without duplicates.

    Raises:
        InvalidEmail: there is none, there are too many, or one is not an address.
    """
    groups = [(name, listed(getattr(email, name))) for name in ("to", "cc", "bcc")]
    total = sum(len(group) for _, group in groups)
    if not total:
        raise InvalidEmail("to", "Enter at least one recipient.")
    if total > MAX_RECIPIENTS:
        raise InvalidEmail(
            "to", f"A mail can have at most {MAX_RECIPIENTS} recipients; this one has {total}."
        )
    return list(dict.fromkeys(_address(name, text) for name, group in groups for text in group))


def listed(value: Sequence[str] | str) -> Sequence[str]:
    """The value as a list: a single string is one address, not a sequence of letters."""
    return [value] if isinstance(value, str) else value


def check(email: Email) -> None:
    """Refuse a mail that could not be sent, or that would smuggle in header fields.

    Raises:
        InvalidEmail: naming the field.
    """
    _plain("subject", email.subject)
    if email.from_address:
        _address("from_address", email.from_address)
    if email.reply_to:
        _address("reply_to", email.reply_to)
    for name, value in email.headers.items():
        _header(name, value)
    for attachment in email.attachments:
        _attachment(attachment)
    for name in ("text", "html"):
        value = getattr(email, name)
        if "\x00" in value or (not value.isascii() and _SURROGATE.search(value)):
            raise InvalidEmail(
                name, "The text contains NUL or half a character, which a mail cannot contain."
            )
    size = _size(email)
    if size > MAX_BYTES:
        raise InvalidEmail(
            "attachments", f"The mail has {words.size(size)}; the limit is {words.size(MAX_BYTES)}."
        )


def _size(email: Email) -> int:
    texts = (email.text, email.html, email.subject, *email.headers.values())
    characters = sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
    return characters + sum(len(attachment.content) for attachment in email.attachments)


def _address(name: str, text: str) -> str:
    try:
        return addresses.split(text)[1]
    except ValueError as exc:
        raise InvalidEmail(name, str(exc)) from exc


def _plain(name: str, value: str) -> None:
    if value.isprintable():
        return
    if _UNSAFE.search(value):
        raise InvalidEmail(name, "A header field cannot contain line breaks or control characters.")
    if _SURROGATE.search(value):
        raise InvalidEmail(name, "The text contains half a character, which a mail cannot contain.")


def _header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise InvalidEmail("headers", f"{name[:40]!r} is not a header name.")
    if name.lower() in _RESERVED or name.lower().startswith("content-"):
        advice = "Use the field for it instead." if name.lower() in _HAVE_FIELDS else "Leave it out."
        raise InvalidEmail("headers", f"Quazzar writes the header {name} itself. {advice}")
    _plain("headers", value)
    try:
        headerfields.check(name, value)
    except ValueError as exc:
        raise InvalidEmail("headers", f"{name}: {exc}") from exc


def _attachment(attachment: Attachment) -> None:
    _plain("attachments", attachment.filename)
    if not attachment.filename.strip():
        raise InvalidEmail("attachments", "An attachment needs a filename.")
    if len(attachment.filename) > _FILENAME_LIMIT:
        raise InvalidEmail("attachments", f"A filename can have at most {_FILENAME_LIMIT} characters.")
    _plain("attachments", attachment.content_type)
    if (
        not _MIME_TYPE.fullmatch(attachment.content_type)
        or len(attachment.content_type) > _CONTENT_TYPE_LIMIT
    ):
        raise InvalidEmail("attachments", f"{attachment.content_type[:60]!r} is not a content type.")
    if attachment.content_type.lower().startswith("multipart/"):
        raise InvalidEmail(
            "attachments", "An attachment cannot be multipart. Send a complete mail as message/rfc822."
        )
