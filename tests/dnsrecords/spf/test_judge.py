"""The judgement of a domain's SPF record: each way to get it wrong has its status, sentence and record to paste."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Outcome
from dnsrecords.spf.judge import judge
from dnsrecords.spf.terms import parse
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.spfzones import Zone, lookup_in

OURS = ("203.0.113.25",)
WANTED = "v=spf1 mx ~all"
RELAYED = "v=spf1 mx include:mailgun.org ~all"
NODE: Zone = {
    "example.com MX": "10 mail.example.com",
    "mail.example.com A": "203.0.113.25",
    "mailgun.org TXT": ("verify=1", "v=spf1 include:_spf.mailgun.org ~all"),
    "_spf.mailgun.org TXT": "v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.128/25 ~all",
    "_spf.google.example TXT": "v=spf1 ip4:100.64.0.0/10 ~all",
}


def judged(*texts: str, wanted: str = WANTED, own: tuple[str, ...] = OURS, **zone: object) -> Verdict:
    extra = {key.replace("__", " ").replace("_dot_", "."): value for key, value in zone.items()}
    return judged_in(extra, *texts, wanted=wanted, own=own)  # type: ignore[arg-type]


def judged_in(zone: Zone, *texts: str, wanted: str = WANTED, own: tuple[str, ...] = OURS) -> Verdict:
    lookup = lookup_in(NODE, {"example.com TXT": texts} if texts else {}, zone)
    include = "mailgun.org" if "mailgun" in wanted else ""
    return judge("example.com", texts, lookup, wanted=wanted, own_ips=own, relay_include=include)


# --- right -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("own", [OURS, ()])
def test_the_record_as_it_is_wanted_is_right(own: tuple[str, ...]) -> None:
    for text in (WANTED, "v=spf1 mx ~all ", "V=SPF1 +MX ~ALL"):
        assert judged(text, "verify=1", own=own) == Verdict(Status.OK, "", (text,), "")


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 mx -all",
        "v=spf1 ip4:203.0.113.25 -all",
        "v=spf1 ip4:203.0.113.0/24 ~all",
        "v=spf1 a:mail.example.com ~all",
        "v=spf1 include:_spf.google.example mx ~all",
        "v=spf1 mx redirect=_spf.google.example",
    ],
)
def test_a_record_that_authorises_this_node_is_right_and_stays(text: str) -> None:
    assert judged(text) == Verdict(Status.OK, "", (text,), text)


@pytest.mark.parametrize(
    "text",
    [
        RELAYED,
        "v=spf1 include:mailgun.org mx -all",
        "v=spf1 mx include:_spf.mailgun.org ~all",
        "v=spf1 mx ip4:198.51.100.0/24 ip4:192.0.2.0/24 ~all",
        "v=spf1 include:all.example.com ~all",
    ],
)
def test_a_relay_may_be_authorised_in_any_way(text: str) -> None:
    zone = {"all.example.com TXT": "v=spf1 mx:example.com include:mailgun.org -all"}
    assert judged_in(zone, text, wanted=RELAYED).status is Status.OK


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        (
            "v=spf1 mx include=x.example ~all",
            'Receivers ignore "include=x.example". "include:x.example" was',
        ),
        ("v=spf1 mx ~all include:_spf.google.example", "comes after the all"),
        ("v=spf1 mx a:mail.example.com " + "a:mail.example.com " * 7 + "~all", "needs 9 of the 10"),
    ],
)
def test_what_is_odd_but_works_gets_a_remark(text: str, remark: str) -> None:
    verdict = judged(text)
    assert verdict.status is Status.OK
    assert remark in verdict.message


# --- missing -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("texts", [(), ("verify=1", "v=spf10 mx", "v=DMARC1; p=none")])
def test_no_record_is_missing(texts: tuple[str, ...]) -> None:
    verdict = judged(*texts)
    assert (verdict.status, verdict.found, verdict.advice) == (Status.MISSING, (), "")
    assert "There is no SPF record at example.com" in verdict.message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('"v=spf1 include:_spf.google.example ~all"', "quotes"),
        ("v=spf1; include:_spf.google.example ~all", "does not begin with v=spf1 and a space"),
        (" v=spf1 include:_spf.google.example ~all", "space"),
        ("spf1 include:_spf.google.example ~all", "does not begin"),
    ],
)
def test_what_was_meant_to_be_a_record_is_told_why_it_is_none(text: str, part: str) -> None:
    verdict = judged(text)
    assert (verdict.status, verdict.found) == (Status.MISMATCH, (text,))
    assert part in verdict.message
    assert verdict.advice == "v=spf1 include:_spf.google.example mx ~all"


# --- wrong -------------------------------------------------------------------------------------------------
OTHERS: Zone = {
    "broken.example TXT": "v=spf1 moo -all",
    "open.example TXT": "v=spf1 +all",
    "loose.example TXT": "v=spf1 ip4:192.0.2.77 ?all",
}
BAD = [
    ("v=spf1 a:g.example -all", "does not authorise 203.0.113.25", "v=spf1 a:g.example mx -all"),
    ("v=spf1 -all", '"-all" decides', "v=spf1 mx -all"),
    ("v=spf1 mx +all", '"+all" lets anyone', ""),
    ("v=spf1 mx ip4:0.0.0.0/0 ~all", '"ip4:0.0.0.0/0" lets anyone', ""),
    ("v=spf1 mx ?all", 'ends in "?all"', ""),
    ("v=spf1 mx", "does not end in an all", ""),
    ("v=spf1 ?mx ~all", '"?mx" decides', ""),
    ("v=spf1 ~all mx", '"~all" decides', ""),
    ("v=spf1 -ip4:203.0.113.25 mx -all", '"-ip4:203.0.113.25" decides', "v=spf1 mx -ip4:203.0.113.25 -all"),
    ("v=spf1 mx moo ~all", '"moo" is not an SPF mechanism', ""),
    ("v=spf1 mx ipv4:192.0.2.9 ~all", '"ip4:192.0.2.9" was probably meant', "v=spf1 mx ip4:192.0.2.9 ~all"),
    ("v=spf1 mx include:gone.example ~all", "without an SPF record", ""),
    ("v=spf1 mx include:broken.example ~all", "broken.example", ""),
    ("v=spf1 mx a:n1.example a:n2.example a:n3.example ~all", "3 names that DNS does not have", ""),
    ("v=spf1 mx redirect=gone.example", "names a domain without an SPF record", ""),
    ("v=spf1 mx redirect=open.example", "lets anyone", ""),
    ("v=spf1 mx redirect=loose.example", "does not end in -all", "v=spf1 mx include:loose.example ~all"),
    ("v=spf1 mx include:open.example ~all", '"include:open.example" lets anyone', ""),
]


@pytest.mark.parametrize(("text", "part", "advice"), BAD)
def test_a_wrong_record_has_a_sentence_and_a_better_one(text: str, part: str, advice: str) -> None:
    verdict = judged_in(OTHERS, text)
    assert (verdict.status, verdict.found) == (Status.MISMATCH, (text,))
    assert part in verdict.message
    assert verdict.advice == advice
    for wanted in (WANTED, RELAYED):  # what is offered is right
        better = judged_in(OTHERS, text, wanted=wanted).advice or wanted
        assert judged_in(OTHERS, better, wanted=wanted).status is Status.OK


# --- nothing gets lost -------------------------------------------------------------------------------------
SPF_TEST: Zone = {f"{name}.spf.test TXT": "v=spf1 ip4:198.51.100.1 ~all" for name in "abc"}


@pytest.mark.parametrize(
    ("text", "part", "advice"),
    [
        (
            "v=spf1 include:a.spf.test include:b.spf.test~all",
            '"include:b.spf.test ~all" was probably meant instead of "include:b.spf.test~all"',
            "v=spf1 include:a.spf.test include:b.spf.test mx ~all",
        ),
        (
            "v=spf1 mx include:include:b.spf.test ~all",
            '"include:b.spf.test"',
            "v=spf1 mx include:b.spf.test ~all",
        ),
        ("v=spf1 mx a.spf.test redirect=b.spf.test", '"a.spf.test" is not', "v=spf1 mx redirect=b.spf.test"),
        ("v=spf1 moo redirect=b.spf.test ~all", '"moo" is not', "v=spf1 mx ~all redirect=b.spf.test"),
    ],
)
def test_a_slip_with_one_reading_is_mended_in_what_is_given(text: str, part: str, advice: str) -> None:
    verdict = judged_in(SPF_TEST, text)
    assert (verdict.status, verdict.advice) == (Status.MISMATCH, advice)
    assert part in verdict.message


@pytest.mark.parametrize(
    ("texts", "left_out"),
    [
        (
            ("v=spf1 ip4:198.51.100.7/33 include:a.spf.test ~all",),
            '"ip4:198.51.100.7/33" has a prefix length',
        ),
        (
            ("v=spf1 include:a.spf.test include:gone.spf.test ~all",),
            '"include:gone.spf.test" names a domain without',
        ),
        (
            ("v=spf1 include:a.spf.test include:open.example ~all",),
            '"include:open.example" lets anyone',
        ),
        (
            ("v=spf1 include:a.spf.test include:broken.example ~all",),
            '"include:broken.example" names a record',
        ),
        (
            ("v=spf1 a:n1.example a:n2.example a:n3.example ~all",),
            '"a:n2.example" names something that does not exist in DNS',
        ),
        (("v=spf1 mx redirect=gone.spf.test",), '"redirect=gone.spf.test" names a domain without'),
        (
            ("v=spf1 a.spf.test ~all", "v=spf1 ip4:198.51.100.7/33 -all"),
            '"ip4:198.51.100.7/33" has a prefix length',
        ),
        (("v=spf1; ip4:198.51.100.7/33 ~all",), '"ip4:198.51.100.7/33" has a prefix length'),
        (
            ("v=spf1 mx ~all b", "v=spf1; ip4:198.51.100.7/33 ~all"),
            '"ip4:198.51.100.7/33" has a prefix length',
        ),
    ],
)
def test_what_is_left_out_is_named_with_the_reason(texts: tuple[str, ...], left_out: str) -> None:
    verdict = judged_in({**OTHERS, **SPF_TEST}, *texts)
    assert verdict.status is Status.MISMATCH
    assert any(each.startswith(left_out) for each in verdict.left_out)
    assert left_out in verdict.message


def test_what_nothing_is_wrong_with_leaves_nothing_out() -> None:
    for text in (WANTED, "v=spf1 include:a.spf.test -all", "v=spf1 ip4:198.51.100.7 ?all"):
        assert judged_in(SPF_TEST, text).left_out == ()


def test_several_records_keep_the_senders_behind_a_redirect() -> None:
    verdict = judged_in(SPF_TEST, "v=spf1 redirect=b.spf.test", "v=spf1 include:a.spf.test -all")
    assert verdict.advice == "v=spf1 include:a.spf.test mx include:b.spf.test -all"


def test_beside_a_right_record_another_that_nobody_recognises_is_told_and_kept() -> None:
    verdict = judged_in(SPF_TEST, WANTED, "spf1 include:b.spf.test ~all")
    assert (verdict.status, verdict.found) == (Status.OK, (WANTED,))
    assert "do not recognise another text" in verdict.message
    assert verdict.advice == "v=spf1 mx include:b.spf.test ~all"
    wrong = judged_in(SPF_TEST, "v=spf1 -all", "spf1 include:b.spf.test ~all")
    assert wrong.advice == "v=spf1 include:b.spf.test mx ~all"


def test_what_stands_after_the_all_is_given_before_it() -> None:
    verdict = judged_in(SPF_TEST, "v=spf1 mx ~all include:b.spf.test")
    assert (verdict.status, verdict.advice) == (Status.OK, "v=spf1 mx include:b.spf.test ~all")


def test_several_records_become_one() -> None:
    verdict = judged("v=spf1 include:_spf.google.example ~all", "v=spf1 mx ~all")
    assert (verdict.status, len(verdict.found)) == (Status.MISMATCH, 2)
    assert "There are 2 SPF records" in verdict.message
    assert verdict.advice == "v=spf1 include:_spf.google.example mx ~all"


def test_a_relay_that_is_missing_is_named() -> None:
    verdict = judged("v=spf1 mx ~all", wanted=RELAYED)
    assert verdict.status is Status.MISMATCH
    assert '"include:mailgun.org" is missing' in verdict.message
    assert verdict.advice == ""


def test_a_part_of_the_relay_is_not_the_relay() -> None:
    verdict = judged("v=spf1 mx ip4:198.51.100.0/24 ~all", wanted=RELAYED)
    assert '"include:mailgun.org" is missing' in verdict.message
    assert verdict.advice == "v=spf1 mx ip4:198.51.100.0/24 include:mailgun.org ~all"


# --- mail hosts --------------------------------------------------------------------------------------------
def test_an_mx_without_mail_hosts_waits_for_the_other_record() -> None:
    verdict = judged_in({"example.com MX": Outcome.NO_DATA}, WANTED)
    assert (verdict.status, verdict.advice) == (Status.MISMATCH, "")
    assert "Publish the MX record" in verdict.message


def test_while_others_take_the_mail_this_node_stands_in_it_by_address() -> None:
    elsewhere = {"example.com MX": "1 mx.google.example", "mx.google.example A": "100.64.0.1"}
    verdict = judged_in(elsewhere, "v=spf1 include:_spf.google.example -all")
    assert verdict.advice == "v=spf1 include:_spf.google.example mx ip4:203.0.113.25 -all"
    assert judged_in(elsewhere, verdict.advice).status is Status.OK


def test_an_address_that_the_mail_host_lacks_is_added() -> None:
    verdict = judged(WANTED, own=(*OURS, "2001:db8::25"))
    assert "2001:db8::25" in verdict.message
    assert verdict.advice == "v=spf1 mx ip6:2001:db8::25 ~all"


# --- behind another address --------------------------------------------------------------------------------
def behind_another(text: str, wanted: str = WANTED) -> Verdict:
    lookup = lookup_in(NODE, {"example.com TXT": text, "mail.example.com A": "10.0.0.5"})
    include = "mailgun.org" if "mailgun" in wanted else ""
    return judge(
        "example.com", (text,), lookup, wanted=wanted, own_ips=(), relay_include=include, hidden=True
    )


def test_an_address_that_nobody_sees_is_not_held_against_a_record() -> None:
    verdict = behind_another("v=spf1 ip4:203.0.113.9 -all")
    assert verdict.ok
    assert "is unknown" in verdict.message and "QUAZZAR_PUBLIC_ADDRESSES" in verdict.message
    assert "10.0.0.5" not in verdict.message + verdict.advice
    assert behind_another(WANTED) == Verdict(Status.OK, "", (WANTED,), "")


def test_whoever_the_address_is_of_a_record_that_lets_nobody_send_is_wrong() -> None:
    for text in ("v=spf1 -all", "v=spf1 include:mailgun.org -all"):
        assert behind_another(text, RELAYED).status is Status.MISMATCH
    assert "include:mailgun.org" in behind_another("v=spf1 ip4:203.0.113.9 -all", RELAYED).message


# --- limits ------------------------------------------------------------------------------------------------
def including(count: int) -> tuple[str, Zone]:
    names = [f"s{number}.example" for number in range(count)]
    zone: Zone = {f"{name} TXT": f"v=spf1 ip4:192.0.2.{number} ~all" for number, name in enumerate(names)}
    return " ".join(f"include:{name}" for name in names), zone


def test_a_record_that_asks_too_much_is_told_what_costs_most() -> None:
    terms, zone = including(10)
    zone = {**zone, "s3.example TXT": "v=spf1 include:s1.example include:s2.example ~all"}
    verdict = judged_in(zone, f"v=spf1 mx {terms} ~all")
    assert verdict.status is Status.MISMATCH
    assert "needs 13 look-ups" in verdict.message
    assert '"include:s3.example" (3)' in verdict.message


def test_one_look_up_too_many_is_saved_by_naming_our_address() -> None:
    terms, zone = including(10)
    verdict = judged_in(zone, f"v=spf1 mx {terms} ~all")
    assert "needs 11 look-ups" in verdict.message
    assert verdict.advice == f"v=spf1 {terms} ip4:203.0.113.25 ~all"
    assert judged_in(zone, verdict.advice).status is Status.OK


def test_ours_as_the_eleventh_look_up_goes_in_by_address() -> None:
    terms, zone = including(10)
    verdict = judged_in(zone, f"v=spf1 {terms} ~all")
    assert "does not authorise 203.0.113.25" in verdict.message
    assert verdict.advice == f"v=spf1 {terms} ip4:203.0.113.25 ~all"


def test_a_relay_as_the_eleventh_look_up_says_what_to_give_up() -> None:
    terms, zone = including(8)
    verdict = judged_in(zone, f"v=spf1 a:mail.example.com mx {terms} ~all", wanted=RELAYED)
    assert '"include:mailgun.org" is missing' in verdict.message
    assert "needs 12 look-ups" not in verdict.message
    assert judged_in(zone, verdict.advice, wanted=RELAYED).status is Status.OK
    terms, zone = including(10)
    verdict = judged_in(zone, f"v=spf1 ip4:203.0.113.25 {terms} ~all", wanted=RELAYED)
    assert "The suggested record needs 12 look-ups" in verdict.message
    assert '"include:mailgun.org" (2)' in verdict.message


# --- errors ------------------------------------------------------------------------------------------------
def test_what_cannot_be_looked_up_is_an_error_not_a_mismatch() -> None:
    zone = {"_spf.google.example TXT": Outcome.SERVFAIL}
    verdict = judged_in(zone, "v=spf1 mx include:_spf.google.example ~all")
    assert verdict.status is Status.ERROR
    assert "TXT of _spf.google.example could not be looked up" in verdict.message


def test_each_question_is_asked_once() -> None:
    asked: list[str] = []
    text = "v=spf1 mx a:mail.example.com include:mailgun.org include:_spf.mailgun.org ~all"
    lookup = lookup_in(NODE, {"example.com TXT": text}, asked=asked)
    assert judge("example.com", (text,), lookup, wanted=RELAYED, own_ips=OURS, relay_include="mailgun.org").ok
    assert len(asked) == len(set(asked)) < 10


# --- properties --------------------------------------------------------------------------------------------
PIECES = st.lists(
    st.sampled_from([
        "a", "mx", "-mx", "+all", "?all", "-all", "include:open.example", "include:mailgun.org",
        "redirect=loose.example",
        "redirect=gone.example", "moo", "include=x.example", "exists:%{ir}.%{l}.example.com", "ptr", "a:n1.example",
        "a:n2.example", "mx:n3.example", "ipv4:203.0.113.25", "-ip4:203.0.113.25", "include:example.com",
        "ip4:0.0.0.0/0",
    ]) | st.text(max_size=6), max_size=7,
).map(" ".join)  # fmt: skip


@given(
    st.lists(st.builds("v=spf1 {}".format, PIECES) | st.text(), max_size=3),
    st.sampled_from([WANTED, RELAYED]),
)
def test_whatever_stands_there_is_judged(texts: list[str], wanted: str) -> None:
    verdict = judged_in(OTHERS, *texts, wanted=wanted)
    assert not parse(verdict.advice or wanted).errors
    assert verdict.ok or verdict.message.endswith(".")
