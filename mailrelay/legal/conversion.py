"""Converts a complete mail to bytes that the given server accepts, with the extensions to use. Pure.

A mail that is already legal is kept byte for byte. Otherwise it changes how things are written, not what they
say: free text in the header becomes encoded words (RFC 2047), a part that the server cannot take is encoded
(RFC 2045 §6), and the mail says truly what it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from mailrelay.legal import entities, transfer
from mailrelay.legal.entities import Entity, Field, Multipart
from mailrelay.mail import charsets, headerfields, parameters
from mailrelay.mail.encodedwords import LONGEST_LINE
from mailrelay.mail.mime import crlf

_DEEPEST = 30
_FILE = "application/octet-stream"
# The names under which reports may be in UTF-8, and encoded (RFC 6533 §3, §4, §5).
_GLOBAL = {
    "message/delivery-status": "message/global-delivery-status",
    "message/disposition-notification": "message/global-disposition-notification",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_PRINTABLE = bytes((*b"\t\r\n", *range(0x20, 0x7F)))
_BLANK_LINE_IN_FIELD = re.compile(rb"\r\n[ \t]+(?:\r\n|\Z)")
_ENCODINGS = tuple(name.encode() for name in transfer.ENCODINGS)
_SPACE_BEFORE_COLON = re.compile(rb"[!-9;-~]+[ \t]+:")
_NO_UTF8 = "An address has non-ASCII letters before the @, and the server does not accept such addresses."
_SIGNED = (
    "The mail is signed, and the server cannot accept it in this form. Converting it would break the "
    "signature. Configure the program that signs it to write seven-bit text in lines of at most 998 "
    "octets."
)


class Unsendable(ValueError):
    """The mail cannot be converted to what this server accepts; the text is a sentence for the operator.

    Attributes:
        needs_utf8: it can be sent to servers with SMTPUTF8.
    """

    def __init__(self, sentence: str, *, needs_utf8: bool = False) -> None:
        super().__init__(sentence)
        self.needs_utf8 = needs_utf8


class Offer(NamedTuple):
    """What the server offers: 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531)."""

    eight_bit: bool = False
    utf8: bool = False


class Legal(NamedTuple):
    """A mail in a form that the server accepts.

    Attributes:
        eight_bit: to be announced with BODY=8BITMIME.
        utf8: to be announced with SMTPUTF8.
    """

    data: bytes
    eight_bit: bool = False
    utf8: bool = False


def legalise(data: bytes, offer: Offer, *, utf8: bool = False) -> Legal:
    """The mail in a form that the server accepts, with CRLF line ends.

    Args:
        utf8: an address of the envelope needs SMTPUTF8; then the header may be in UTF-8, too.

    Raises:
        Unsendable: there is no such form.
    """
    if utf8 and not offer.utf8:
        raise Unsendable(_NO_UTF8, needs_utf8=True)
    if _is_plain(data):
        return Legal(data, utf8=utf8)
    mail = _message(entities.parse(data), _Server(offer.eight_bit, offer.utf8, utf8))
    written = replace(mail, has_blank_line=True).as_bytes()
    return Legal(written, not written.isascii(), utf8 or not mail.head.isascii())


def _is_plain(data: bytes) -> bool:
    """Whether the mail is legal at every server: the fast way for nearly all of them."""
    if not transfer.fits(data, eight_bit=False):
        return False
    head, blank, _ = data.partition(b"\r\n\r\n")
    if not blank or head.translate(None, _PRINTABLE) or b" :" in head or b"\t:" in head:
        return False
    lower = head.lower()
    if b"multipart/" in lower:
        if any(name in lower for name in _ENCODINGS):
            return False  # not allowed (RFC 2045 §6.4), but seen
        lower = data.lower()  # its parts have headers, too
    if b"binary" in lower or b"message/rfc822" in lower:
        return False
    return _BLANK_LINE_IN_FIELD.search(head) is None


@dataclass(frozen=True, slots=True)
class _Server:
    """What the server takes, at one place in the mail.

    Attributes:
        utf8: it takes addresses beyond ASCII.
        utf8_asked: SMTPUTF8 is needed anyway, so UTF-8 in the header may stay.
        depth: how many multiparts and mails are around this place.
    """

    eight_bit: bool
    utf8: bool
    utf8_asked: bool
    depth: int = 0

    def fits(self, lines: bytes) -> bool:
        return transfer.fits(lines, eight_bit=self.eight_bit)

    def inside(self) -> _Server:
        return replace(self, utf8=self.utf8_asked, depth=self.depth + 1)


# --- header ------------------------------------------------------------------------------------------------
def _message(mail: Entity, server: _Server) -> Entity:
    """A complete mail: its header, and all of its parts."""
    converted = _entity(mail, server)
    is_mime = any(field.name.lower().startswith("content-") for field in converted.fields)
    changed = not converted.body.isascii() or converted.body != crlf(mail.body)
    if changed and is_mime and not converted.text("mime-version"):
        return converted.with_field("MIME-Version", "1.0")
    return converted


def _field(field: Field, declared: str, server: _Server) -> Field:
    """A header field in lines of at most 998 octets, and in ASCII where that is possible."""
    raw = crlf(field.raw)
    raw = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    if _is_legal(field, raw, server):
        return Field(field.name, raw)
    try:
        line = headerfields.written(field.name, charsets.decode(field.value, declared))
    except ValueError as exc:
        raise Unsendable(f"The mail cannot be sent: {exc}.") from exc
    if not (line.isascii() or server.utf8):
        raise Unsendable(_NO_UTF8, needs_utf8=True)
    return Field(field.name, line.encode())


def _is_legal(field: Field, raw: bytes, server: _Server) -> bool:
    if _CONTROL.search(field.raw) or _BLANK_LINE_IN_FIELD.search(raw) or _SPACE_BEFORE_COLON.match(raw):
        return False
    if not raw.isascii() and not (server.utf8_asked and _is_utf8(raw)):
        return False
    return max(map(len, raw.split(b"\r\n"))) <= LONGEST_LINE


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- parts -------------------------------------------------------------------------------------------------
def _entity(entity: Entity, server: _Server) -> Entity:
    """A mail or a part, with all the parts of it."""
    charset = entity.charset
    entity = replace(entity, fields=tuple(_field(field, charset, server) for field in entity.fields))
    if server.depth >= _DEEPEST:
        return _leaf(entity, server)
    if entity.kind == "multipart/signed":
        return _signed(entity, server)
    if entity.kind == "message/rfc822":
        return _enclosed(entity, server)
    pieces = _pieces(entity)
    return _multipart(entity, pieces, server) if pieces else _leaf(entity, server)


def _pieces(entity: Entity) -> Multipart | None:
    boundary = entity.parameter("boundary") if entity.kind.startswith("multipart/") else ""
    return entities.split(entity.body, boundary.encode("utf-8", "replace")) if boundary else None


def _signed(entity: Entity, server: _Server) -> Entity:
    """A signed part. The signature holds for its bytes (RFC 1847 §2.1), so they go out as they are or not at all."""
    body = crlf(entity.body)
    pieces = _pieces(entity)
    heads = [entities.parse(part).head for _, part in pieces.parts] if pieces else []
    if not server.fits(body) or not (server.utf8_asked or b"".join(heads).isascii()):
        raise Unsendable(_SIGNED)
    return replace(entity, body=body)


def _multipart(entity: Entity, pieces: Multipart, server: _Server) -> Entity:
    """A multipart, of which each part is converted by itself: as a whole it cannot be encoded (RFC 2045 §6.4)."""
    default = "message/rfc822" if entity.kind == "multipart/digest" else "text/plain"
    lines = [_aside(pieces.preamble, server)]
    for boundary, part in pieces.parts:
        converted = _entity(entities.parse(part, default), server.inside())
        lines += [boundary, b"\r\n", converted.as_bytes(), b"\r\n"]
    if pieces.last_line is None:
        lines.pop()
    else:
        epilogue = _aside(pieces.epilogue, server)
        lines += [pieces.last_line, epilogue if epilogue or not pieces.epilogue else b"\r\n"]
    return _labelled(replace(entity, body=b"".join(lines)))


def _aside(text: bytes, server: _Server) -> bytes:
    """Text before or after all parts, which nobody sees: left out if it is not legal."""
    lines = crlf(text)
    return lines if server.fits(lines) else b""


def _enclosed(entity: Entity, server: _Server) -> Entity:
    """A mail inside a mail. One that cannot be converted becomes a file."""
    # RFC 2046 §5.2.1: it may not be encoded as a whole.
    content = transfer.decoded(entity.body, entity.encoding)
    mail = entities.parse(content)
    try:
        converted = _message(mail, replace(server.inside(), utf8=False, utf8_asked=False))
    except Unsendable:
        named = entity.with_field("Content-Type", f'{_FILE}; name="mail.eml"')
        return _encoded(named, "base64", transfer.as_base64(content))
    return _labelled(replace(entity, body=converted.as_bytes()))


def _labelled(entity: Entity) -> Entity:
    """The entity with the Content-Transfer-Encoding of what it holds, unencoded (RFC 2045 §6.4)."""
    if not entity.body.isascii():
        return entity if entity.encoding == "8bit" else entity.with_field("Content-Transfer-Encoding", "8bit")
    return (
        entity if entity.encoding in ("", "7bit") else entity.with_field("Content-Transfer-Encoding", "7bit")
    )


def _encoded(entity: Entity, encoding: str, body: bytes) -> Entity:
    return replace(entity, body=body).with_field("Content-Transfer-Encoding", encoding)


# --- a part without parts ----------------------------------------------------------------------------------
def _leaf(entity: Entity, server: _Server) -> Entity:
    lines = crlf(entity.body)
    if entity.encoding in transfer.ENCODINGS and transfer.is_encoded(lines, entity.encoding):
        if transfer.fits(lines, eight_bit=False):
            return replace(entity, body=lines)
        content = transfer.decoded(entity.body, entity.encoding)
        return _encoded(entity, entity.encoding, transfer.encoded(content, entity.encoding))
    if entity.kind.startswith("multipart/") and not server.fits(lines):
        # No boundary line is in it, so readers show all of it as text.
        entity = entity.with_field("Content-Type", "text/plain")
    if entity.kind.startswith("message/") and not server.fits(lines):
        entity = _encodable(entity)
    entity = _with_charset(entity)
    if entity.is_file or charsets.is_wide(entity.parameter("charset")):
        keeps = server.fits(lines) and not transfer.has_stray_ends(entity.body)
        if entity.encoding != "binary" and keeps:
            return _said(replace(entity, body=lines))
        return _encoded(entity, "base64", transfer.as_base64(entity.body))
    # A bare CR is a line end, and must not create a boundary line.
    if server.fits(lines) and not (b"\r--" in entity.body and transfer.has_stray_ends(entity.body)):
        return _said(replace(entity, body=lines))
    if not entity.text("content-type"):
        entity = entity.with_field("Content-Type", f"text/plain; charset={charsets.ASCII}")
    return _encoded(entity, *transfer.encoded_text(lines))


def _encodable(entity: Entity) -> Entity:
    """A part of a type ``message/…``, which may not be encoded (RFC 2045 §6.4), as one that may be: a report under its
    international name, anything else as a file."""
    if entity.kind.startswith("message/global"):  # RFC 6532 §3.7 lets these be encoded
        return entity
    if entity.kind in _GLOBAL and _is_utf8(entity.body):
        return entity.with_field("Content-Type", _GLOBAL[entity.kind])
    return entity.with_field("Content-Type", f'{_FILE}; name="message.txt"')


def _said(entity: Entity) -> Entity:
    """The part with a correct Content-Transfer-Encoding. An unknown one stays, as long as all is ASCII."""
    is_true = entity.body.isascii() and entity.encoding != "binary"
    return entity if is_true else _labelled(entity)


def _with_charset(entity: Entity) -> Entity:
    """A text beyond ASCII with the charset that it is in."""
    if entity.body.isascii() or not entity.kind.startswith("text/"):
        return entity
    declared = entity.parameter("charset")
    charset = charsets.guess(entity.body, declared)
    if charset == declared:
        return entity
    said = entity.text("content-type")
    known = said if parameters.bare(said).partition(";")[0].strip().lower() == entity.kind else entity.kind
    return entity.with_field("Content-Type", parameters.with_parameter(known, "charset", charset))
