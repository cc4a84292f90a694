"""One record out of several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.spf import advice
from dnsrecords.spf.repair import read
from dnsrecords.spf.terms import Mechanism, parse, render

MX = Mechanism("mx")


def merge(*texts: str, ours: tuple[Mechanism, ...] = (MX,), dropped: tuple[str, ...] = ()) -> str:
    return render(advice.merged([read(text).record for text in texts], ours, dropped))


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
        ("v=spf1 ~all redirect=_spf.example.net", "v=spf1 mx ~all redirect=_spf.example.net"),
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
        ("a ~all", "redirect=y.example", "a mx include:y.example ~all"),
        ("-ip4:192.0.2.1 -all", "ip4:192.0.2.1 -all", "ip4:192.0.2.1 mx -all"),
        ("exp=e.example.com", "exp=f.example.com -all", "mx -all exp=e.example.com"),
    ],
)
def test_several_records_become_one(first: str, second: str, expected: str) -> None:
    assert merge(f"v=spf1 {first}", f"v=spf1 {second}") == f"v=spf1 {expected}"


def test_what_breaks_the_record_can_be_left_out() -> None:
    text = "v=spf1 a include:gone.example -all"
    assert merge(text, dropped=("include:gone.example",)) == "v=spf1 a mx -all"


PIECES = st.lists(
    st.sampled_from([
        "a", "mx", "-mx", "+all", "?all", "-all", "include:x.example", "moo", "redirect=y.example",
        "exp=z.example", "x=1",
        "ipv4:192.0.2.1", "-ip4:192.0.2.2", "include:", "y.example", "ip6:2001:db8::/32", "a=x", "all=1", "all:x",
    ]) | st.text(max_size=6), max_size=8,
).map(" ".join)  # fmt: skip


@given(st.lists(PIECES, max_size=3))
def test_whatever_is_merged_can_be_published(texts: list[str]) -> None:
    merged = advice.merged([read(f"v=spf1 {text}").record for text in texts], [MX])
    assert parse(render(merged)) == merged
    assert advice.stands_in(MX, merged)
    assert merged.redirect or merged.all in {Mechanism("all", "~"), Mechanism("all", "-")}


@given(PIECES)
def test_merging_twice_changes_nothing_more(text: str) -> None:
    once = advice.merged([read(f"v=spf1 {text}").record], [MX])
    assert advice.merged([once]) == once
