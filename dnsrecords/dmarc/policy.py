"""DMARC policies (RFC 7489 §6.3): taken apart, and put together anew. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        policy: none, quarantine or reject; empty: what stands there is none of them.
        subdomains: what holds for subdomains: ``sp=``, or else the policy.
        percent: of the failing mail that it is applied to.
        reports: domains that the daily reports go to.
        errors: why receivers ignore it or take it as none; each a clause.
    """

    tags: TagList
    policy: str
    subdomains: str
    percent: int
    reports: tuple[str, ...]
    errors: tuple[str, ...]


def is_policy(text: str) -> bool:
    """Whether receivers take a text for a DMARC record at all: the version stands first, in this case."""
    return bool(_IS_POLICY.match(text))


def parse(text: str) -> Policy:
    """Takes a record apart, whatever it is. Tags with unknown names or values count as not there (RFC 7489 §6.3)."""
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
    found = (_REPORTS_TO.fullmatch(each.strip(taglists.BLANKS)) for each in value.split(","))
    return tuple(dict.fromkeys(match[1].lower().rstrip(".") for match in found if match))


def _errors(tags: TagList) -> Iterator[str]:
    if tags.first() != "v" or tags.get("v") != VERSION:
        yield "v=DMARC1 has to stand first, written exactly so"
    if "p" not in tags:
        yield "p= with the policy is missing"
    elif not _policy(tags, "p"):
        yield f"p={tags.get('p')} is no policy: there are only none, quarantine and reject"
    if "sp" in tags and not _policy(tags, "sp"):
        yield f"sp={tags.get('sp')} is no policy: there are only none, quarantine and reject"


# --- other policies, and whom they concern -------------------------------------------------------------------
def strengthened(found: Policy, policy: str) -> str:
    """A record with another policy, for all mail and all subdomains; what else it says stays."""
    kept = [(name, value) for name, value in found.tags.tags if name not in ("v", "p", "sp", "pct")]
    return taglists.rendered([("v", VERSION), ("p", policy), *kept])


def reporting(text: str, address: str) -> str:
    """A record that sends the daily reports to an address of the domain."""
    kept = [(name, value) for name, value in taglists.parse(text).tags if name != "rua"]
    return taglists.rendered([*kept, ("rua", f"mailto:{address}")])


def foreign_reports(found: Policy, domain: str) -> tuple[str, ...]:
    """Names where other domains have to agree to get this one's reports (RFC 7489 §7.1)."""
    return tuple(f"{domain}._report._dmarc.{each}" for each in found.reports if not _related(each, domain))


def _related(one: str, other: str) -> bool:
    # Really of one organisation; the list of public suffixes that would tell is not at hand.
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
