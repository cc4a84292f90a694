"""What each list's documented answers mean, and when a list is not believed."""

from __future__ import annotations

import pytest

from dnsrecords.answers import Answer, Outcome
from dnsrecords.blocklists import verdicts
from dnsrecords.blocklists.lists import BY_KEY, LISTS, Blocklist
from dnsrecords.blocklists.verdicts import State, Verdict


def answer(*values: str, outcome: Outcome | None = None) -> Answer:
    return Answer("x", "A", outcome or (Outcome.FOUND if values else Outcome.NXDOMAIN), values)


def judged(key: str, *values: str, test: Answer | None = None, never: Answer | None = None) -> Verdict:
    """What the list says of a subject for which it answers these, while it works as it should."""
    blocklist = BY_KEY[key]
    subject = "example.com" if blocklist.domains else "192.0.2.1"
    answers = {
        blocklist.listed: test or answer("127.0.0.2"),
        blocklist.clear: never or answer(),
        subject: answer(*values),
    }
    return verdicts.judge(blocklist, subject, answers)


@pytest.mark.parametrize(
    ("key", "values", "reason"),
    [
        ("spamhaus", ["127.0.0.2"], "SBL"), ("spamhaus", ["127.0.0.3"], "CSS"), ("spamhaus", ["127.0.0.4"], "XBL"),
        ("spamhaus", ["127.0.0.10"], "PBL: the provider"), ("spamhaus", ["127.0.0.11"], "PBL: Spamhaus"),
        ("spamhaus", ["127.0.0.11", "127.0.0.4"], "XBL: infected or open to abuse, PBL"),
        ("spamhaus", ["127.0.0.77"], "code 127.0.0.77"),
        ("barracuda", ["127.0.0.2"], "spam"), ("spamcop", ["127.0.0.2"], "reported"), ("psbl", ["127.0.0.2"], "trap"),
        ("dbl", ["127.0.1.4"], "phishing"), ("dbl", ["127.0.1.102"], "legitimate"),
        ("surbl", ["127.0.0.8"], "phishing"), ("surbl", ["127.0.0.80"], "malware, spam"),
        ("surbl", ["127.0.0.128"], "broken into"), ("surbl", ["127.0.0.32"], "code 127.0.0.32"),
        ("uribl", ["127.0.0.2"], "black"), ("uribl", ["127.0.0.6"], "grey"),
    ],
)  # fmt: skip
def test_a_listing_has_its_reason(key: str, values: list[str], reason: str) -> None:
    found = judged(key, *values)
    assert found.state is State.LISTED and reason in found.reason


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("spamhaus", "127.255.255.254", "public resolvers"), ("spamhaus", "127.255.255.255", "too many queries"),
        ("spamhaus", "127.255.255.252", "query was wrong"), ("dbl", "127.255.255.254", "public resolvers"),
        ("dbl", "127.0.1.255", "query was wrong"), ("surbl", "127.0.0.1", "blocks this node's resolver"),
        ("uribl", "127.0.0.1", "blocks this node's resolver"), ("spamcop", "198.51.100.7", "replaces the answers"),
        ("psbl", "10.0.0.1", "replaces the answers"),
    ],
)  # fmt: skip
def test_refused_because_of_the_resolver_is_not_listed(key: str, value: str, reason: str) -> None:
    for found in (judged(key, value), judged(key, test=answer(value)), judged(key, never=answer(value))):
        assert found.state is State.REFUSED and reason in found.reason


@pytest.mark.parametrize("blocklist", LISTS, ids=lambda blocklist: blocklist.key)
def test_a_list_is_believed_only_if_it_passes_the_tests_of_rfc_5782(blocklist: Blocklist) -> None:
    code = "127.0.0.2"
    assert judged(blocklist.key).state is State.CLEAR
    assert "everything" in judged(blocklist.key, code, never=answer(code)).reason
    assert judged(blocklist.key, code, test=answer()).state is State.BROKEN
    assert judged(blocklist.key, test=answer()).state is State.BROKEN
    for outcome in (Outcome.TIMEOUT, Outcome.SERVFAIL, Outcome.REFUSED, Outcome.UNASKED, Outcome.NO_SERVER):
        assert judged(blocklist.key, code, test=answer(outcome=outcome)).state is State.SILENT


@pytest.mark.parametrize(
    ("key", "subject", "name"),
    [
        ("spamhaus", "192.0.2.1", "1.2.0.192.zen.spamhaus.org"),
        ("spamhaus", "2001:db8::1", f"1.{'0.' * 23}8.b.d.0.1.0.0.2.zen.spamhaus.org"),
        ("dbl", "example.com", "example.com.dbl.spamhaus.org"),
    ],
)
def test_names_are_those_of_rfc_5782(key: str, subject: str, name: str) -> None:
    assert BY_KEY[key].question(subject) == name and BY_KEY[key].takes(subject)


def test_lists_get_only_what_they_can_have() -> None:
    assert not BY_KEY["spamcop"].takes("2001:db8::1") and not BY_KEY["spamcop"].takes("example.com")
    assert not BY_KEY["dbl"].takes("192.0.2.1") and not BY_KEY["dbl"].takes("2001:db8::1")
    assert len(LISTS) == len(BY_KEY) == 7
