"""The grammar of SPF records (RFC 7208 §4.6, §5, §6, §12): text → terms and errors, and back. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, TypeAlias

from dnsrecords.spf import macros

if TYPE_CHECKING:
    from collections.abc import Callable

Interface: TypeAlias = IPv4Interface | IPv6Interface

#: Of mechanisms (§5).
KINDS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})

VERSION = "v=spf1"
#: Terms that each count towards the limit of ten (§4.6.4).
LOOKUP_KINDS = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_LENGTHS = {4: 32, 6: 128}
# A modifier is what has its "=" before any ":" or "/" (§4.6.1); everything else is a mechanism.
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_MECHANISM = re.compile(
    r"(?P<qualifier>[+?~-]?)(?P<kind>[a-z0-9_.-]+)(?P<rest>[:/].*)?", re.IGNORECASE | re.ASCII | re.DOTALL
)
_NUMBER = r"0|[1-9][0-9]{0,2}"
_PREFIXES = re.compile(rf"(?:/(?P<four>{_NUMBER}))?(?://(?P<six>{_NUMBER}))?\Z", re.ASCII)
_ADDRESS = re.compile(r"(?P<address>[0-9a-f.:]+)(?:/(?P<length>[0-9]{1,3}))?", re.IGNORECASE | re.ASCII)
# The end of a domain-spec (§7.1): a macro, or a top-level domain, which is never a number.
_DOMAIN_END = re.compile(
    # Possessive: a name of a stranger may have thousands of characters.
    r"(?:%\{[^{}]*\}|%[%_-]|\.(?:(?=[0-9]*+[a-z])[a-z0-9]++|[a-z0-9]++-[a-z0-9-]*+(?<=[a-z0-9]))\.?)\Z",
    re.IGNORECASE | re.ASCII,
)


class Malformed(ValueError):
    """A text that is no term; its message ends a sentence about the text: "… is not an SPF mechanism"."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A term that matches some senders.

    Attributes:
        kind: all, include, a, mx, ptr, ip4, ip6 or exists.
        qualifier: what a match means: ``+`` pass, ``-`` fail, ``~`` softfail, ``?`` neutral.
        domain: as written, macros and all; empty: the domain that is asked about.
        network: of ip4 and ip6.
        prefix4: of a and mx, for senders with an IPv4 address.
    """

    kind: str
    qualifier: str = "+"
    domain: str = ""
    network: Interface | None = None
    prefix4: int = 32
    prefix6: int = 128

    def __str__(self) -> str:
        sign = "" if self.qualifier == "+" else self.qualifier
        return f"{sign}{self.kind}{self._argument()}"

    def _argument(self) -> str:
        if self.network is not None:
            return f":{_network_text(self.network)}"
        domain = f":{self.domain}" if self.domain else ""
        four = f"/{self.prefix4}" if self.prefix4 != 32 else ""
        six = f"//{self.prefix6}" if self.prefix6 != 128 else ""
        return domain + four + six


@dataclass(frozen=True, slots=True)
class Modifier:
    """A term that matches nobody: redirect, exp, or an unknown one, which receivers ignore."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


Term: TypeAlias = Mechanism | Modifier


@dataclass(frozen=True, slots=True)
class Fault:
    """A piece of a record that is wrong, and why, as the end of a sentence about it."""

    text: str
    reason: str

    def __str__(self) -> str:
        return f'"{self.text}" {self.reason}'


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A parsed record. With errors, every check of it ends in permerror (§4.6)."""

    terms: tuple[Term, ...] = ()
    errors: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return " ".join([VERSION, *map(str, self.terms)])

    @property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """The mechanisms in their order: the first that matches decides."""
        return tuple(term for term in self.terms if isinstance(term, Mechanism))

    @property
    def modifiers(self) -> tuple[Modifier, ...]:
        """The modifiers in their order."""
        return tuple(term for term in self.terms if isinstance(term, Modifier))

    @property
    def all(self) -> Mechanism | None:
        """The first ``all``: anything after it is never read."""
        return next((term for term in self.mechanisms if term.kind == "all"), None)

    @property
    def redirect(self) -> str:
        """The domain whose record decides where this one does not; empty: none, or an ``all`` makes it void (§6.1)."""
        targets = (term.value for term in self.modifiers if term.name == "redirect")
        return "" if self.all else next(targets, "")


def is_record(text: str) -> bool:
    """Whether a TXT record is an SPF record (§4.5): the version, then a space or nothing."""
    return f"{text} "[:7].lower() == f"{VERSION} "


def parse(text: str) -> SpfRecord:
    """Parses any text: its terms without those that are wrong, and what is wrong."""
    if not is_record(text):
        return SpfRecord((), (Fault(shortened(text), f"does not begin with {VERSION}"),))
    terms: list[Term] = []
    errors: list[Fault] = []
    for word in filter(None, text[len(VERSION) :].split(" ")):
        try:
            term = parse_term(word)
            _check_once(term, terms)
        except Malformed as exc:
            errors.append(Fault(shortened(word), str(exc)))
        else:
            terms.append(term)
    return SpfRecord(tuple(terms), tuple(errors))


def render(record: SpfRecord) -> str:
    """The record's text as it is published (RFC 7208 §4.6)."""
    return str(record)


