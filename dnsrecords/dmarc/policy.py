"""DMARC policies (RFC 9989 §4.7, §4.8): parsed and written. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.text import reportaddresses, taglists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.text.reportaddresses import ReportAddress
    from dnsrecords.text.taglists import TagList

#: From weak to strong.
POLICIES = ("none", "quarantine", "reject")
VERSION = "DMARC1"
#: How a report can travel. Receivers need to know no other scheme (RFC 9989 §4.7).
SCHEMES = ("mailto",)
#: What receivers look for before they read any further (§4.8: the name in any case, the version exactly so).
_IS_POLICY = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(;|$)")
#: Tags of which one value in a fixed list is right, with the value that counts for any other.
_CHOICES = {"adkim": ("r", "s"), "aspf": ("r", "s"), "t": ("n", "y"), "psd": ("u", "y", "n")}
#: In RFC 7489 alone. Newer receivers ignore them, so they are never written (RFC 9989 appendix A.6).
_OBSOLETE = ("pct", "rf", "ri")
#: If two values differ, the intended policy is unknown.
_DECISIVE = ("p", "sp", "np", "t", "psd")
_KNOWN = ("v", "p", "sp", "np", "t", "psd", "adkim", "aspf", "fo", "rua", "ruf", *_OBSOLETE)
_BETWEEN_TAGS = re.compile(
    r"(?<![\s,;])[\s,;]++(?=(?:p|sp|np|rua|ruf|adkim|aspf|fo|t|psd|pct|rf|ri)[ \t]*=)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as receivers read it.

    Attributes:
        tags: with their names in lower case.
        policy: none, quarantine or reject; empty: there is no valid ``p=``.
        subdomains: what ``sp=`` says for subdomains that exist, or else ``p=``.
        absent: what ``np=`` says for subdomains that do not exist, or else ``sp=`` or ``p=``.
        testing: ``t=y``: each policy works one level lower.
        psd: ``y``, ``n`` or ``u``: whether the domain is a public suffix; n: it is an organisation of its own.
        percent: ``pct=``, which only receivers that follow RFC 7489 count.
        reports: addresses for aggregate reports (``rua=``).
        failure_reports: addresses for reports on single mails (``ruf=``).
        fatal: why the policy is not followed, as a clause; empty: it is.
        flaws: what receivers pass over, and what is lost by it; each a sentence.
    """

    tags: TagList
    policy: str
    subdomains: str
    absent: str
    testing: bool
    psd: str
    percent: int
    reports: tuple[ReportAddress, ...]
    failure_reports: tuple[ReportAddress, ...]
    fatal: str
    flaws: tuple[str, ...]

    @property
    def heeded(self) -> bool:
        """Whether receivers use the record at all; without a valid policy, only for its reports (§4.10.1)."""
        return not self.fatal or any(not address.error for address in self.reports)

    def in_effect(self, policy: str) -> str:
        """What receivers do where a tag has this policy."""
        if self.fatal or not policy:
            return POLICIES[0]
        return lowered(policy) if self.testing else policy

    def in_effect_before(self, policy: str) -> str:
        """The least that receivers of RFC 7489 do there: for the part that ``pct=`` exempts (its §6.6.4)."""
        if self.fatal or not policy:
            return POLICIES[0]
        return lowered(policy) if self.percent < 100 else policy

    @property
    def holds(self) -> str:
        """The policy that holds for all mail, for subdomains of any kind, and at receivers of either RFC."""
        new = (self.in_effect(policy) for policy in (self.policy, self.subdomains, self.absent))
        old = (self.in_effect_before(policy) for policy in (self.policy, self.subdomains))
        return min((*new, *old), key=POLICIES.index)


def lowered(policy: str) -> str:
    """The policy one level below."""
    return POLICIES[max(0, POLICIES.index(policy) - 1)]


def is_policy(text: str) -> bool:
    """Whether receivers take a text for a DMARC record at all: the version stands first, in upper case."""
    return bool(_IS_POLICY.match(text))


def parse(text: str) -> Policy:
    """Parses any text. What is wrong after the version is dropped in favour of the default (§4.8)."""
    tags = taglists.parse(text, any_case=True)
    policy, subdomains, absent = (_valid(tags, name) for name in ("p", "sp", "np"))
    return Policy(
        tags=tags,
        policy=policy,
        subdomains=subdomains or policy,
        absent=absent or subdomains or policy,
        testing=tags.get("t").lower() == "y",
        psd=tags.get("psd").lower() if tags.get("psd").lower() in _CHOICES["psd"] else "u",
        percent=_percent(tags.get("pct", "100")),
        reports=_addresses(tags, "rua"),
        failure_reports=_addresses(tags, "ruf"),
        fatal=next(_fatal(tags), ""),
        flaws=tuple(_flaws(text, tags)),
    )


def as_meant(text: str) -> str:
    """The text with a semicolon before each tag, where people put a comma, a blank or a line break; without quotes."""
    return _BETWEEN_TAGS.sub("; ", text.replace('"', ""))


def _addresses(tags: TagList, name: str) -> tuple[ReportAddress, ...]:
    values = (value for tag, value in (*tags.tags, *tags.repeated, *tags.damaged) if tag == name)
    return reportaddresses.read(",".join(filter(None, values)), sizes=True)


