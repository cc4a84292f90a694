"""DMARC policies: taken apart after RFC 7489 §6.3, and compared with the one that is wanted. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.text import taglists
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer
    from dnsrecords.records.build import Record
    from dnsrecords.text.taglists import TagList

#: From weak to strong.
POLICIES = ("none", "quarantine", "reject")
VERSION = "DMARC1"
_REPORTS_TO = re.compile(r"mailto:[^@\s,!;]+@([^@\s,!;]+)(?:![0-9]+[kmgt]?)?", re.IGNORECASE)
#: What receivers look for before they read any further (RFC 7489 §6.6.3).
_IS_POLICY = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)")
_LOOKS_LIKE_A_POLICY = re.compile(
    r"\bv[ \t]*=[ \t]*dmarc|\bp[ \t]*=[ \t]*(none|quarantine|reject)", re.IGNORECASE
)


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


# --- the comparison ----------------------------------------------------------------------------------------
def judge(record: Record, answer: Answer) -> Verdict:
    """Whether a policy is published that is at least as strong as the wanted one; the look-up went well."""
    policies = tuple(value for value in answer.values if is_policy(value))
    if not policies:
        return _none(record, answer)
    if len(policies) > 1:
        return Verdict(Status.MISMATCH, _several(len(policies)), policies)
    found = parse(policies[0])
    if found.errors:
        message = f"Receivers ignore the policy or take it as none, because {found.errors[0]}. Correct this."
        return Verdict(Status.MISMATCH, message, policies)
    weaker = _weaker(parse(record.value), found)
    if weaker:
        return Verdict(Status.MISMATCH, weaker, policies, _strong_enough(record, found))
    return Verdict(Status.OK, _remark(record, found), policies)


def _several(count: int) -> str:
    return (
        f"There are {count} DMARC policies, so that receivers heed none of them (RFC 7489 §6.6.3). "
        "Keep one, and delete the others."
    )


def _none(record: Record, answer: Answer) -> Verdict:
    tries = tuple(value for value in answer.values if _LOOKS_LIKE_A_POLICY.search(value))
    if tries:
        message = (
            f"Receivers do not recognise the record as a DMARC policy: {_why(tries[0])}. "
            "Replace it by the value given here."
        )
        return Verdict(Status.MISMATCH, message, tries)
    if answer.values:
        message = (
            f"What is published there is no DMARC policy: {taglists.shown(answer.values[0])}. Add the TXT record given "
            "here; text from a wildcard record (*) then no longer appears under this name."
        )
        return Verdict(Status.MISMATCH, message, answer.values)
    where = f" ({record.name} is a CNAME to {answer.cname})" if answer.cname else ""
    message = (
        f"No DMARC policy is published at {record.name}{where}, so anybody can write in the name of this domain, "
        "and large providers may refuse its mail. Add the TXT record."
    )
    return Verdict(Status.MISSING, message)


def _why(text: str) -> str:
    if re.match(r"v[ \t]*=[ \t]*DMARC1[ \t]", text):
        return "a semicolon has to follow v=DMARC1"
    return next(iter(parse(text).errors), "v=DMARC1 has to stand first")


def _weaker(wanted: Policy, found: Policy) -> str:
    """In what a policy is weaker than the wanted one, with the way there; empty: in nothing."""
    least = POLICIES.index(wanted.policy)
    if POLICIES.index(found.policy) < least:
        return (
            f"The policy p={found.policy} only watches: forged mail still arrives. That is the first stage of "
            f"none → quarantine → reject; when the reports show that your own mail passes, go on to p={wanted.policy}."
        )
    if found.percent < 100:
        return f"The tag pct={found.percent} spares a part of the forged mail from the policy. Delete the tag pct=."
    if POLICIES.index(found.subdomains) < least:
        return (
            f"The tag sp={found.subdomains} leaves subdomains to forgers, while the domain itself is protected. "
            "Delete the tag sp=."
        )
    return ""


def _strong_enough(record: Record, found: Policy) -> str:
    """The published record, with nothing in it that is weaker than what is wanted."""
    return strengthened(found, max(found.policy, parse(record.value).policy, key=POLICIES.index))


def _remark(record: Record, found: Policy) -> str:
    if POLICIES.index(found.policy) > POLICIES.index(parse(record.value).policy):
        return (
            f"The policy p={found.policy} is stronger than the one given here, and may stay: mail that was changed on "
            "its way, as by mailing lists, is then refused rather than put into spam."
        )
    if not found.reports:
        return "No address for reports (rua=) is named, so you will not hear when others forge or refuse your mail."
    return ""


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
