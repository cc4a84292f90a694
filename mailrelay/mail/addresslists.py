"""Parses the address lists of header fields, as loosely as the programs of a node write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import formataddr

from mailrelay.mail import addresses

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|\[[^\]]*\]|\\.|[^"<\[\\,;:(]+|.', re.DOTALL)
_COMMENT_STEP = re.compile(r"\\.|[()]|[^\\()]+|\\", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One entry of an address list.

    Attributes:
        name: the display name; may be empty.
        address: what stands where the address belongs, not checked yet.
    """

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


def parse(text: str) -> list[Mailbox]:
    """The mailboxes of a list, including the members of groups (RFC 5322 §3.4).

    A comment after a bare address is its name, which is how cron writes it: ``root (Cron Daemon)``.
    """
    mailboxes: list[Mailbox] = []
    words: list[str] = []
    for piece in [*_pieces(text), ","]:
        if piece in {",", ";"}:
            mailboxes += _mailbox(words)
            words = []
        elif piece == ":":  # the words before it were the name of a group
            words = []
        else:
            words.append(piece)
    return mailboxes


def is_local(address: str, nodes: Collection[str]) -> bool:
    """Whether the address belongs to somebody on this node: it has no domain, or a name of the node as its domain.

    ``nodes`` are those names, in lower case.
    """
    _, at, domain = address.rpartition("@")
    return not at or domain.lower().rstrip(".") in nodes


def checked(address: str) -> str:
    """The address as it goes on the wire; an address without a domain stays one.

    Raises:
        ValueError: it is not an address; the text is a sentence for the user.
    """
    if "@" in address or not address:
        return addresses.normalise(address)
    try:
        return addresses.normalise(f"{address}@localhost").removesuffix("@localhost")
    except ValueError:
        return addresses.normalise(address)  # its sentence shows what the caller wrote


def written(name: str, address: str) -> str:
    """A mailbox as it is written in a header field."""
    if address.isascii():
        return formataddr((name, address), "utf-8")
    return f"{name} <{address}>" if name else address


def decoded(text: str) -> str:
    """Header text for display: encoded words decoded, control characters replaced by spaces."""
    try:
        text = str(make_header(decode_header(text))) if "=?" in text else text
    except (HeaderParseError, LookupError, ValueError):
        pass  # a broken encoded word is shown as it is
    return _UNPRINTABLE.sub(" ", text).strip()


def _pieces(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        start = at
        if text[at] == "(":
            at = _comment_end(text, at)
        else:
            piece = _PIECE.match(text, at)
            at = piece.end() if piece else at + 1
        yield text[start:at]


def _comment_end(text: str, at: int) -> int:
    """Where a comment closes; comments nest (RFC 5322 §3.2.2)."""
    depth = 0
    for step in _COMMENT_STEP.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(step[0], 0)
        if depth == 0:
            return step.end()
    return len(text)


def _mailbox(words: list[str]) -> list[Mailbox]:
    comments = [word[1:].removesuffix(")") for word in words if word.startswith("(")]
    angles = [word for word in words if word.startswith("<") and word.endswith(">")]
    phrase = "".join(word for word in words if not word.startswith("(") and word not in angles).strip()
    if angles:
        # Two addresses in one place are joined, so that the check refuses them.
        address = "".join(angles)[1:-1].strip()
        if address.startswith("@"):  # a source route, which RFC 5321 §C says to ignore
            address = address.rpartition(":")[2]
        return [Mailbox(_plain(phrase) or decoded("".join(comments)), address)]
    return [Mailbox(decoded("".join(comments)), phrase)] if phrase else []


def _plain(phrase: str) -> str:
    return decoded(_QUOTED.sub(lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), phrase))
