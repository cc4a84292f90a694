"""A returned mail as its parts: MIME taken apart just far enough to find reports, text and the original. Pure.

Never fails, whatever the bytes: what is not MIME is one part of plain text. Not the standard library's parser, which
recurses as deep as a hostile mail is nested, and parses what is in a report as if it were mail.
"""

from __future__ import annotations

import base64
import html
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailrelay.mail import charsets, parameters, rawmail
from mailrelay.mail.rawmail import Field

#: Reports are small; what follows beyond this is the original mail.
MOST_BYTES = 1024 * 1024
_DEEPEST = 6
_MOST_PARTS = 60
_MOST_HTML = 256 * 1024
#: Characters of a header field; longer ones are nobody's, and take long to read.
_LONGEST_FIELD = 8_000
_TAG = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li|/table)\b[^<>]{0,200}>", re.IGNORECASE)
#: What nobody sees begins so, and ends so.
_HIDES = re.compile(r"<(?:(style|script|title)\b|!--)", re.IGNORECASE)
_SHOWS = {
    name: re.compile(f"</{name}>" if name else "-->", re.IGNORECASE)
    for name in ("", "style", "script", "title")
}
_ANY_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,1000}>")
#: A group of fields of a report ends at a blank line (RFC 3464 §2.1).
_BLANK = re.compile(r"\n[ \t]*\n")
_FIELD = re.compile(r"^([!-9;-~]{1,60})[ \t]*:[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a mail that holds something.

    Attributes:
        kind: its content type in lower case.
        text: its body, decoded, with line ends of LF.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, taken apart.

    Attributes:
        header: the first field of each name, in lower case.
        received_by: each address in Delivered-To, X-Original-To and the like, then To.
    """

    header: Fields
    received_by: tuple[str, ...]
    kind: str
    report: str
    parts: tuple[Part, ...]

    def of(self, *kinds: str) -> list[str]:
        """The text of each part of these types."""
        return [part.text for part in self.parts if part.kind in kinds]


def read(data: bytes) -> Mail:
    """Take a mail apart."""
    data = data[:MOST_BYTES]
    fields, body = _opened(data)
    header = _first(fields)
    content = header.get("content-type", "")
    people = ("delivered-to", "x-original-to", "x-delivered-to", "envelope-to", "x-envelope-to", "to")
    received_by = tuple(
        field.text[:_LONGEST_FIELD] for name in people for field in fields if field.name == name
    )
    found = tuple(_part(*leaf) for leaf in _leaves(header, body, 0, [0]))
    return Mail(header, received_by, _kind(content), parameters.get(content, "report-type").lower(), found)


def leaves(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each part of a mail that holds something: its content type in lower case, and its body, decoded."""
    fields, body = _opened(data)
    return ((_kind(content), piece) for content, piece in _leaves(_first(fields), body, 0, [0]))


def groups(text: str) -> list[Fields]:
    """The groups of fields that a report consists of, each as its fields by name in lower case, unfolded."""
    found = [
        {match[1].lower(): " ".join(match[2].split()) for match in _FIELD.finditer(group)}
        for group in _BLANK.split(text.strip("\n"))
    ]
    return [group for group in found if group]


def _opened(data: bytes) -> tuple[tuple[Field, ...], bytes]:
    mail = rawmail.read(data)
    return mail.fields, mail.body


def _first(fields: tuple[Field, ...]) -> Fields:
    return {field.name: field.text[:_LONGEST_FIELD].strip() for field in reversed(fields)}


def _kind(content: str) -> str:
    return parameters.parse(parameters.bare(content))[0].lower() or "text/plain"


def _leaves(header: Fields, body: bytes, depth: int, seen: list[int]) -> Iterator[tuple[str, bytes]]:
    """Each part that holds something: its field Content-Type, and its body, decoded."""
    content = header.get("content-type", "")
    kind, boundary = _kind(content), parameters.get(content, "boundary")
    if kind.startswith("multipart/") and boundary and depth < _DEEPEST:
        default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        for piece in _pieces(body, boundary.encode("utf-8", "replace")):
            seen[0] += 1
            if seen[0] > _MOST_PARTS:
                return
            fields, inner = (
                _opened(piece) if piece.lstrip(b"\r\n") != piece or b":" in piece[:200] else ((), piece)
            )
            yield from _leaves({"content-type": default, **_first(fields)}, inner, depth + 1, seen)
        return
    yield content, _decoded(body, header.get("content-transfer-encoding", "").lower())


def _part(content: str, decoded: bytes) -> Part:
    kind = _kind(content)
    charset = charsets.guess(decoded, parameters.get(content, "charset"))
    text = decoded.decode(charset, "replace").replace("\r\n", "\n").replace("\r", "\n")
    return Part(kind, plain(text) if kind == "text/html" else text)


def _pieces(body: bytes, boundary: bytes) -> list[bytes]:
    delimiter = re.compile(
        rb"(?:\A|\r\n|\n|\r)--" + re.escape(boundary.rstrip()) + rb"(--)?[ \t]*(?=\r|\n|\Z)"
    )
    pieces: list[bytes] = []
    start: int | None = None
    for match in delimiter.finditer(body):
        if start is not None:
            pieces.append(body[start : match.start()])
        start = None if match[1] else _after_line(body, match.end())
        if match[1] or len(pieces) > _MOST_PARTS:
            break
    if start is not None:  # cut off, or never closed
        pieces.append(body[start:])
    return pieces


def _after_line(body: bytes, at: int) -> int:
    return at + (2 if body[at : at + 2] == b"\r\n" else 1)


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding == "base64":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        return base64.b64decode(letters[: -1 if len(letters) % 4 == 1 else None] + b"==")
    return body


def plain(text: str) -> str:
    """HTML as text: what is read aloud, with a line for each paragraph."""
    text = _seen(text[:_MOST_HTML].replace("\n", " "))
    text = html.unescape(_ANY_TAG.sub(" ", _TAG.sub("\n", text)))
    return "\n".join(" ".join(line.split()) for line in text.replace("\xa0", " ").split("\n"))


def _seen(text: str) -> str:
    """HTML without style sheets, scripts, titles and comments.

    One expression would look for the end again from each beginning: minutes for a hostile mail.
    """
    kept: list[str] = []
    at = 0
    while begin := _HIDES.search(text, at):
        end = _SHOWS[(begin[1] or "").lower()].search(text, begin.end())
        if end is None:
            break
        kept.append(text[at : begin.start()])
        at = end.end()
    return " ".join([*kept, text[at:]])
