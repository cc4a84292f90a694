"""A complete message as another program wrote it: parsed, completed, written again. Pure.

What is not replaced stays the same byte for byte: order, folding, eight-bit text, line ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mailrelay.mail import addresslists, charsets, encodedwords
from mailrelay.mail.addresslists import Mailbox
from quazzar.errors import InvalidEmail

# A name, a colon (RFC 5322 §4.5 allows space before it), the rest of the line, the lines that continue it.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_MBOX = re.compile(rb">?From [^\n]*\n")
_FORBIDDEN = re.compile(rb"\x00|\r(?!\n)")
_LINE_BREAK = re.compile(r"[\r\n\x00]")
_BLANK_LINE = re.compile(rb"\r?\n")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_CHARSET = re.compile(rb'\ncontent-type[ \t]*:(?:[^\n]|\n[ \t])*?charset="?([^";\s]+)', re.IGNORECASE)
_CHARSET_WITHIN = 16_384
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SEVERAL_CRS = re.compile(rb"\r{2,}\n")
_BLANK_LINES = re.compile(rb"(?:[ \t]*\r*\n)+")
#: One of these is in nearly every header that a program or a person writes.
_USUAL = frozenset({"from", "to", "cc", "bcc", "subject"})
#: Recipients that only the envelope may know.
BLIND = ("bcc", "resent-bcc")
_RECIPIENTS = ("to", "cc", "bcc")
_RESENT = ("resent-to", "resent-cc", "resent-bcc")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field.

    Attributes:
        name: in lower case.
        text: unfolded into one line.
        raw: the bytes that it was read from, line end included.
    """

    name: str
    text: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class RawMail:
    """Header fields and body. It is immutable: changing it makes a new one.

    Attributes:
        eol: the line end that the message uses.
    """

    fields: tuple[Field, ...]
    body: bytes
    eol: bytes = b"\n"

    def texts(self, name: str) -> list[str]:
        """The text of each field of this name."""
        return [field.text for field in self.fields if field.name == name]

    def get(self, name: str) -> str:
        """The text of the first field of this name that has any, or the empty string."""
        return next(filter(None, self.texts(name)), "")

    def mailboxes(self, name: str) -> list[Mailbox]:
        """Everybody named in the fields of this name."""
        return [mailbox for text in self.texts(name) for mailbox in addresslists.parse(text)]

    def field(self, name: str, text: str) -> Field:
        """A header field with the line ends of this mail.

        Raises:
            InvalidEmail: the text would begin another field, or fits in no line.
        """
        if _LINE_BREAK.search(text):
            raise InvalidEmail("headers", "A header field cannot contain line breaks or NUL.")
        try:
            line = encodedwords.folded(name, text)
        except ValueError as exc:
            raise InvalidEmail("headers", f"The mail cannot be sent: {exc}.") from exc
        return Field(name.lower(), text, line.encode().replace(b"\r\n", self.eol))

    def without(self, *names: str) -> RawMail:
        """The same mail without these fields."""
        return replace(self, fields=tuple(field for field in self.fields if field.name not in names))

    def with_field(self, name: str, text: str) -> RawMail:
        """The same mail with this field once: in place of the first one of that name, or at the end.

        Raises:
            InvalidEmail: the text would begin another field, or fits in no line.
        """
        new = self.field(name, text)
        fields = list(self.fields)
        places = [index for index, field in enumerate(fields) if field.name == new.name]
        kept = [field for field in fields if field.name != new.name]
        kept.insert(places[0] if places else len(kept), new)
        return replace(self, fields=tuple(kept))

    def as_bytes(self) -> bytes:
        """The message, with one blank line between header and body."""
        return b"".join(field.raw for field in self.fields) + self.eol + self.body


def parse(data: bytes) -> RawMail:
    """Header and body of a message. The header ends at a blank line, or at a line that is not a header field.

    An mbox separator line before the header is dropped.

    Raises:
        InvalidEmail: the header contains NUL, or a carriage return that ends no line.
    """
    mail, header = _parsed(data)
    if _FORBIDDEN.search(header):
        raise InvalidEmail("headers", "The header contains NUL or a carriage return inside a line.")
    return mail


def read(data: bytes) -> RawMail:
    """Header and body of a message that a program of the node wrote, which may have been careless.

    Before the header, blank lines and a byte order mark are dropped. In the header, NUL and a carriage return inside a
    line are spaces, so that no new field appears; several carriage returns before a line feed are one
    line end, and if the header ends its lines that way, in the body as well.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if data.partition(b"\n")[0].endswith(b"\r\r"):
        data = _SEVERAL_CRS.sub(b"\r\n", data)
    mail, header = _parsed(data)
    blank = _BLANK_LINES.match(data)
    if not header and blank:
        below, _ = _parsed(data[blank.end() :])
        if any(field.name in _USUAL for field in below.fields):
            return read(data[blank.end() :])
    if not _FORBIDDEN.search(header):
        return mail
    return _parsed(_FORBIDDEN.sub(b" ", _SEVERAL_CRS.sub(b"\r\n", header)) + data[len(header) :])[0]


def _parsed(data: bytes) -> tuple[RawMail, bytes]:
    """The mail, and the bytes before its blank line."""
    separator = _MBOX.match(data)
    at = separator.end() if separator else 0
    found: list[tuple[re.Match[bytes], bytes]] = []
    eol = b"\r\n" if data[at:].partition(b"\n")[0].endswith(b"\r") else b"\n"
    while match := _FIELD.match(data, at):
        found.append((match, match[0] if match[0].endswith(b"\n") else match[0] + eol))
        at = match.end()
    charset = _CHARSET.search(b"\n" + data[: at + _CHARSET_WITHIN])
    declared = charset[1].decode("latin-1") if charset else ""
    fields = tuple(Field(match[1].decode().lower(), _text(match[2], declared), raw) for match, raw in found)
    blank = _BLANK_LINE.match(data, at)
    return RawMail(fields, data[blank.end() if blank else at :], eol), data[:at]


def recipients(mail: RawMail) -> list[Mailbox]:
    """The recipients in the header; for a mail that was resent, those it was resent to (RFC 5322 §3.6.6)."""
    resent = any(mail.texts(name) for name in _RESENT)
    return [mailbox for name in (_RESENT if resent else _RECIPIENTS) for mailbox in mail.mailboxes(name)]


def completed(mail: RawMail, *, date: str, message_id: str) -> RawMail:
    """The mail without blind recipients and with the fields that every mail needs; those that it has stay."""
    mail = mail.without(*BLIND)
    for name, text in (("Date", date), ("Message-ID", message_id)):
        if not mail.get(name.lower()):
            mail = mail.with_field(name, text)
    if not mail.get("to") and not mail.get("cc"):
        mail = mail.with_field("To", "undisclosed-recipients:;")
    return mail


def _text(raw: bytes, declared: str) -> str:
    return charsets.decode(_FOLD.sub(b"", raw), declared).strip()
