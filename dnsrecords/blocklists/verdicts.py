"""What the answers of a blocklist say about an address or a domain, and whether the list can be believed. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dnsrecords.answers import Answer, Outcome
from dnsrecords.blocklists.lists import Blocklist, Refusal
from dnsrecords.faults import failed

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class State(StrEnum):
    """What is known."""

    CLEAR = "clear"
    LISTED = "listed"
    #: The list answers, but not this resolver.
    REFUSED = "refused"
    #: The list does not work: it lists everything, or not even its test entry.
    BROKEN = "broken"
    #: No answer.
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a list says.

    Attributes:
        reason: why it lists the subject, or why it says nothing; without a full stop.
    """

    state: State
    reason: str = ""


_REFUSED = {
    Refusal.PUBLIC_RESOLVER: "it does not answer public resolvers, or resolvers whose address has a generic name",
    Refusal.TOO_MANY_QUERIES: "too many queries came from this node's resolver",
    Refusal.BLOCKED: "it blocks this node's resolver, usually because too many others use it",
    Refusal.WRONG_QUERY: "it says that the query was wrong",
    Refusal.REWRITTEN: "this node's resolver replaces the answers of DNS",
}


def questions(blocklist: Blocklist, subjects: Sequence[str]) -> dict[str, str]:
    """Subject → the name to ask for; with the two test entries."""
    return {each: blocklist.question(each) for each in (blocklist.listed, blocklist.clear, *subjects)}


def judge(blocklist: Blocklist, subject: str, answers: Mapping[str, Answer]) -> Verdict:
    """What the list says about a subject; believed only if it has its test entry, and not the other.

    Args:
        answers: by subject, with those of the test entries.
    """
    test, never = answers[blocklist.listed], answers[blocklist.clear]
    for answer in (answers[subject], test, never):
        if refusal := _refusal(blocklist, answer):
            return Verdict(State.REFUSED, _REFUSED[refusal])
    if failed(test.outcome) or failed(never.outcome) or failed(answers[subject].outcome):
        refused = Outcome.REFUSED in (test.outcome, answers[subject].outcome)
        return Verdict(State.SILENT, "its name servers refuse to answer" if refused else "it does not answer")
    if _codes(never):
        return Verdict(State.BROKEN, "everything is listed, even the test entry that must not be")
    if not _codes(test):
        return Verdict(State.BROKEN, "the test entry is missing, so an empty answer proves nothing")
    codes = _codes(answers[subject])
    return Verdict(State.LISTED, _reasons(blocklist, codes)) if codes else Verdict(State.CLEAR)


def _refusal(blocklist: Blocklist, answer: Answer) -> Refusal | None:
    for value in answer.values:
        if value in blocklist.refusals:
            return blocklist.refusals[value]
        if not _is_code(value):
            return Refusal.REWRITTEN
    return None


def _codes(answer: Answer) -> list[str]:
    return [value for value in answer.values if _is_code(value)]


def _is_code(value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in _LOOPBACK
    except ValueError:
        return False


def _reasons(blocklist: Blocklist, codes: Sequence[str]) -> str:
    if blocklist.bits:
        octets = [int(code.rpartition(".")[2]) for code in codes]
        known = [text for bit, text in blocklist.bits.items() if any(octet & bit for octet in octets)]
    else:
        known = [
            blocklist.codes[code]
            for code in sorted(codes, key=ipaddress.ip_address)
            if code in blocklist.codes
        ]
    return ", ".join(dict.fromkeys(known)) or f"code {', '.join(sorted(codes))}"
