"""Mail addresses: taken apart and checked once, where they enter. Pure."""

from __future__ import annotations

import re
from email.utils import parseaddr
from functools import lru_cache

import idna

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-"
_LOCAL = re.compile(rf'[{_ATEXT}]+(?:\.[{_ATEXT}]+)*|"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"')
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LITERAL = re.compile(r"\[(?:IPv6:[0-9A-Fa-f:.]+|[0-9]{1,3}(?:\.[0-9]{1,3}){3})\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# RFC 5321 §4.5.3.1: local part 64, domain 255, path 256 with its angle brackets.
_LOCAL_LIMIT, _DOMAIN_LIMIT, _ADDRESS_LIMIT = 64, 255, 254


@lru_cache(maxsize=4096)
def normalise(address: str) -> str:
    """An addr-spec as it goes on the wire: the domain in lower case as an A-label, the local part untouched.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    if _CONTROL.search(address):
        raise ValueError("An address cannot contain line breaks or control characters.")
    local, at, domain = address.strip().rpartition("@")
    if not at or not local:
        raise ValueError(f"{address.strip()!r} is not a mail address: write it as name@example.com.")
    if len(local.encode()) > _LOCAL_LIMIT or not _LOCAL.fullmatch(local):
        raise ValueError(f"{address.strip()!r} is not a mail address: the part before the @ is not valid.")
    whole = f"{local}@{ascii_domain(domain)}"
    if len(whole.encode()) > _ADDRESS_LIMIT:
        raise ValueError(f"{address.strip()[:60]!r}… is too long for a mail address (254 characters).")
    return whole


def ascii_domain(domain: str) -> str:
    """A domain in lower case, as A-labels; an address literal stays.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    if _LITERAL.fullmatch(domain):
        return domain
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as exc:
            raise ValueError(f"{domain!r} is not a domain name: {exc}.") from exc
    if len(domain) > _DOMAIN_LIMIT or not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{domain!r} is not a domain name.")
    return domain.lower().rstrip(".")


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[str, str]:
    """``Name <address>`` or a bare address → (display name, normalised address).

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    if _CONTROL.search(text):
        raise ValueError("An address cannot contain line breaks or control characters.")
    if "<" not in text and "," not in text:
        return "", normalise(text)
    name, address = parseaddr(text)
    if not address:
        raise ValueError(f"{text!r} is not one mail address: write it as name@example.com.")
    return name, normalise(address)


def needs_utf8(address: str) -> bool:
    """Whether the address can only travel with SMTPUTF8 (RFC 6531): its local part is not ASCII."""
    return not address.isascii()
