"""Address lists of header fields taken apart, as loosely as the programs of a node write them. Pure."""

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
    """A display name (may be empty) and what stands where the address belongs, not checked yet."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


def parse(text: str) -> list[Mailbox]:
    """The mailboxes of a list. Groups are opened; a comment after a bare address is its name, as cron means
    it: ``root (Cron Daemon)``."""
    found: list[Mailbox] = []
    words: list[str] = []
    for piece in [*_pieces(text), ","]:
        if piece in {",", ";"}:
            found += _mailbox(words)
            words = []
        elif piece == ":":  # what stood before is the name of a group
            words = []
        else:
            words.append(piece)
    return found


def is_local(address: str, nodes: Collection[str]) -> bool:
    """Whether it means somebody on this node: no domain at all, or a name of the node as the domain."""
    _, at, domain = address.rpartition("@")
    return not at or domain.lower().rstrip(".") in nodes


def checked(address: str) -> str:
    """The address as it goes on the wire; one without a domain stays so.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    if "@" in address or not address:
        return addresses.normalise(address)
    try:
        return addresses.normalise(f"{address}@localhost").removesuffix("@localhost")
    except ValueError:
        return addresses.normalise(address)  # its sentence shows what the caller wrote


def written(name: str, address: str) -> str:
    """A mailbox as it stands in a header field."""
    if address.isascii():
        return formataddr((name, address), "utf-8")
    return f"{name} <{address}>" if name else address


def decoded(text: str) -> str:
    """Header text for display: encoded words opened, nothing that a terminal or a page would act on."""
    try:
        text = str(make_header(decode_header(text))) if "=?" in text else text
    except (HeaderParseError, LookupError, ValueError):
        pass  # a broken encoded word is shown as it came
    return _UNPRINTABLE.sub(" ", text).strip()


def _pieces(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        start = at
        if text[at] == "(":
            at = _comment_end(text, at)
        else:
            found = _PIECE.match(text, at)
            at = found.end() if found else at + 1
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
        # Two in one place are left together, so that no check lets them pass.
        address = "".join(angles)[1:-1].strip()
        if address.startswith("@"):  # a source route, which RFC 5321 §C says to ignore
            address = address.rpartition(":")[2]
        return [Mailbox(_plain(phrase) or decoded("".join(comments)), address)]
    return [Mailbox(decoded("".join(comments)), phrase)] if phrase else []


def _plain(phrase: str) -> str:
    return decoded(_QUOTED.sub(lambda found: re.sub(r"\\(.)", r"\1", found[1]), phrase))
