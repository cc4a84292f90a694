"""DMARC policies (RFC 7489 §6.3): taken apart, and put together anew. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.names import within
from dnsrecords.text import taglists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.text.taglists import TagList

#: From weak to strong.
POLICIES = ("none", "quarantine", "reject")
VERSION = "DMARC1"
_REPORTS_TO = re.compile(r"mailto:[^@\s,!;]+@([^@\s,!;]+)(?:![0-9]+[kmgt]?)?", re.IGNORECASE)
#: What receivers look for before they read any further (RFC 7489 §6.6.3).
_IS_POLICY = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)")


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as receivers read it.

    Attributes:
        policy: none, quarantine or reject; empty: ``p=`` is something else.
        subdomains: the policy for subdomains: ``sp=``, or else the same.
        percent: how much of the failing mail the policy is applied to.
        reports: domains that the daily reports go to.
        errors: why receivers ignore the policy or take it as none; each a clause.
    """

    tags: TagList
    policy: str
    subdomains: str
    percent: int
    reports: tuple[str, ...]
    errors: tuple[str, ...]


def is_policy(text: str) -> bool:
    """Whether receivers take a text for a DMARC record at all: the version stands first, in upper case."""
    return bool(_IS_POLICY.match(text))


def parse(text: str) -> Policy:
    """Parses any text. Tags with unknown names or values count as missing (RFC 7489 §6.3)."""
    tags = taglists.parse(text)
    policy = _policy(tags, "p")
    return Policy(
        tags=tags,
        policy=policy,
        subdomains=_policy(tags, "sp") if "sp" in tags else policy,
        percent=_percent(tags.get("pct", "100")),
        reports=_domains(tags.get("rua")),
        errors=(*tags.errors, *_errors(tags)),
    )


def _policy(tags: TagList, name: str) -> str:
    value = tags.get(name).lower()
    return value if value in POLICIES else ""


def _percent(value: str) -> int:
    return int(value) if re.fullmatch(r"[0-9]{1,3}", value) and int(value) <= 100 else 100


def _domains(value: str) -> tuple[str, ...]:
    matches = (_REPORTS_TO.fullmatch(address.strip(taglists.BLANKS)) for address in value.split(","))
    return tuple(dict.fromkeys(match[1].lower().rstrip(".") for match in matches if match))


def _errors(tags: TagList) -> Iterator[str]:
    if tags.first() != "v" or tags.get("v") != VERSION:
        yield "v=DMARC1 has to come first, written exactly like this"
    if "p" not in tags:
        yield "p= with the policy is missing"
    elif not _policy(tags, "p"):
        yield f"p={tags.get('p')} is not a policy; there are only none, quarantine and reject"
    if "sp" in tags and not _policy(tags, "sp"):
        yield f"sp={tags.get('sp')} is not a policy; there are only none, quarantine and reject"


# --- put together ------------------------------------------------------------------------------------------
def with_policy(record: Policy, policy: str) -> str:
    """The record with another policy, for all mail and all subdomains; its other tags stay."""
    kept = [(name, value) for name, value in record.tags.tags if name not in ("v", "p", "sp", "pct")]
    return taglists.rendered([("v", VERSION), ("p", policy), *kept])


def with_reports(text: str, address: str) -> str:
    """The record with the daily reports sent to an address of the domain."""
    kept = [(name, value) for name, value in taglists.parse(text).tags if name != "rua"]
    return taglists.rendered([*kept, ("rua", f"mailto:{address}")])


# --- reports -----------------------------------------------------------------------------------------------
def consent_names(policy: Policy, domain: str) -> tuple[str, ...]:
    """Names at which other domains have to agree to get this one's reports (RFC 7489 §7.1)."""
    return tuple(
        f"{domain}._report._dmarc.{receiver}"
        for receiver in policy.reports
        # The RFC means domains of one organisation, which only a list of public suffixes could tell.
        if not within(receiver, domain) and not within(domain, receiver)
    )
