"""Parses, normalises and checks the addresses of this node and the destinations of aliases. Pure.

Addresses of the node are stored in lower case, domains as A-labels (IDNA).
"""

from __future__ import annotations

import re
from functools import lru_cache

import idna

# RFC 5321 §4.5.3.1: local part 64, domain 253 in text, path 256 with its angle brackets.
LOCAL_LIMIT, DOMAIN_LIMIT, ADDRESS_LIMIT = 64, 253, 254
#: Longest name of a domain of this node; the name of its DKIM record is longer by "selector._domainkey.".
OWN_DOMAIN_LIMIT = 220
_OWN_ATOM = r"[a-z0-9_'&~-]+"
# RFC 5322 §3.2.3 atext without ! % |, which older servers read as routes or programs.
_FOREIGN_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Patterns for re.fullmatch of what the functions below return. Only ADDRESS_PATTERN limits lengths.
LOCAL_PATTERN = rf"(?!-){_OWN_ATOM}(?:\.{_OWN_ATOM})*"
# Some programs take what begins with "-" for an option, and with "/" for a file.
DESTINATION_PATTERN = rf"(?![-/]){_FOREIGN_ATOM}(?:\.{_FOREIGN_ATOM})*"
# No top-level domain is a number (RFC 3696 §2): that would be an IP address.
DOMAIN_PATTERN = rf"(?:{_LABEL}\.)+(?![0-9]+(?:[^a-z0-9-]|\Z)){_LABEL}"
ADDRESS_PATTERN = rf"(?=.{{1,{ADDRESS_LIMIT}}}\Z)(?=[^@]{{1,{LOCAL_LIMIT}}}@){LOCAL_PATTERN}@{DOMAIN_PATTERN}"
_LOCAL = re.compile(LOCAL_PATTERN)
_DESTINATION = re.compile(DESTINATION_PATTERN)
_DOMAIN = re.compile(DOMAIN_PATTERN)
#: IDNA takes quadratic time, so longer text is refused before it is decoded; it cannot be a domain in any script.
_TEXT_LIMIT = 255


def local_part(text: str) -> str:
    """The local part of a mailbox or an alias, in lower case.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    local = text.strip(" ").lower()
    if not local:
        raise ValueError("The part before the @ is missing.")
    if len(local) > LOCAL_LIMIT:
        raise ValueError(f"The part before the @ can have at most {LOCAL_LIMIT} characters.")
    if "+" in local:
        raise ValueError(
            "The part before the @ cannot contain a +: mail to name+anything already arrives at name."
        )
    if not text.isascii() or not _LOCAL.fullmatch(local):
        raise ValueError(
            f"{_shown(text)} cannot be used before the @. Use a-z, 0-9, dots, and _ - ' & ~, with no dot "
            "at either end, no two dots in a row and no hyphen at the start."
        )
    return local


def domain(text: str) -> str:
    """A mail domain in lower case, as A-labels, without a final dot.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    name = text.strip(" ")
    if not name:
        raise ValueError("The domain is missing.")
    if len(name) > _TEXT_LIMIT:
        raise ValueError(f"{_shown(name)} is not a domain name: it is longer than {DOMAIN_LIMIT} characters.")
    return _domain(name)


def own_domain(text: str) -> str:
    """A mail domain of this node: as `domain`, and short enough for the name of its DKIM record.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    name = domain(text)
    if len(name) > OWN_DOMAIN_LIMIT:
        raise ValueError(
            f"{_shown(name)} has more than {OWN_DOMAIN_LIMIT} characters, so the name of its DKIM record "
            "would be too long for DNS."
        )
    return name


def split(text: str) -> tuple[str, str]:
    """The local part and the domain of an address of this node, both normalised.

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    before, after = _parts(text)
    local, name = local_part(before), domain(after)
    _check_length(f"{local}@{name}")
    return local, name


def destination(text: str) -> str:
    """An address to forward mail to, here or elsewhere, in lower case (no provider distinguishes cases).

    Raises:
        ValueError: a sentence saying what is wrong.
    """
    local, after = _parts(text)
    if local.startswith('"'):
        raise ValueError(f"{_shown(text)} cannot be used: local parts in quotes are not supported.")
    if len(local) > LOCAL_LIMIT or not _DESTINATION.fullmatch(local):
        raise ValueError(f"{_shown(text)} is not a mail address that can be forwarded to.")
    address = f"{local.lower()}@{domain(after)}"
    _check_length(address)
    return address


def shown(address: str) -> str:
    """An address or a domain for display, with A-labels in their own script; unchanged if they do not decode."""
    local, at, name = address.rpartition("@")
    return f"{local}{at}{_unicode(name)}"


def as_stored(text: str) -> str:
    """What somebody looks for, with a domain in any script as A-labels; unchanged if it is none."""
    local, at, name = text.rpartition("@")
    try:
        return text if text.isascii() else f"{local}{at}{idna.encode(name, uts46=True).decode()}"
    except UnicodeError:
        return text


@lru_cache(maxsize=1024)
def _domain(name: str) -> str:
    ascii_name = name.lower()
    try:
        if not name.isascii():
            ascii_name = idna.encode(name, uts46=True).decode("ascii")
        _check_a_labels(ascii_name)
    except UnicodeError as exc:
        raise ValueError(f"{_shown(name)} is not a domain name. Enter one like example.com.") from exc
    ascii_name = ascii_name.lower().removesuffix(".")
    if "." not in ascii_name:
        raise ValueError(f"{_shown(name)} is not a full domain name. Enter one like example.com.")
    if len(ascii_name) > DOMAIN_LIMIT or not _DOMAIN.fullmatch(ascii_name):
        raise ValueError(f"{_shown(name)} is not a domain name. Enter one like example.com.")
    return ascii_name


def _check_a_labels(name: str) -> None:
    """Refuses labels that begin with xn-- and do not decode: no registrar accepts them, no client can show them."""
    for label in name.split("."):
        if label.startswith("xn--"):
            idna.decode(label)


@lru_cache(maxsize=1024)
def _unicode(name: str) -> str:
    try:
        return idna.decode(name) if "xn--" in name else name
    except UnicodeError:
        return name


def _parts(text: str) -> tuple[str, str]:
    bare = text.strip(" ")
    if any(char < " " or char == "\x7f" for char in bare):
        raise ValueError("An address cannot contain line breaks or control characters.")
    before, at, after = bare.rpartition("@")
    if not at or not before or not after:
        raise ValueError(f"{_shown(bare)} is not a mail address. Enter one like name@example.com.")
    return before, after


def _check_length(address: str) -> None:
    if len(address) > ADDRESS_LIMIT:
        raise ValueError(f"{_shown(address)} is too long for a mail address ({ADDRESS_LIMIT} characters).")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}…"
