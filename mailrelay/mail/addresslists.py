"""Parses the address lists of header fields, as loosely as the programs of a node write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from mailrelay.mail import addresses, encodedwords

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|\[[^\[\]]*\]|\\.|[^"<\[\\,;:(]+|.', re.DOTALL)
_COMMENT_STEP = re.compile(r"\\.|[()]|[^\\()]+|\\", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
# The syntax of RFC 5322 §3.4 without its obsolete forms, comments left out. Nothing in it can be read in two ways.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_QUOTE = r'"(?:[^"\\]|\\.)*+"'
_DOTTED = rf"{_ATOM}(?:\.{_ATOM})*+"
_ADDRESS = rf"(?:{_DOTTED}|{_QUOTE})@(?:{_DOTTED}|\[[!-Z^-~]*\])"
_PHRASE = rf"(?:{_ATOM}|{_QUOTE})(?:[ \t]++(?:{_ATOM}|{_QUOTE}))*+"
_PERSON = rf"(?:(?>{_PHRASE}[ \t]*+<|<)[ \t]*+{_ADDRESS}[ \t]*+>|{_ADDRESS})[ \t]*+"
_PERSONS = rf"{_PERSON}(?:,[ \t]*+{_PERSON})*+"
_ENTRY = rf"(?:{_PERSON}|{_PHRASE}[ \t]*+:[ \t]*+(?:{_PERSONS})?;[ \t]*+)"
_STRICT = re.compile(rf"[ \t]*+{_ENTRY}(?:,[ \t]*+{_ENTRY})*+")
_SPACED = re.compile(r"[ \t]*([@.])[ \t]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One entry of an address list.

    Attributes:
        name: the display name; may be empty.
        address: the text where the address belongs, not checked yet.
    """

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Group:
    """A named group of mailboxes, such as ``Undisclosed recipients:;`` (RFC 5322 §3.4)."""

    name: str
    members: tuple[Mailbox, ...]


def parse(text: str) -> list[Mailbox]:
    """The mailboxes of a list, including the members of groups.

    A comment after a bare address is its name, which is how cron writes it: ``root (Cron Daemon)``.
    """
    return [mailbox for entry in entries(text) for mailbox in _members(entry)]


def entries(text: str) -> list[Mailbox | Group]:
    """The mailboxes and groups of a list; a semicolon outside a group separates mailboxes as a comma does."""
    found: list[Mailbox | Group] = []
    words: list[str] = []
    group: str | None = None
    members: list[Mailbox] = []
    for piece in [*_pieces(text), ";"]:
        if piece == ":" and group is None:
            group, words = _plain("".join(word for word in words if not word.startswith("(")).strip()), []
        elif piece not in {",", ";"}:
            words.append(piece)
        elif group is None:
            found += _mailbox(words)
            words = []
        else:
            members += _mailbox(words)
            words = []
            if piece == ";":
                found.append(Group(group, tuple(members)))
                group, members = None, []
    return found


def _members(entry: Mailbox | Group) -> tuple[Mailbox, ...]:
    return entry.members if isinstance(entry, Group) else (entry,)


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


def is_strict(text: str) -> bool:
    """Whether the list is in the syntax that RFC 5322 §3.4 lets a program write."""
    if not (text.isascii() and text.replace("\t", " ").isprintable()):
        return False
    pieces = list(_pieces(text))
    comments = [piece for piece in pieces if piece.startswith("(")]
    if any(piece.count("(") != piece.count(")") for piece in comments):
        return False
    return _STRICT.fullmatch("".join(" " if piece.startswith("(") else piece for piece in pieces)) is not None


def rewritten(text: str) -> str:
    """The list in the syntax of RFC 5322 §3.4.

    Raises:
        ValueError: it contains something that is not an address; the text is a sentence for the user.
    """
    return ", ".join(written(entry) for entry in entries(text))


def written(entry: Mailbox | Group) -> str:
    """A mailbox or group in the syntax of RFC 5322 §3.4.

    Raises:
        ValueError: an address in it is not valid; the text is a sentence for the user.
    """
    members = [
        encodedwords.mailbox(person.name, addresses.normalise(person.address)) for person in _members(entry)
    ]
    if isinstance(entry, Mailbox):
        return members[0]
    name = encodedwords.phrase(entry.name or "undisclosed-recipients")
    name += " " if name.endswith("?=") else ""  # RFC 2047 §5 wants space around an encoded word
    return f"{name}: {', '.join(members)};" if members else f"{name}:;"


def decoded(text: str) -> str:
    """Header text for display: encoded words decoded, control characters replaced by spaces."""
    return _UNPRINTABLE.sub(" ", encodedwords.decoded(text)).strip()


def _pieces(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        start = at
        if text[at] == "(":
            at = comment_end(text, at)
        else:
            piece = _PIECE.match(text, at)
            at = piece.end() if piece else at + 1
        yield text[start:at]


def comment_end(text: str, at: int) -> int:
    """Where the comment that begins ``at`` there closes; comments nest (RFC 5322 §3.2.2)."""
    depth = 0
    for step in _COMMENT_STEP.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(step[0], 0)
        if depth == 0:
            return step.end()
    return len(text)


def _mailbox(words: list[str]) -> list[Mailbox]:
    comments = [word[1:].removesuffix(")") for word in words if word.startswith("(")]
    angles = [word for word in words if _is_angled(word)]
    phrase = "".join(word for word in words if not (word.startswith("(") or _is_angled(word))).strip()
    if angles:
        # Two addresses in one place are joined, so that the check refuses them.
        address = _bare("".join(angles)[1:-1])
        if address.startswith("@"):  # a source route, which RFC 5321 §C says to ignore
            address = address.rpartition(":")[2]
        return [Mailbox(_plain(phrase) or decoded("".join(comments)), address)]
    return [Mailbox(decoded("".join(comments)), _bare(phrase))] if phrase else []


def _is_angled(word: str) -> bool:
    return word.startswith("<") and word.endswith(">")


def _bare(address: str) -> str:
    """An address without comments, and without space around its dots and its @ (RFC 5322 §4.4 has both)."""
    if "(" in address:
        address = "".join(piece for piece in _pieces(address) if not piece.startswith("("))
    return address.strip() if '"' in address else _SPACED.sub(r"\1", address.strip())


def _plain(phrase: str) -> str:
    return decoded(_QUOTED.sub(lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), phrase))
