"""Records that are not at their name: a CNAME in the place of each, and wildcards that answer for it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dnsrecords.answers import Answer, Outcome, ServerAnswer
from dnsrecords.dkim import judge as dkim
from dnsrecords.judging import detours
from dnsrecords.judging.judge import judge
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.judging.test_judge import FULL, zone_of
from tests.dnsrecords.mistakes import key_pair, record_of
from tests.dnsrecords.zonelookups import nothing

THERE = "record.vendor.example"
LOOKUP = zone_of(lambda _: True)
#: Those in whose place a CNAME record can stand, and where it is for us to say what to do about it.
BESIDE = [record for record in wanted(FULL) if record.type != "CNAME" and record.kind not in ("ptr",)]


def behind(record: Record, *values: str, outcome: Outcome | None = None) -> Verdict:
    outcome = outcome or (Outcome.FOUND if values else Outcome.NXDOMAIN)
    return judge(record, FULL, Answer(*record.question, outcome, values, 300, THERE), LOOKUP)


def wrong_value(record: Record) -> str:
    return {"MX": "10 mx.other.example", "A": "192.0.2.99", "AAAA": "2001:db8::99"}.get(
        record.type, "1 1 1 other.example"
    )


# --- CNAME records -----------------------------------------------------------------------------------------
def test_every_record_that_is_right_behind_a_cname_is_right() -> None:
    for record in BESIDE:
        if record.type not in ("A", "AAAA"):  # RFC 2181 §10.3
            assert behind(record, record.value.rstrip(".")).ok, record.id


def test_every_record_that_is_wrong_behind_a_cname_names_it_and_both_ways_out() -> None:
    for record in BESIDE:
        for values in ((), (wrong_value(record),), ("v=nonsense",)):
            if values == ("v=nonsense",) and record.type != "TXT":
                continue
            verdict = behind(record, *values)
            assert not verdict.ok, (record.id, values)
            assert f"is a CNAME to {THERE}" in verdict.message, (record.id, values)
            assert "elete the CNAME" in verdict.message, (record.id, values)
            if record.type not in ("A", "AAAA"):
                assert "Have the" in verdict.message or "have the record changed there" in verdict.message
            # It cannot be added before the CNAME is gone.
            assert verdict.status is not Status.MISSING or not re.search(
                r"\. (Add|Publish) ", verdict.message
            )


def test_a_look_up_that_fails_behind_a_cname_blames_whom_it_leads_to() -> None:
    for record in BESIDE:
        verdict = behind(record, outcome=Outcome.SERVFAIL)
        assert verdict.status is Status.ERROR
        if record.type not in ("A", "AAAA"):
            assert f"The name servers of {THERE} fail" in verdict.message
            assert f"{record.name} is a CNAME to {THERE}" in verdict.message


def test_the_name_of_an_address_may_be_behind_a_cname() -> None:
    # RFC 2317: that is how providers delegate single addresses, and deleting it would end that.
    pointer = record_of(FULL, "ptr")
    assert behind(pointer, "mail.example.com").ok
    assert "CNAME" not in behind(pointer, "other.example").message + behind(pointer).message


def test_below_a_dname_record_that_is_said_instead() -> None:
    record = record_of(FULL, "dmarc")
    answer = Answer(*record.question, Outcome.NXDOMAIN, (), 300, THERE, dname="example.com")
    message = judge(record, FULL, answer, LOOKUP).message
    assert f"leads to {THERE} by the DNAME record at example.com" in message and "CNAME" not in message


@pytest.mark.parametrize(
    "published",
    [
        "v=DKIM1; k=rsa; t=y; p={key}",
        "v=DKIM1; k=rsa; p=",
        "v=DKIM1; k=rsa; p={other}",
        "v=DKIM1; k=rsa; p={private}",
        "v=DKIM1; k=ed25519; p={key}",
        "v=DKIM1; h=sha1; p={key}",
        "v=DKIM1; s=tlsrpt; p={key}",
        "v=DKIM2; p={key}",
        "v=DKIM1; k=rsa",
        "hello",
        '"v=DKIM1; p={key}"',
    ],
)
def test_each_fault_of_a_key_is_the_same_behind_a_cname(published: str) -> None:
    record = record_of(FULL, "dkim")
    text = published.format(key=dkim.parse(record.value).key, other=key_pair(3)[0], private=key_pair()[1])
    direct = judge(record, FULL, Answer(*record.question, Outcome.FOUND, (text,), 300), LOOKUP)
    verdict = behind(record, text)
    assert not direct.ok and verdict.message.startswith(direct.message)
    assert (verdict.status, verdict.found) == (direct.status, direct.found)
    assert f"is a CNAME to {THERE}: have the record changed there, or delete the CNAME" in verdict.message


def test_two_keys_behind_a_cname_are_two_keys() -> None:
    record = record_of(FULL, "dkim")
    assert "2 TXT records" in behind(record, record.value, f"p={key_pair(3)[0]}").message


# --- wildcards ---------------------------------------------------------------------------------------------
def lent(record: Record, *values: str, cname: str = "") -> Verdict:
    outcome = Outcome.FOUND if values else Outcome.NXDOMAIN
    answer = Answer(*record.question, outcome, values, 300, cname, wildcard=tuple(sorted(values)))
    return judge(record, FULL, answer, LOOKUP)


def test_what_a_wildcard_answers_is_not_at_the_name_whatever_it_is() -> None:
    for record in wanted(FULL):
        if record.type == "PTR":
            continue
        for values, cname in (((wrong_value(record),), ""), ((), THERE), (("v=spf1 -all",), "")):
            if values == ("v=spf1 -all",) and record.type != "TXT":
                continue
            verdict = lent(record, *values, cname=cname)
            if verdict.ok:  # an SPF record may authorise us from wherever it comes
                continue
            assert verdict.status is Status.MISSING and verdict.found == (), record.id
            assert "from a wildcard record (*), which you can keep" in verdict.message, record.id
            assert re.search("Add |Publish ", verdict.message) and "elete" not in verdict.message, record.id
            assert "CNAME to" not in verdict.message and "Replace" not in verdict.message, record.id


def test_what_a_wildcard_answers_rightly_is_right() -> None:
    for record in wanted(FULL):
        if record.type not in ("PTR",):
            assert lent(record, record.value.rstrip(".") if record.type != "TXT" else record.value).ok


def test_senders_that_a_wildcard_authorises_are_kept() -> None:
    verdict = lent(record_of(FULL, "spf"), "v=spf1 ip4:198.51.100.7 -all")
    assert verdict.status is Status.MISSING and verdict.advice == "v=spf1 ip4:198.51.100.7 mx -all"


def test_a_server_that_has_the_record_already_is_not_the_wildcard() -> None:
    record = record_of(FULL, "dkim")
    servers = (
        ServerAnswer("ns1.example", "192.0.2.1", Outcome.FOUND, (record.value,), 60),
        ServerAnswer("ns2.example", "192.0.2.2", Outcome.FOUND, ("v=spf1 -all",), 60),
    )
    answer = Answer(*record.question, Outcome.FOUND, (record.value,), 60, servers=servers)
    message = judge(record, FULL, replace(answer, wildcard=("v=spf1 -all",)), LOOKUP).message
    assert "seen on 1 of 2 name servers" in message and "from a wildcard record (*)" in message


def test_nobody_has_the_names_beside_and_below() -> None:
    assert detours.unused_names("_dmarc.example.com", "example.com", "x1") == (
        "x1.example.com",
        "x1._dmarc.example.com",
    )
    too_long = ".".join(["a" * 63] * 3 + ["b" * 50])
    for name, zone in (("example.com", "example.com"), ("example.com", ""), ("com", "com"), (too_long, "")):
        assert detours.unused_names(name, zone, "x" * 20) == (), name
    assert detours.unused_names("mail1.example.com", "example.com", "x")


def test_a_wildcard_answers_beside_and_below_alike() -> None:
    def answer(*values: str, cname: str = "", dname: str = "") -> Answer:
        found = Outcome.FOUND if values else Outcome.NO_DATA
        return Answer("x.example.com", "TXT", found, values, cname=cname, dname=dname)

    assert detours.is_wildcard(answer("a", "b"), answer("b", "a"))
    assert detours.is_wildcard(answer(cname=THERE), answer("a", cname=THERE))
    assert not detours.is_wildcard(answer("a"), answer())  # the name exists: nothing answers below it
    assert not detours.is_wildcard(answer(), answer("a"))  # the wildcard is below the name only
    assert not detours.is_wildcard(answer("a"), answer("b"))
    assert not detours.is_wildcard(answer("a", cname=THERE), answer("a"))
    below = answer("a", cname=THERE, dname="example.com")
    assert not detours.is_wildcard(below, below)
    assert not detours.is_wildcard(nothing("x", "TXT"), nothing("x", "TXT"))
