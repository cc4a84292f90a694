"""One record out of several, and the terms that were probably meant by wrong ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.spf import advice
from dnsrecords.spf.terms import Mechanism, parse, render

MX = Mechanism("mx")


def merge(*texts: str, ours: tuple[Mechanism, ...] = (MX,), dropped: tuple[str, ...] = ()) -> str:
    return render(advice.merged([parse(text) for text in texts], ours, dropped))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=spf1 include:_spf.google.com ~all", "v=spf1 include:_spf.google.com mx ~all"),
        ("v=spf1 a +all", "v=spf1 a mx ~all"),
        ("v=spf1 a ?all", "v=spf1 a mx ~all"),
        ("v=spf1", "v=spf1 mx ~all"),
        ("v=spf1 mx a -all", "v=spf1 a mx -all"),
        ("v=spf1 ?mx a -all", "v=spf1 a mx -all"),
        ("v=spf1 -ip4:192.0.2.1 a -all", "v=spf1 mx -ip4:192.0.2.1 a -all"),
        ("v=spf1 -all include:x.example", "v=spf1 include:x.example mx -all"),
        ("v=spf1 redirect=_spf.example.net", "v=spf1 mx redirect=_spf.example.net"),
        ("v=spf1 ~all redirect=_spf.example.net", "v=spf1 mx ~all"),
        ("v=spf1 a exp=e.example.com x=1 -all", "v=spf1 a mx -all exp=e.example.com x=1"),
        ("v=spf1 ip4:192.0.2.7/24 ~all", "v=spf1 ip4:192.0.2.7/24 mx ~all"),
    ],
)
def test_ours_comes_before_the_end_and_the_rest_stays(text: str, expected: str) -> None:
    assert merge(text) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a ~all", "include:x.example ~all", "a include:x.example mx ~all"),
        ("a -all", "a include:X.example include:x.example. -all", "a include:X.example mx -all"),
        ("a -all", "mx ~all", "a mx ~all"),
        ("a +all", "b.example ?all", "a mx ~all"),
        ("redirect=x.example", "redirect=y.example", "mx include:x.example include:y.example ~all"),
        ("a ~all", "redirect=y.example", "a mx ~all"),
        ("exp=e.example.com", "exp=f.example.com -all", "mx -all exp=e.example.com"),
    ],
)
def test_several_records_become_one(first: str, second: str, expected: str) -> None:
    assert merge(f"v=spf1 {first}", f"v=spf1 {second}") == f"v=spf1 {expected}"


def test_what_breaks_the_record_can_be_left_out() -> None:
    text = "v=spf1 a include:gone.example -all"
    assert merge(text, dropped=("include:gone.example",)) == "v=spf1 a mx -all"


MEANT = {
    "ipv4:192.0.2.1": "ip4:192.0.2.1",
    "ip:192.0.2.0/24": "ip4:192.0.2.0/24",
    "ip4:2001:db8::1": "ip6:2001:db8::1",
    "a:192.0.2.1": "ip4:192.0.2.1",
    "ip4:mail.example.com": "a:mail.example.com",
    "include:x.example,": "include:x.example",
    "~all;": "~all",
    '-all"': "-all",
    "-all.": "-all",
    "redirect:x.example": "redirect=x.example",
    "includes:x.example": "include:x.example",
    "?ipv6:2001:db8::/32": "?ip6:2001:db8::/32",
}


def test_the_term_that_was_meant_is_guessed() -> None:
    assert {wrong: str(advice.corrected(wrong)) for wrong in MEANT} == MEANT


def test_what_could_mean_anything_is_left_alone() -> None:
    for text in ("moo", "", "include:", "a:", "::", "ip4:", "-", "x.example", "\N{EN DASH}all"):
        assert advice.corrected(text) is None, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=spf1 ipv4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 mx -all"),
        ("v=spf1 include: x.example ~all", "v=spf1 include:x.example mx ~all"),
        ("v=spf1 include=x.example ~all", "v=spf1 include:x.example mx ~all"),
        ("v=spf1 moo ~all", "v=spf1 mx ~all"),
    ],
)
def test_the_merged_record_mends_what_it_can(text: str, expected: str) -> None:
    assert merge(text) == expected


REPAIRED = {
    '"v=spf1 a -all"': "v=spf1 a -all",
    "v=spf1; a; -all": "v=spf1 a; -all",
    "spf1 a -all": "v=spf1 a -all",
    "v = spf1 a -all": "v=spf1 a -all",
    "\u00e2\u0080\u009cv=spf1 a -all\u00e2\u0080\u009d": "v=spf1 a -all",
    "v=spf a -all": "v=spf1 a -all",
    "  v=spf1 a -all": "v=spf1 a -all",
    "V=SPF1,a": "v=spf1 a",
    "v=spf1": "v=spf1",
}


def test_a_record_with_a_wrong_start_is_repaired() -> None:
    assert {text: advice.repaired(text) for text in REPAIRED} == REPAIRED


def test_what_was_meant_to_be_a_record_is_noticed_and_other_text_is_not() -> None:
    meant = ['"v=spf1 a"', " v=spf1", "v=spf1;a", "v=spf a", "SPF1 mx"]
    others = [
        "v:spf1 mx",
        "",
        "google-site-verification=v=spf1",
        "v=DMARC1",
        "v=spf10 a",
        "v=spf2.0",
        "spfoo",
    ]
    proper = ["v=spf1 mx"]
    assert [text for text in (*meant, *others, *proper) if advice.meant(text)] == meant


PIECES = st.lists(
    st.sampled_from([
        "a", "mx", "-mx", "+all", "?all", "-all", "include:x.example", "moo", "redirect=y.example",
        "exp=z.example", "x=1",
        "ipv4:192.0.2.1", "-ip4:192.0.2.2", "include:", "y.example", "ip6:2001:db8::/32", "a=x", "all=1", "all:x",
    ]) | st.text(max_size=6), max_size=8,
).map(" ".join)  # fmt: skip


@given(st.lists(PIECES, max_size=3))
def test_whatever_is_merged_can_be_published(texts: list[str]) -> None:
    merged = advice.merged([parse(f"v=spf1 {text}") for text in texts], [MX])
    assert parse(render(merged)) == merged
    assert advice.stands_in(MX, merged)
    assert merged.redirect or merged.all in {Mechanism("all", "~"), Mechanism("all", "-")}


@given(PIECES)
def test_merging_twice_changes_nothing_more(text: str) -> None:
    once = advice.merged([parse(f"v=spf1 {text}")], [MX])
    assert advice.merged([once]) == once
