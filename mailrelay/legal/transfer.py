"""Content-Transfer-Encoding (RFC 2045 §6): which bytes a server can take, and the encodings for all others. Pure."""

from __future__ import annotations

import base64
import binascii
import re

from mailrelay.mail.encodedwords import LONGEST_LINE
from mailrelay.mail.mime import crlf

ENCODINGS = ("base64", "quoted-printable")
_STRAY = re.compile(rb"\r(?!\n)")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_LIKE_A_BOUNDARY = re.compile(rb"(?m)^--")


def fits(data: bytes, *, eight_bit: bool) -> bool:
    """Whether a server can take these bytes: lines of at most 998 octets, each ended by CRLF, without NUL, and in ASCII
    unless it takes ``eight_bit`` (RFC 5321 §4.5.3.1.6, RFC 2045 §2.7 and §2.8)."""
    return (eight_bit or data.isascii()) and b"\0" not in data and _has_lines(data)


def _has_lines(data: bytes) -> bool:
    """Whether the data is lines of at most 998 octets, each ended by CRLF; without splitting it, which would copy many
    MiB."""
    if not data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r"):
        return False
    start = 0
    while len(data) - start > LONGEST_LINE:
        start = data.rfind(b"\n", start, start + LONGEST_LINE + 2) + 1 or len(data) + 1
    return start <= len(data)


def has_stray_ends(data: bytes) -> bool:
    """Whether the data mixes kinds of line ends, so that unifying them would change it."""
    return data.count(b"\r\n") not in (0, data.count(b"\n")) or _STRAY.search(data) is not None


def is_encoded(data: bytes, encoding: str) -> bool:
    """Whether the data can be in this encoding; text with non-ASCII letters is not base64, whatever the header says."""
    return encoding != "base64" or data.isascii()


def decoded(data: bytes, encoding: str) -> bytes:
    """The bytes that encoded ones stand for, read as loosely as mail programs do; themselves, in another encoding."""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(crlf(data))
    if encoding != "base64":
        return data
    pure = _NOT_BASE64.sub(b"", data.partition(b"=")[0])
    pure = pure[: len(pure) - (len(pure) % 4 == 1)]
    return base64.b64decode(pure + b"=" * (-len(pure) % 4))


def encoded(data: bytes, encoding: str) -> bytes:
    """The bytes in one of ``ENCODINGS``."""
    return as_base64(data) if encoding == "base64" else as_quoted_printable(data)


def as_base64(data: bytes) -> bytes:
    """The bytes in base64, in lines of 76 characters."""
    pieces = base64.b64encode(data)
    return b"\r\n".join([pieces[start : start + 76] for start in range(0, len(pieces), 76)])


def as_quoted_printable(data: bytes) -> bytes:
    """Lines ended by CRLF as quoted-printable. A CR or LF that ends no line is encoded, and no line begins as a
    boundary line does."""
    return b"\r\n".join(map(_quoted_line, data.split(b"\r\n")))


def _quoted_line(line: bytes) -> bytes:
    quoted = binascii.b2a_qp(line, quotetabs=False, istext=False)
    if b"--" in quoted:
        quoted = _LIKE_A_BOUNDARY.sub(b"=2D-", quoted)
    return quoted.replace(b"\n", b"\r\n")


def encoded_text(lines: bytes) -> tuple[str, bytes]:
    """The encoding for a text, and the text in it: quoted-printable, which people and filters can read, unless that
    makes it twice as long."""
    readable = as_quoted_printable(lines)
    if len(readable) <= 2 * len(lines) + 100:
        return "quoted-printable", readable
    return "base64", as_base64(lines)
