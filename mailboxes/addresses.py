"""Addresses of this node's own mailboxes and aliases, checked once where they enter. Pure.

Stricter than what RFC 5321 lets others use (``mailrelay.addresses``): these become keys of Postfix's tables, lines of
Dovecot's users file and names of directories, where a colon, a slash or a line break would mean something.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailrelay import addresses as wire

#: RFC 5321 §4.5.3.1 and the whole path with its brackets (§4.5.3.1.3).
LONGEST_LOCAL_PART, LONGEST_ADDRESS = 64, 254
_CHARACTERS = "letters, digits and . _ - ' & ~"
_LOCAL_PART = re.compile(r"[a-z0-9_'&~][a-z0-9_'&~-]*(?:\.[a-z0-9_'&~-]+)*")
_LABELS = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z][a-z0-9-]{0,61}[a-z0-9])")
#: Where an alias leads may be anybody's address: every dot-atom of RFC 5321.
_OUTSIDE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_EDGES = " \t"


def local_part(text: str) -> str:
    """A local part in lower case.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    name = text.strip(_EDGES).lower()
    if not name:
        raise ValueError("Give the part before the @.")
    if len(name) > LONGEST_LOCAL_PART:
        raise ValueError(f"The part before the @ can have {LONGEST_LOCAL_PART} characters at most.")
    if "@" in name:
        raise ValueError("Give only the part before the @; the domain is chosen apart.")
    if "+" in name:
        raise ValueError(
            f"{name!r} contains a +, which marks a tag: mail to name+tag reaches name by itself."
        )
    if not _LOCAL_PART.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the part before the @: use {_CHARACTERS},"
            " no dot at either end or twice in a row, and no - at the start."
        )
    return name


@lru_cache(maxsize=4096)
def domain(text: str) -> str:
    """A mail domain or host name in lower case, as A-labels (IDNA 2008 with UTS 46).

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    name = text.strip(_EDGES)
    if not name:
        raise ValueError("Give a domain such as example.com.")
    if name.startswith("["):
        raise ValueError(f"{name!r} is an address literal; a domain name is needed.")
    ascii_name = wire.ascii_domain(name)
    if not _LABELS.fullmatch(ascii_name) or len(ascii_name) > 253:
        raise ValueError(f"{name!r} is not a full domain name such as example.com.")
    return ascii_name


def split(text: str) -> tuple[str, str]:
    """``local part@domain`` → (local part, domain), both normalised.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    local, at, name = text.strip(_EDGES).rpartition("@")
    if not at:
        raise ValueError(f"{text.strip()[:60]!r} is not an address: write it as name@example.com.")
    local, name = local_part(local), domain(name)
    if len(local) + 1 + len(name) > LONGEST_ADDRESS:
        raise ValueError(f"The whole address can have {LONGEST_ADDRESS} characters at most.")
    return local, name


@lru_cache(maxsize=4096)
def destination(text: str) -> str:
    """An address that mail is forwarded to; it may be outside. The domain is normalised, ours also in lower case.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    address = wire.normalise(text)
    local, _, name = address.rpartition("@")
    if not _OUTSIDE.fullmatch(local) or local.startswith("-"):
        raise ValueError(
            f"Mail cannot be forwarded to {address[:80]!r}: its part before the @ is not a plain one."
        )
    return f"{local.lower()}@{domain(name)}"
