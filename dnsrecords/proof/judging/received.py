"""Reads Received fields (RFC 5321 §4.4), which every program writes in its own way, and what else says who sent. Pure.

The forms are those of Postfix, Exim, Sendmail, qmail, Exchange and Outlook, Gmail, Yahoo, Amazon SES, SendGrid, Mailgun
and Dovecot. What cannot be read is left out; nothing here raises.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from quazzar import words

#: A longer field is cut off: no program writes one.
_LONGEST = 4_000
_KEYWORDS = frozenset({"from", "by", "via", "with", "id", "for", "tls"})
_TLS = re.compile(r"(?<![A-Za-z0-9])(?:TLS[ _]?v?|SSLv)([123](?:[._][0-3])?)(?![0-9])", re.IGNORECASE)
_CIPHER = re.compile(
    r"cipher[ =]+([A-Za-z0-9_:-]{3,60})|\btls ((?:TLS_|ECDHE|DHE|AES|RSA)[A-Za-z0-9_-]{3,60})"
    r"|TLS1\.[0-3]:([A-Za-z0-9_-]{3,60})"
)
#: RFC 3848, RFC 6531 §4.3, RFC 4954: an S stands for TLS. Exim writes it in lower case, Yahoo "SMTPs".
_ENCRYPTED = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP|HTTP)SA?", re.IGNORECASE)
_PLAIN = re.compile(r"(?:UTF8)?(?:E?SMTP|LMTP|HTTP)A?", re.IGNORECASE)
_HELO = re.compile(r"\b(?:helo|ehlo)[ =]+(\S+)", re.IGNORECASE)
_BRACKETED = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![\w.:])((?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:.])"
)
_NAME = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9_])?\.)+[A-Za-z0-9-]{2,63}\.?")
#: Go's form, which SendGrid writes.
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(?:([+-]\d\d):?(\d\d)|Z)")


@dataclass(frozen=True, slots=True)
class Hop:
    """A mail was handed from one server to the next.

    Attributes:
        by: who took it.
        helo: what the client called itself; empty if nobody handed it over: it moved inside a server.
        name: the client's name by its address in DNS, as far as the server wrote it.
        ip: the client's address.
        protocol: such as ESMTPS, as it was written.
        tls: the version, such as ``1.3``; empty: not written.
        encrypted: None: the field does not say.
        at: when, in UTC.
    """

    by: str = ""
    helo: str = ""
    name: str = ""
    ip: str = ""
    protocol: str = ""
    tls: str = ""
    cipher: str = ""
    encrypted: bool | None = None
    at: datetime | None = None

    @property
    def sender(self) -> str:
        """What the client is called."""
        return self.name or self.helo or self.ip

    @property
    def is_local(self) -> bool:
        """Nobody handed it over by the network: a program wrote it, or it moved inside a server."""
        return not self.ip and not self.name and "." not in self.helo


def read(field: str) -> Hop:
    """What a Received field says."""
    text = " ".join(field.split())[:_LONGEST]
    clauses, date = _clauses(text)
    sender, comments = clauses.get("from", ("", ()))
    by, _ = clauses.get("by", ("", ()))
    protocol, about = clauses.get("with", ("", ()))
    version = _TLS.search(text)
    tls = version[1].replace("_", ".") if version else ""
    cipher = _CIPHER.search(text)
    said = " ".join(comments)
    return Hop(
        by=_host(by),
        helo=_helo(sender, said),
        name=_name(sender, said),
        ip=_address(sender, comments),
        protocol=protocol[:60],
        tls=tls,
        cipher=next((found for found in cipher.groups() if found), "") if cipher else "",
        encrypted=_is_encrypted(protocol, " ".join(about), tls),
        at=when(date),
    )


def when(text: str) -> datetime | None:
    """A date as servers write it, in UTC; None if it is none."""
    text = text.strip()[:120]
    if found := _ISO.search(text):
        text = f"{found[1]}T{found[2]}{found[3] or '+00'}:{found[4] or '00'}"
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# --- the grammar -------------------------------------------------------------------------------------------
def _clauses(text: str) -> tuple[dict[str, tuple[str, tuple[str, ...]]], str]:
    """Keyword → (its words, its comments), and the date behind the last semicolon."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    at, date = "", ""
    for kind, token in _tokens(text):
        if kind == ";":
            date = token
        elif kind == "(":
            found.setdefault(at, ([], []))[1].append(token)
        elif token.lower() in _KEYWORDS and token.lower() not in found:
            at = token.lower()
            found[at] = ([], [])
        else:
            found.setdefault(at, ([], []))[0].append(token)
    return {name: (" ".join(plain), tuple(comments)) for name, (plain, comments) in found.items()}, date


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Words, comments without their parentheses, and what stands behind the last semicolon outside of comments."""
    at, end = 0, _last_semicolon(text)
    while at < end:
        character = text[at]
        if character == "(":
            closed = min(_closing(text, at), end)
            yield "(", text[at + 1 : closed]
            at = closed + 1
        elif character in " ;":
            at += 1
        else:
            start = at
            while at < end and text[at] not in " (;":
                at += 1
            yield "", text[start:at]
    if end < len(text):
        yield ";", text[end + 1 :]


def _last_semicolon(text: str) -> int:
    """Where the date begins; the end of the text, if it has none."""
    depth, found = 0, len(text)
    for at, character in enumerate(text):
        depth = max(0, depth + (character == "(") - (character == ")"))
        if character == ";" and depth == 0:
            found = at
    return found


def _closing(text: str, start: int) -> int:
    """Where the comment that begins there ends; the end of the text, if it is never closed."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
    return len(text)


# --- who -----------------------------------------------------------------------------------------------------
def _host(text: str) -> str:
    first = text.partition(" ")[0].rstrip(".").strip("[]")
    return words.one_line(first, 255).lower()


def _helo(sender: str, said: str) -> str:
    greeted = _HELO.search(said)
    return _host(greeted[1].strip(")")) if greeted else _host(sender)


def _name(sender: str, said: str) -> str:
    """The name in front of the address in the comment; Exim has it outside, and the greeting inside."""
    plain = _HELO.sub("", said)
    if found := _NAME.search(_BRACKETED.sub("", plain).partition("@")[0]):
        return found[0].rstrip(".").lower() if not address(found[0]) else ""
    if _HELO.search(said) and (found := _NAME.fullmatch(sender.partition(" ")[0])):
        return found[0].rstrip(".").lower() if not address(found[0]) else ""
    return ""


def _address(sender: str, comments: tuple[str, ...]) -> str:
    said = " ".join(_HELO.sub("", comment) for comment in comments)
    for text in (said, sender):
        for pattern in (_BRACKETED, _BARE):
            for found in pattern.finditer(text):
                if known := address(found[1]):
                    return known
    return ""


def address(text: str) -> str:
    """An IP address in its usual form; empty if it is none."""
    try:
        found = ipaddress.ip_address(text.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _is_encrypted(protocol: str, about: str, tls: str) -> bool | None:
    first = protocol.partition(" ")[0]
    if tls or _ENCRYPTED.fullmatch(first) or "encrypted" in about or "(TLS)" in f"({about})":
        return True
    if _PLAIN.fullmatch(first) or protocol.lower().startswith("microsoft smtp"):
        return False
    return None
