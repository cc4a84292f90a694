"""One word of an SPF record → the terms that it can only mean, or why it is none. Pure."""

from __future__ import annotations

import difflib
import ipaddress
import re
from typing import TYPE_CHECKING

from dnsrecords.spf.terms import (
    KINDS,
    VERSION,
    Fault,
    Malformed,
    Mechanism,
    Modifier,
    address_of,
    parse_term,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnsrecords.spf.terms import Interface, Term

#: What people write instead of a mechanism or modifier.
_ALIASES = {
    "ipv4": "ip4",
    "ipv6": "ip6",
    "ip": "ip4",
    "inc": "include",
    "incl": "include",
    "includes": "include",
    "included": "include",
    "host": "a",
    "al": "all",
}
_MODIFIERS = frozenset({"redirect", "exp"})
#: Kinds that mean nothing without a value.
_NEED = ("include", "ip4", "ip6", "ipv4", "ipv6", "exists", "redirect", "exp")
#: How much an unknown word has to be like one of these.
_LIKENESS, _LONG_KINDS = 0.75, ("include", "redirect", "exists")
_PARTS = re.compile(
    r"(?P<qualifier>[+?~-]?)(?P<kind>[a-z0-9_.-]*)(?P<sign>[:=]*)(?P<value>.*)", re.IGNORECASE | re.DOTALL
)
#: Where a term begins within a word; "a:" may be part of an IPv6 address, so that it is none of these.
_START = re.compile(
    r"(?<=[^+?~-])(?=[+?~-]?(?:include|ipv?4|ipv?6|exists|redirect|ptr|mx)[:=])", re.IGNORECASE | re.DOTALL
)
_END = re.compile(r"(?P<rest>.*[^+?~:=-])(?P<all>[+?~-]all\.?)\Z", re.IGNORECASE | re.DOTALL)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)
_LAST_LABEL = re.compile(r"[a-z]+|xn--[a-z0-9-]+", re.IGNORECASE | re.ASCII)
_RANGE = re.compile(r"(?P<first>[0-9.]+)\s*-\s*(?P<last>[0-9.]+)")
#: Networks that a range of addresses may turn into.
_MOST_NETWORKS = 8


def read(word: str) -> list[Term] | Fault:
    """The terms that a word means, mostly one; nothing but why it is none if there is no plain reading."""
    try:
        term = parse_term(word)
    except Malformed as exc:
        return _mended(word) or Fault(shortened(word), str(exc))
    if isinstance(term, Modifier) and term.name not in _MODIFIERS:
        # Receivers ignore it; but written with a colon it may be a mechanism.
        return (_mended(word) if _known(term.name) else []) or [term]
    return [term] if _is_plausible(term) else _mended(word) or [term]


def _known(kind: str) -> str:
    """The kind that a word means; empty: none."""
    bare = kind.strip(".")
    if bare in KINDS or bare in _MODIFIERS:
        return bare
    close = difflib.get_close_matches(bare, _LONG_KINDS, 1, _LIKENESS)
    return _ALIASES.get(bare) or next(iter(close), "")


def _is_plausible(term: Term) -> bool:
    """Whether a term that the grammar allows names what could be a domain: ``include:include:x.org`` does not."""
    domain = term.domain if isinstance(term, Mechanism) else term.value
    return not domain or "%" in domain or _is_domain(domain)


def _is_domain(text: str) -> bool:
    *labels, last = text.removesuffix(".").split(".")
    return bool(labels) and all(map(_LABEL.fullmatch, labels)) and bool(_LAST_LABEL.fullmatch(last))


# --- words that belong together, or apart ------------------------------------------------------------------
def kind_of(word: str) -> str:
    """The kind that a word begins with, as it is written; empty: none that takes a value."""
    match = _PARTS.fullmatch(word)
    kind = match["kind"].lower() if match else ""
    return (
        f"{match['qualifier']}{kind}"
        if match and (kind in _NEED or (kind in KINDS and match["sign"]))
        else ""
    )


def waits(word: str) -> bool:
    """Whether a word wants another one after it: a qualifier alone, ``include``, ``a:``."""
    if word in {"+", "-", "~", "?"}:
        return True
    bare = word.rstrip(":=")
    kind = bare.lstrip("+-~?").lower()
    return kind in _NEED or (kind in {"a", "mx", "ptr"}) or (word != bare and kind in {*KINDS, *_ALIASES})


def continues(waiting: str, word: str) -> bool:
    """Whether a word is what the one before it waits for."""
    if waiting in {"+", "-", "~", "?"}:
        return word[:1] not in "+-~?"
    if word[:1] in ":=/" and waiting[-1:] not in ":=":
        return True
    kind = waiting.rstrip(":=").lstrip("+-~?").lower()
    # "a" and "mx" are whole without a name.
    return is_bare(word) and (waiting[-1:] in ":=" or kind in _NEED)