def _valid(tags: TagList, name: str) -> str:
    value = tags.get(name).lower()
    return value if value in POLICIES else ""


def _percent(value: str) -> int:
    return int(value) if re.fullmatch(r"[0-9]{1,3}", value, re.ASCII) and int(value) <= 100 else 100


def _fatal(tags: TagList) -> Iterator[str]:
    if tags.first() != "v" or tags.get("v") != VERSION:
        yield "v=DMARC1 has to come first, written exactly like this"
    for name, value in tags.repeated:
        if name in _DECISIVE and value.lower() != tags.get(name).lower():
            yield (
                f"the tag {name}= appears twice, which makes the record invalid (RFC 6376 §3.2): some receivers follow "
                "one of the two, others neither"
            )
    written = dict((*tags.damaged, *tags.tags))
    if "p" not in written:
        yield "the tag p=, which holds the policy, is missing"
    for name in ("p", "sp", "np"):
        if name in written and not _valid(tags, name):
            value = taglists.printable(written[name])
            yield f"{name}={value} is not a policy; there are only none, quarantine and reject"


def _flaws(text: str, tags: TagList) -> Iterator[str]:
    for error in tags.errors:
        yield f"Receivers ignore part of the record: {error}."
    for name, choices in _CHOICES.items():
        if name in tags and tags.get(name).lower() not in choices:
            value = taglists.printable(tags.get(name))
            yield f"{name}={value} counts as {name}={choices[0]}, because it is none of {', '.join(choices)}."
    if "ruf" in tags and "fo" in tags and not _are_failure_options(tags.get("fo")):
        yield (
            f"fo={taglists.printable(tags.get('fo'))} counts as fo=0: it must be 0 or 1, d and s, each at most "
            "once, separated by colons."
        )
    if "pct" in tags and not re.fullmatch(r"100|[0-9]{1,2}", tags.get("pct"), re.ASCII):
        yield f"pct={taglists.printable(tags.get('pct'))} is ignored, because it is not a number from 0 to 100."
    if [name for name, _ in tags.tags][:2] != ["v", "p"] and _valid(tags, "p"):
        yield "p= does not come right after v=, where receivers that still follow RFC 7489 expect it."
    unknown = [name for name, _ in tags.tags if name not in _KNOWN]
    if unknown:
        yield f"Receivers do not know {_listed(unknown)} and ignore it."
    capitals = re.findall(r"(?:\A|;)[ \t]*([A-Za-z]*[A-Z][A-Za-z]*)[ \t]*=", text)
    if known := [name for name in capitals if name.lower() in _KNOWN]:
        yield f"{_listed(known)} is written in capitals, which some receivers do not understand."


def _are_failure_options(value: str) -> bool:
    options = value.lower().split(":")
    once = len(set(options)) == len(options)
    return once and set(options) <= {"0", "1", "d", "s"} and not {"0", "1"} <= set(options)


def _listed(names: list[str]) -> str:
    return " and ".join(f"{name}=" for name in dict.fromkeys(names))


# --- put together ------------------------------------------------------------------------------------------
def with_policy(record: Policy, policy: str) -> str:
    """The record with another policy; what weakens it goes, and its other valid tags stay."""
    stronger = [
        (name, _valid(record.tags, name))
        for name in ("sp", "np")
        if POLICIES.index(_valid(record.tags, name) or POLICIES[0]) > POLICIES.index(policy)
    ]
    return taglists.rendered([("v", VERSION), ("p", policy), *stronger, *_others(record)])


def cleaned(record: Policy) -> str:
    """The record with its policies, without what receivers pass over, ``t=`` and ``pct=``."""
    policies = [(name, _valid(record.tags, name)) for name in ("p", "sp", "np")]
    valid = [(name, value) for name, value in policies if value]
    return taglists.rendered([("v", VERSION), *valid, *_others(record)])


def _others(record: Policy) -> Iterator[tuple[str, str]]:
    """The valid tags that are not about the policy."""
    lists = {"rua": record.reports, "ruf": record.failure_reports}
    for name, value in record.tags.tags:
        if name in ("v", "p", "sp", "np", "t", *_OBSOLETE) or (name, value.lower()) == ("psd", "y"):
            continue
        if name in _CHOICES and value.lower() not in _CHOICES[name]:
            continue
        if name == "fo" and not _are_failure_options(value):
            continue
        addresses = lists.pop(name, None)
        kept = value if addresses is None else _rendered(addresses)
        if kept:
            yield name, kept
    yield from ((name, kept) for name, addresses in lists.items() if (kept := _rendered(addresses)))


def _rendered(addresses: tuple[ReportAddress, ...]) -> str:
    return ",".join(
        filter(None, (address.mended if address.error else address.text for address in addresses))
    )


def with_reports(text: str, address: str) -> str:
    """The record with the daily reports sent to an address of the domain."""
    kept = [(name, value) for name, value in taglists.parse(text, any_case=True).tags if name != "rua"]
    return taglists.rendered([*kept, ("rua", f"mailto:{address}")])
