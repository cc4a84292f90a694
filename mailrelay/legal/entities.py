"""A mail and its parts as bytes (RFC 2045, RFC 2046): header fields, body, the parts between boundaries. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

from mailrelay.mail import charsets, headerfields, parameters

# A name, a colon (RFC 5322 §4.5 allows space before it), the rest of the line, the lines that continue it.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_BLANK_LINE = re.compile(rb"\r?\n")
_LINE_BREAK = re.compile(rb"\r?\n")
_CHARSET = re.compile(rb'charset="?([!-:<-~]+)', re.IGNORECASE)
# Where the first part of a multipart says its charset.
_NEAR = 8192
_TYPE = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+/[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+")


@dataclass(frozen=True, slots=True)
class Field:
    """A header field as bytes: its name, and all of it with its line end."""

    name: str
    raw: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon, in one line."""
        return _LINE_BREAK.sub(b"", self.raw.partition(b":")[2]).strip(b" \t\r")


@dataclass(frozen=True)
class Entity:
    """A mail, or a part of one.

    Attributes:
        fields: its header.
        body: everything after the blank line.
        default: its type if it declares none.
    """

    fields: tuple[Field, ...]
    body: bytes
    default: str = "text/plain"
    has_blank_line: bool = True

    def text(self, name: str) -> str:
        """The first field of this name (in lower case); empty where there is none."""
        found = next((each.value for each in self.fields if each.name.lower() == name), b"")
        return charsets.decode(found)

    @cached_property
    def kind(self) -> str:
        """Its content type in lower case, without parameters; one that cannot be read is text (RFC 2045 §5.2)."""
        said = parameters.bare(self.text("content-type")).partition(";")[0].strip().lower()
        if not said:
            return self.default
        return said if _TYPE.fullmatch(said) else "text/plain"

    def parameter(self, name: str) -> str:
        """A parameter of its content type."""
        return parameters.get(self.text("content-type"), name)

    @property
    def charset(self) -> str:
        """The charset that it declares, or that its first part does; empty where there is none."""
        found = self.parameter("charset")
        if not found and self.kind.startswith("multipart/"):
            match = _CHARSET.search(self.body, 0, _NEAR)
            found = match[1].decode("latin-1").strip('"') if match else ""
        return found

    @cached_property
    def encoding(self) -> str:
        """Its Content-Transfer-Encoding in lower case; empty where there is none."""
        words = parameters.bare(self.text("content-transfer-encoding")).lower().strip('"').split()
        return words[0].strip(';"') if words else ""

    @property
    def head(self) -> bytes:
        """The header fields as they stand in the mail, without the blank line."""
        return b"".join(field.raw for field in self.fields)

    def as_bytes(self) -> bytes:
        """Header, blank line, body; a part without a body needs no blank line."""
        return self.head + b"\r\n" + self.body if self.body or self.has_blank_line else self.head

    def with_field(self, name: str, value: str) -> Entity:
        """The same with this field once: in place of the first one of that name, or at the end."""
        new = Field(name, headerfields.written(name, value).encode())
        places = [index for index, each in enumerate(self.fields) if each.name.lower() == name.lower()]
        kept = [each for each in self.fields if each.name.lower() != name.lower()]
        kept.insert(places[0] if places else len(kept), new)
        return replace(self, fields=tuple(kept))

    @cached_property
    def is_file(self) -> bool:
        """Whether it is to be saved, not to be read: then its bytes count, not its lines."""
        disposition = self.text("content-disposition").lower()
        named = self.parameter("name") or "filename" in disposition
        readable = self.kind.startswith(("text/", "message/"))
        return bool(named) or disposition.startswith("attachment") or not readable


def parse(data: bytes, default: str = "text/plain") -> Entity:
    """Header and body. The header ends at a blank line, or at a line that is not a header field."""
    fields, at = [], 0
    while match := _FIELD.match(data, at):
        fields.append(Field(match[1].decode("ascii"), match[0]))
        at = match.end()
    blank = _BLANK_LINE.match(data, at)
    return Entity(tuple(fields), data[blank.end() if blank else at :], default, blank is not None)


@dataclass(frozen=True)
class Multipart:
    """The body of a multipart, in pieces.

    Attributes:
        preamble: the text before the first boundary line; empty or with its line end.
        parts: each with the boundary line before it, both without the line end behind them.
        last_line: the boundary line that ends the multipart; None where that is missing.
        epilogue: the text after it, from its line end on.
    """

    preamble: bytes
    parts: list[tuple[bytes, bytes]]
    last_line: bytes | None = None
    epilogue: bytes = b""


def split(body: bytes, boundary: bytes) -> Multipart | None:
    """The pieces of a multipart's body (RFC 2046 §5.1.1); None where no boundary line is in it."""
    marker = re.compile(b"(--" + re.escape(boundary) + rb"(--)?[ \t]{0,99})(\r?\n|\Z)")
    parts: list[tuple[bytes, bytes]] = []
    line, preamble, start, at = b"", b"", 0, 0
    while match := marker.search(body, at):
        at = match.end()
        if match.start() and body[match.start() - 1 : match.start()] != b"\n":
            continue
        before = body[start : match.start()]
        if line:
            # The line end before a boundary belongs to it, and is of the same kind as its own.
            parts.append(
                (line, before.removesuffix(match[3] or b"\n").removesuffix(b"" if match[3] else b"\r"))
            )
        else:
            preamble = before
        line, start = match[1], at
        if match[2] and parts:
            return Multipart(preamble, parts, line, match[3] + body[start:])
    return Multipart(preamble, [*parts, (line, body[start:])]) if line else None
