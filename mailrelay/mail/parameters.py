"""The parameters of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2231). Pure."""

from __future__ import annotations

import re
from email.utils import collapse_rfc2231_value, decode_params
from email.utils import unquote as without_quotes
from urllib.parse import quote, unquote

from mailrelay.mail import charsets
from mailrelay.mail.addresslists import comment_end

# Name, then a quoted string or a token. Anything else is read up to the next semicolon.
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_TOKEN = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+")
_NO_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"?|[^"(]+', re.DOTALL)
#: The longest value that is written in one piece.
_LONGEST = 200
#: Of a percent-encoded value, so that its line stays within 76.
_PIECE = 60


def parse(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The value before the first semicolon, and the parameters in their order: name in lower case, value unquoted."""
    value = text.partition(";")[0]
    found = _PARAMETER.finditer(text, len(value))
    return value.strip(), [(match[1].lower(), _unquoted(match[2].strip())) for match in found]


def bare(text: str) -> str:
    """The field without its comments, which may stand anywhere in it (RFC 2045 §5.1)."""
    kept: list[str] = []
    at = 0
    while at < len(text):
        piece = _NO_COMMENT.match(text, at)
        kept.append(piece[0] if piece else " ")
        at = piece.end() if piece else comment_end(text, at)
    return "".join(kept).strip()


def get(text: str, name: str) -> str:
    """The value of a parameter, also of one that is percent-encoded or in numbered pieces (RFC 2231); empty where it is
    missing."""
    found = parse(bare(text))[1]
    plain = next((value for other, value in found if other == name), "")
    pieces = [pair for pair in found if pair[0].startswith(f"{name}*")]
    if plain or not pieces:
        return plain
    try:
        whole = dict(decode_params([("", ""), *pieces])).get(name, "")
    except ValueError:
        return ""
    return without_quotes(collapse_rfc2231_value(whole))


def with_parameter(text: str, name: str, value: str) -> str:
    """The field with this parameter in place of its own, or added."""
    kind, found = parse(text)
    kept = [(other, text) for other, text in found if other != name]
    return written(kind, [*kept, (name, value)])


def written(value: str, found: list[tuple[str, str]]) -> str:
    """A value and its parameters. What ASCII cannot write is percent-encoded, and long values are in numbered pieces
    (RFC 2231)."""
    return "; ".join([value, *(piece for name, text in found for piece in _pieces(name, text))])


def rewritten(text: str) -> str:
    """The field in ASCII, with every parameter in the syntax of RFC 2045."""
    value, found = parse(text)
    return written(quote(value, safe=_ASCII), found)


_ASCII = "".join(map(chr, range(0x20, 0x7F)))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:].removesuffix('"'), flags=re.DOTALL) if text[:1] == '"' else text


def _pieces(name: str, text: str) -> list[str]:
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST:
        return [f"{name}={_quoted(text)}"]
    if name.endswith("*") and text.count("'") >= 2:  # encoded already, and too long
        charset, _, encoded = text.split("'", 2)
        name, text = name[:-1], unquote(encoded, charset if charsets.is_known(charset) else "utf-8")
    if "*" in name or name == "boundary":  # a numbered piece; a boundary cannot be cut
        return [f"{name}={_quoted(quote(text, safe=_ASCII, errors='replace'))}"]
    return extended(name, text)


def _quoted(text: str) -> str:
    if _TOKEN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def extended(name: str, text: str) -> list[str]:
    """A parameter as ``name*=utf-8''…``, or as numbered pieces of that; no character is split between two, because
    readers decode each by itself."""
    pieces = ["utf-8''"]
    for char in text:
        encoded = quote(char, safe="", errors="replace")
        if len(pieces[-1]) + len(encoded) > _PIECE:
            pieces.append("")
        pieces[-1] += encoded
    if len(pieces) == 1:
        return [f"{name}*={pieces[0]}"]
    return [f"{name}*{index}*={piece}" for index, piece in enumerate(pieces)]
