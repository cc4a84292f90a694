"""Mail addresses: parsed and checked once, where they enter. Pure."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache

import idna

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-"
# No controls, and nothing that a program may take for the end of a line. RFC 5321 allows angle brackets, but servers
# differ in how they read ``MAIL FROM:<"a>b"@c>``.
_NEVER = r"<>\x00-\x1f\x7f-\x9f\u2028\u2029"
#: A quoted local part.
QUOTED_LOCAL = rf'"(?:[^"\\{_NEVER}]|\\[^{_NEVER}])*"'
_LOCAL = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*|{QUOTED_LOCAL}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LITERAL = re.compile(r"\[(?:IPv6:([0-9A-Fa-f:.]+)|([0-9.]+))\]", re.IGNORECASE)
# C0, DEL, C1 (with U+0085), and the two separators that many programs take for line ends.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_IN_A_LIST = re.compile(r"[<>,;]")
# Some scripts need the two joiners; every other invisible character can only deceive.
_JOINERS = "\u200c\u200d"
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp", "Zs"))
# RFC 5321 §4.5.3.1: local part 64, domain 255, path 256 with its angle brackets.
_LOCAL_LIMIT, _DOMAIN_LIMIT, _ADDRESS_LIMIT = 64, 255, 254
#: A name and an address together. Longer texts are refused, and must not fill the cache.
_TEXT_LIMIT = 998


@lru_cache(maxsize=4096)
def normalise(address: str) -> str:
    """An addr-spec as it goes on the wire: the domain in lower case and as A-labels, the local part unchanged.

    Raises:
        ValueError: it is not an address; the text is a sentence for the user.
    """
    _check_text(address)
    bare = address.strip()
    local, at, domain = bare.rpartition("@")
    if not at or not local or not domain:
        raise ValueError(f"{_shown(bare)} is not a mail address. Enter one like name@example.com.")
    if len(local) > _LOCAL_LIMIT or len(local.encode()) > _LOCAL_LIMIT or not _LOCAL.fullmatch(local):
        raise ValueError(f"{_shown(bare)} is not a mail address: the part before the @ is not valid.")
    if not local.isascii() and any(map(_invisible, local)):
        raise ValueError(f"{_shown(bare)} is not a mail address: it contains invisible characters.")
    whole = f"{local}@{ascii_domain(domain)}"
    if len(whole.encode()) > _ADDRESS_LIMIT:
        raise ValueError(f"{_shown(bare)} is too long for a mail address ({_ADDRESS_LIMIT} characters).")
    return whole


def ascii_domain(domain: str) -> str:
    """A domain in lower case and as A-labels (IDNA); an address literal unchanged.

    Raises:
        ValueError: it is not a domain; the text is a sentence for the user.
    """
    literal = _LITERAL.fullmatch(domain)
    if literal:
        return _checked_literal(domain, literal[1], literal[2])
    # Checked first, because IDNA takes quadratic time.
    if len(domain) > _DOMAIN_LIMIT:
        raise ValueError(
            f"{_shown(domain)} is not a domain name: it has more than {_DOMAIN_LIMIT} characters."
        )
    name = domain
    if not domain.isascii():
        try:
            name = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as exc:
            raise ValueError(f"{_shown(domain)} is not a domain name.") from exc
    if len(name) > _DOMAIN_LIMIT or not _DOMAIN.fullmatch(name):
        raise ValueError(f"{_shown(domain)} is not a domain name.")
    return name.lower().rstrip(".")


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[str, str]:
    """``Name <address>``, or a bare address, as (display name, normalised address).

    Raises:
        ValueError: it is neither; the text is a sentence for the user.
    """
    _check_text(text)
    bare = text.strip()
    if not bare.endswith(">"):
        return "", normalise(bare)
    before, _, address = bare[:-1].rpartition("<")
    quoted = _QUOTED_NAME.fullmatch(before.strip())
    if quoted:
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _IN_A_LIST.search(before):
        raise ValueError(
            f"{_shown(bare)} is not a single mail address. Enter each address separately, and put names "
            'such as "Doe, John" in quotes.'
        )
    else:
        name = before
    return re.sub(" +", " ", name).strip(), normalise(address)


def needs_utf8(address: str) -> bool:
    """Whether only SMTPUTF8 (RFC 6531) can carry a normalised address: its local part is not ASCII."""
    return not address.isascii()


def _check_text(text: str) -> None:
    if _CONTROL.search(text):
        raise ValueError("An address cannot contain line breaks or control characters.")
    if _SURROGATE.search(text):
        raise ValueError("An address cannot contain half a character.")
    if len(text) > _TEXT_LIMIT:
        raise ValueError(f"{_shown(text)} is too long for a name and an address ({_TEXT_LIMIT} characters).")


def _checked_literal(domain: str, six: str | None, four: str | None) -> str:
    try:
        if six is not None:
            ipaddress.IPv6Address(six)
        else:
            ipaddress.IPv4Address(four or "")
    except ValueError as exc:
        raise ValueError(f"{_shown(domain)} is not an address literal such as [192.0.2.1].") from exc
    return domain


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE and char not in _JOINERS


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}…"