def stutters(waiting: str, word: str) -> bool:
    """Whether a kind without a value only repeats itself: ``include include:x.org``."""
    kind = waiting.rstrip(":=").lstrip("+-~?").lower()
    return kind in _NEED and word.lstrip("+-~?").lower().startswith((f"{kind}:", f"{kind}="))


def is_bare(word: str) -> bool:
    """Whether a word is an address or a domain without a kind."""
    return bool(_networks(word)) or _is_domain(word) or "%{" in word.partition(":")[0]


def split(word: str) -> list[str]:
    """A word at the places where another term begins in it: ``include:a.orginclude:b.org~all``."""
    parts = [part for each in _START.split(_without_version(word)) for part in _without_end(each)]
    # A kind without a value just before another term is a slip: include:include:x.org.
    slips = {
        at
        for at, part in enumerate(parts[:-1])
        if re.fullmatch(r"[+?~-]?[a-z0-9]+[:=]+", part, re.IGNORECASE)
    }
    return [part for at, part in enumerate(parts) if part and at not in slips]


def _without_version(word: str) -> str:
    return word[len(VERSION) :].lstrip(":=.") if word.lower().startswith(VERSION) else word


def _without_end(word: str) -> list[str]:
    match = _END.fullmatch(word)
    if not match:
        return [word]
    return [*_without_end(match["rest"]), match["all"]]


# --- one word ----------------------------------------------------------------------------------------------
def _mended(word: str) -> list[Term]:
    qualifier = word[:1] if word[:1] in set("+-~?") else ""
    whole = word[len(qualifier) :]
    bare = whole if _networks(whole) else whole.rstrip(".,;:!|")
    if networks := _networks(bare) or _glued(bare):
        return _addresses(qualifier, networks)
    match = _PARTS.fullmatch(bare)
    if match is None:
        return []
    kind, value = _told_apart(match["kind"].lower(), match["value"], signed=bool(match["sign"]))
    networks = _networks(value) if kind not in {"all", "exists", "ptr", *_MODIFIERS} else []
    # Before a colon of no known kind, the first group of an IPv6 address may stand.
    if networks and (kind or networks[0].version == 4):
        return _addresses(qualifier, networks)
    # "a:" may mean the domain itself, or a host whose name is missing; "all:x" may mean anything.
    if not kind or (":" in word[-1:] and not value and kind != "all") or (kind == "all" and value):
        return []
    if kind in {"ip4", "ip6"}:
        kind = "a"
    separator = "=" if kind in _MODIFIERS else "" if not value or value.startswith("/") else ":"
    found = _terms([f"{qualifier}{kind}{separator}{value}"])
    return found if all(map(_is_plausible, found)) else []


def _told_apart(kind: str, value: str, *, signed: bool) -> tuple[str, str]:
    """Kind and value, each as it was meant; the kind is empty where it is not known."""
    value = re.sub(r"\A(?:https?:)?//(?=[^0-9])", "", value, flags=re.IGNORECASE)
    value = _ascii(value.strip("[]<>()").rstrip("/"))
    if known := _known(kind):
        return known, value
    if signed:
        return "", value
    rest = kind.removeprefix("include")
    # "includes.example.org" is rather a name.
    if rest != kind and rest.startswith(("_", ".", "spf")):
        return "include", f"{rest.lstrip('.')}{value}"
    return "", value


def _glued(text: str) -> list[Interface]:
    """The address in ``ip4198.51.100.7``, where the colon is missing."""
    match = re.match(r"ipv?(?P<version>[46])[.:=-]*", text, re.IGNORECASE)
    networks = _networks(text[match.end() :]) if match else []
    return [network for network in networks if match and str(network.version) == match["version"]]


def _addresses(qualifier: str, networks: Iterable[Interface]) -> list[Term]:
    return _terms(f"{qualifier}ip{each.version}:{each.ip}/{each.network.prefixlen}" for each in networks)


def _ascii(text: str) -> str:
    """A domain in the spelling of DNS."""
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        return text


def _networks(text: str) -> list[Interface]:
    """The addresses that a text means, with or without a mask, brackets or a port; none: it is no address."""
    text = text.strip("[]").removesuffix("/")
    if re.fullmatch(r"[0-9.]+:[0-9]{1,5}", text):
        text = text.partition(":")[0]
    address, slash, length = text.partition("/")
    if slash and re.fullmatch(r"0[0-9]{1,2}", length):
        text = f"{address}/{int(length)}"
    network = address_of(text) if not text.isdigit() else None
    return [network] if network is not None else _range(text)


def _range(text: str) -> list[Interface]:
    match = _RANGE.fullmatch(text)
    if match is None:
        return []
    try:
        first, last = (ipaddress.IPv4Address(part) for part in match.groups())
        networks = [*ipaddress.summarize_address_range(first, last)]
    except ValueError:
        return []
    return (
        [ipaddress.IPv4Interface(str(network)) for network in networks]
        if len(networks) <= _MOST_NETWORKS
        else []
    )


def _terms(texts: Iterable[str]) -> list[Term]:
    try:
        return [parse_term(text) for text in texts]
    except Malformed:
        return []
