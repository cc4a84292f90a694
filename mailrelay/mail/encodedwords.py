"""Encoded words (RFC 2047), and folding (RFC 5322 §2.2.3): how the text of a header field becomes lines. Pure."""

from __future__ import annotations

import base64
import re
from email.errors import MessageError
from email.header import decode_header, make_header
from itertools import groupby

_FOLD_AT = 76
#: RFC 5322 §2.1.1: the most octets in a line, without its CRLF.
LONGEST_LINE = 998
#: The longest word that free text is left with; some servers break lines a little before 998.
LONGEST_WORD = 900
#: An encoded word has at most 75 characters (RFC 2047 §2), twelve of them around the text.
WORD_BYTES = 45
_ENCODED_WORD = re.compile(r"=\?[!->@-~]+\?[bBqQ]\?[!->@-~]*\?=")
_WORD = re.compile(r"([ \t]*)([^ \t]+)")
_BEFORE_SPACE = re.compile(r"(?<=[^ \t])(?=[ \t])")
_ENDLESS_SPACE = re.compile(r"[ \t]{500,}")
# Of a display name that is not encoded; quoting can double its length.
_LONGEST_NAME = 200
# So that "Reply-To: " fits on its line (RFC 2047 §2: 76 characters).
_FIRST_OF_PHRASE = 39
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def is_writable(text: str) -> bool:
    """Whether the text can be written as it is: ASCII without control characters, and nothing that a reader would
    decode (``=?utf-8?q?…?=``)."""
    return text.isascii() and text.isprintable() and "=?" not in text


def encoded(text: str, first: int = WORD_BYTES) -> str:
    """The text as encoded words: base64 of UTF-8, no character split between two.

    ``first`` is how many bytes of text the first word may hold.
    """
    data = text.encode("utf-8", "replace")
    words, start, end = [], 0, first
    while start < len(data):
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{base64.b64encode(data[start:end]).decode()}?=")
        start, end = end, end + WORD_BYTES
    return " ".join(words)


def mailbox(name: str, address: str) -> str:
    """A mailbox (RFC 5322 §3.4) with its display name, which is quoted or encoded if it must be."""
    return f"{phrase(name)} <{address}>" if name else address


def phrase(text: str) -> str:
    """The text as a phrase (RFC 5322 §3.2.5): atoms, a quoted string, or encoded words."""
    if not is_writable(text) or len(text) > _LONGEST_NAME:
        return encoded(text, _FIRST_OF_PHRASE)
    if _ATOMS.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def free_text(text: str, first: int = WORD_BYTES) -> str:
    """Free text, of which encoded words replace what ASCII cannot write and what fits in no line; the rest stays, and
    so do the encoded words that it has.

    Readers drop the space between two encoded words (RFC 2047 §6.2), so a space there goes into one of them.
    """
    words = [(space, *_sorted_out(word)) for space, word in _WORD.findall(text.rstrip(" \t"))]
    runs: list[tuple[str, str, str]] = []
    for kind, group in groupby(words, key=lambda word: word[1]):
        (space, _, head), *tail = group
        runs.append((kind, space, head + "".join(gap + word for gap, _, word in tail)))
    written = ""
    for before, (kind, space, run), after in zip([None, *runs], runs, [*runs[1:], None], strict=False):
        beside = before[0] if before else ""
        if kind == "raw":
            lead = space if beside == "encoded" else ""
            trail = after[1] if after and after[0] == "encoded" else ""
            written += " " if lead else space
            written += encoded(lead + run + trail, WORD_BYTES if written.strip() else first)
        else:
            written += (" " if (kind, beside) == ("encoded", "raw") else space) + run
    return written + text[len(text.rstrip(" \t")) :] if words else text


def _sorted_out(word: str) -> tuple[str, str]:
    """What to do with a word, and its text: it is ``raw`` (to be encoded), ``encoded`` already, or ``plain``."""
    if not (word.isascii() and word.isprintable()):
        return "raw", word
    if not _ENCODED_WORD.fullmatch(word):
        return ("plain" if len(word) <= LONGEST_WORD else "raw"), word
    return ("encoded", word) if len(word) <= LONGEST_WORD else ("raw", decoded(word))


def decoded(text: str) -> str:
    """The text with its encoded words decoded. One that is broken stays."""
    try:
        return str(make_header(decode_header(text))) if "=?" in text else text
    except (MessageError, LookupError, ValueError):  # MessageError: also a charset whose name is not ASCII
        return text


def folded(name: str, text: str) -> str:
    """The field in lines of at most 76 characters, broken at spaces where there are any, each ended by CRLF.

    Raises:
        ValueError: a word of it fits in no line.
    """
    first, *pieces = _BEFORE_SPACE.split(" " + _ENDLESS_SPACE.sub(" ", text.strip()))
    lines = [f"{name}:{first}".rstrip()]
    # RFC 2047 §2: a line with an encoded word has at most 76 characters.
    if len(lines[0]) > (_FOLD_AT if "=?" in first and len(first) <= _FOLD_AT else LONGEST_LINE):
        lines = [f"{name}:", first]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > _FOLD_AT:
            lines.append(piece)
        else:
            lines[-1] += piece
    if max(len(line.encode()) for line in lines) > LONGEST_LINE:
        raise ValueError(f"a word of the header field {name[:40]} fits in no line of {LONGEST_LINE} octets")
    return "\r\n".join(lines) + "\r\n"