def parse_term(text: str) -> Term:
    """Parses one term.

    Raises:
        Malformed: the text is no term.
    """
    # RFC 7208 §3.1: ASCII only. Others' control characters and spaces are no separators either.
    if not re.fullmatch(r"[!-~]+", text):
        raise Malformed("has a character that is not allowed in an SPF record")
    modifier = _MODIFIER.fullmatch(text)
    return _modifier(modifier["name"], modifier["value"]) if modifier else _mechanism(text)


def _check_once(term: Term, before: list[Term]) -> None:
    """§6: a second redirect or exp is an error."""
    if not isinstance(term, Modifier) or term.name not in {"redirect", "exp"}:
        return
    if any(isinstance(earlier, Modifier) and earlier.name == term.name for earlier in before):
        raise Malformed(f"is a second {term.name}, but only one is allowed")


def _modifier(name: str, value: str) -> Modifier:
    if name.lower() in {"redirect", "exp"}:
        return Modifier(name.lower(), _domain_spec(value))
    if not macros.is_macro_string(value):
        raise Malformed("has a % that does not start a macro")
    return Modifier(name.lower(), value)


def _mechanism(text: str) -> Mechanism:
    match = _MECHANISM.fullmatch(text)
    kind = match["kind"].lower() if match else ""
    if not match or kind not in _READERS:
        raise Malformed("is not an SPF mechanism")
    return _READERS[kind](kind, match["qualifier"] or "+", match["rest"] or "")


def _bare(kind: str, qualifier: str, rest: str) -> Mechanism:
    if rest:
        raise Malformed("has text after it, where nothing is allowed")
    return Mechanism(kind, qualifier)


def _named(kind: str, qualifier: str, rest: str) -> Mechanism:
    if not rest.startswith(":"):
        raise Malformed("names no domain")
    return Mechanism(kind, qualifier, _domain_spec(rest[1:]))


def _optionally_named(kind: str, qualifier: str, rest: str) -> Mechanism:
    return _named(kind, qualifier, rest) if rest else Mechanism(kind, qualifier)


def _hosts(kind: str, qualifier: str, rest: str) -> Mechanism:
    # A domain-spec cannot end in "/24": what does belongs to the prefix lengths.
    lengths = _PREFIXES.search(rest)
    domain = rest[: lengths.start()] if lengths else rest
    four, six = (lengths["four"], lengths["six"]) if lengths else (None, None)
    named = _optionally_named(kind, qualifier, domain)
    prefix4, prefix6 = int(four or 32), int(six or 128)
    if prefix4 > 32 or prefix6 > 128:
        raise Malformed("has a prefix length that is too long")
    return Mechanism(kind, qualifier, named.domain, None, prefix4, prefix6)


def _network(kind: str, qualifier: str, rest: str) -> Mechanism:
    version = int(kind[-1])
    match = _ADDRESS.fullmatch(rest[1:]) if rest.startswith(":") else None
    if match is None:
        raise Malformed(f"needs an IPv{version} address or network after {kind}:")
    length = match["length"] or str(_LENGTHS[version])
    if int(length) > _LENGTHS[version] or (length != "0" and length.startswith("0")):
        raise Malformed(f"has a prefix length that an IPv{version} network cannot have")
    return Mechanism(kind, qualifier, "", _interface(version, match["address"], length))


def _interface(version: int, address: str, length: str) -> Interface:
    read: Callable[[str], Interface] = IPv4Interface if version == 4 else IPv6Interface
    try:
        return read(f"{address}/{length}")
    except ValueError as exc:
        raise Malformed(f"has no valid IPv{version} address") from exc


_READERS: dict[str, Callable[[str, str, str], Mechanism]] = {
    "all": _bare,
    "include": _named,
    "exists": _named,
    "ptr": _optionally_named,
    "a": _hosts,
    "mx": _hosts,
    "ip4": _network,
    "ip6": _network,
}


def _domain_spec(text: str) -> str:
    if not text:
        raise Malformed("names no domain")
    if not macros.is_macro_string(text):
        raise Malformed("has a % that does not start a macro")
    if macros.letters(text) & set(macros.EXP_LETTERS):
        raise Malformed("has a macro that is for explanations only")
    if not _DOMAIN_END.search(text) or not _queryable(text):
        raise Malformed("names no full domain")
    return text


def _queryable(text: str) -> bool:
    """Whether DNS could be asked about the name. The RFC leaves other names open, but nobody means to write one."""
    labels = text.removesuffix(".").split(".")
    return macros.has_macro(text) or all(1 <= len(label) <= 63 for label in labels)


def _network_text(network: Interface) -> str:
    whole = network.network.prefixlen == network.max_prefixlen
    return str(network.ip) if whole else f"{network.ip}/{network.network.prefixlen}"


def shortened(text: str) -> str:
    """A piece of somebody's record as a sentence may show it: printable, and not too long."""
    shown = "".join(char if " " <= char <= "~" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown if len(shown) <= 80 else f"{shown[:80]}…"


def address_of(text: str) -> Interface | None:
    """The address or network that a text is; None: it is neither."""
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        return None
