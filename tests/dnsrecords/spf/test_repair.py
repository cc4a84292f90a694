"""SPF records with typing mistakes, read as they were meant: no sender gets lost without being named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.spf.repair import meant, read
from dnsrecords.spf.terms import parse

#: As written → as read; each has one plain reading.
MENDED = {
    # A space is missing, or one is too many.
    "include:b.spf.test~all": "include:b.spf.test ~all",
    "include:a.spf.test-all": "include:a.spf.test -all",
    "mx~all": "mx ~all",
    "include:a.spf.testinclude:b.spf.testip4:198.51.100.7": "include:a.spf.test include:b.spf.test ip4:198.51.100.7",
    "ip4:198.51.100.7include:b.spf.test": "ip4:198.51.100.7 include:b.spf.test",
    "include: b.spf.test": "include:b.spf.test",
    "include :b.spf.test": "include:b.spf.test",
    "include : b.spf.test": "include:b.spf.test",
    "a: host.test": "a:host.test",
    "ip4:198.51.100.0 /24": "ip4:198.51.100.0/24",
    "~ all": "~all",
    # A colon is missing, or is another sign.
    "include b.spf.test": "include:b.spf.test",
    "include_spf.b.test": "include:_spf.b.test",
    "includespf.b.test": "include:spf.b.test",
    "include.b.spf.test": "include:b.spf.test",
    "include=b.spf.test": "include:b.spf.test",
    "include::b.spf.test": "include:b.spf.test",
    "ip4 198.51.100.7": "ip4:198.51.100.7",
    "ip4198.51.100.7": "ip4:198.51.100.7",
    "ip4=198.51.100.7": "ip4:198.51.100.7",
    "redirect:b.spf.test": "redirect=b.spf.test",
    "redirect b.spf.test": "redirect=b.spf.test",
    # Stutter.
    "include:include:b.spf.test": "include:b.spf.test",
    "include include:b.spf.test": "include:b.spf.test",
    "include: include:b.spf.test": "include:b.spf.test",
    # Other kinds of address, and none.
    "ipv4:198.51.100.7": "ip4:198.51.100.7",
    "?ipv6:2001:db8::/32": "?ip6:2001:db8::/32",
    "ip:198.51.100.0/24": "ip4:198.51.100.0/24",
    "ip4:2001:db8::1": "ip6:2001:db8::1",
    "ip6:198.51.100.7": "ip4:198.51.100.7",
    "a:198.51.100.7": "ip4:198.51.100.7",
    "include:198.51.100.7": "ip4:198.51.100.7",
    "198.51.100.7": "ip4:198.51.100.7",
    "-2001:db8::1": "-ip6:2001:db8::1",
    "ip4:host.test": "a:host.test",
    "ip4:[198.51.100.7]": "ip4:198.51.100.7",
    "ip4:198.51.100.7:25": "ip4:198.51.100.7",
    "ip4:198.51.100.0/255.255.255.0": "ip4:198.51.100.0/24",
    "ip4:198.51.100.0/024": "ip4:198.51.100.0/24",
    "ip4:198.51.100.7/": "ip4:198.51.100.7",
    "ip4:198.51.100.8-198.51.100.11": "ip4:198.51.100.8/30",
    # Misspelt, and copied from elsewhere.
    "inlcude:b.spf.test": "include:b.spf.test",
    "includes:b.spf.test": "include:b.spf.test",
    "mx.": "mx",
    "a/": "a",
    "-all.": "-all",
    "~al": "~all",
    "include:https://b.spf.test/": "include:b.spf.test",
    "include:<b.spf.test>": "include:b.spf.test",
    "include:spf.m\u00fcnchen.test": "include:spf.xn--mnchen-3ya.test",
}

#: Signs between terms that separate nothing for receivers, and leave no doubt.
SEPARATED = (
    "include:a.spf.test,include:b.spf.test,~all",
    "include:a.spf.test, b.spf.test ~all",
    "include:a.spf.test; include:b.spf.test; ~all;",
    "include:a.spf.test\ninclude:b.spf.test\r\n~all",
    "include:a.spf.test\tinclude:b.spf.test ~all",
    'include:a.spf.test" "include:b.spf.test ~all"',
    '"include:a.spf.test" "include:b.spf.test" "~all"',
    "\u201cinclude:a.spf.test include:b.spf.test ~all\u201d",
    "include:\u201ca.spf.test\u201d include:'b.spf.test' \u223call",
    "include:a.spf.test\u00a0include:b.spf.test ~all",
    "include:a.\u200bspf.test v=spf1 include:b.spf.test ~all",
    "( include:a.spf.test include:b.spf.test ~all )",
    "INCLUDE:a.spf.test +include:b.spf.test ~ALL",
)

LOST = {
    "ip4:198.51.100.7/33": "has a prefix length that an IPv4 network cannot have",
    "a:host.test/33": "has a prefix length that is too long",
    "ip6:2001:db8::/129": "has a prefix length that an IPv6 network cannot have",
    "ip4:198.51.100": "has no valid IPv4 address",
    "ip4:198.51.100.007": "has no valid IPv4 address",
    "a:": "names no domain",
    "include": "names no domain",
    "include:": "names no domain",
    "include:localhost": "names no full domain",
    "host.test": "is not an SPF mechanism",
    "includes.example.test": "is not an SPF mechanism",
    "mx:10": "names no full domain",
    "exists:%{x}.spf.test": "does not start a macro",
    "moo": "is not an SPF mechanism",
    "all:x": "has text after it",
}


def bytes_of(text: str) -> str:
    """As DNS has a text that was typed in UTF-8."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(("written", "right"), MENDED.items())
def test_what_has_one_plain_reading_is_mended(written: str, right: str) -> None:
    reading = read(f"v=spf1 mx {bytes_of(written)} exp=e.test")
    assert str(reading.record) == f"v=spf1 mx {right} exp=e.test"
    assert not reading.lost
    assert not parse(str(reading.record)).errors


@pytest.mark.parametrize("text", SEPARATED)
def test_what_people_put_between_terms_is_no_term(text: str) -> None:
    reading = read(f"v=spf1 {bytes_of(text)}")
    assert str(reading.record) == "v=spf1 include:a.spf.test include:b.spf.test ~all"
    assert not reading.lost


@pytest.mark.parametrize(("written", "why"), LOST.items())
def test_what_could_mean_anything_is_named_with_the_reason(written: str, why: str) -> None:
    reading = read(f"v=spf1 mx {written} ~all")
    assert str(reading.record) == "v=spf1 mx ~all"
    assert [fault.text for fault in reading.lost] == [written]
    assert why in str(reading.lost[0])


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 exists:%{i}._spf.%{d2} include:%{l1r+,}.spf.test ~all",
        "v=spf1 ra=me rp=100 rr=all op=x mx -all",
        "v=spf1 ip6:2001:db8:a:b::1/64 a:mx.test mx:a.test/24//64 ptr:x.test ?all",
        "v=spf1 redirect=_spf.test ~all",
        "v=spf1 mx ~all include:x.test",
    ],
)
def test_a_valid_record_is_read_as_it_is(text: str) -> None:
    reading = read(text)
    assert (str(reading.record), reading.mended, reading.lost) == (text, (), ())


STARTS = (
    '"v=spf1 a -all"',
    "v=spf1; a; -all",
    "spf1 a -all",
    "v = spf1 a -all",
    "\u00e2\u0080\u009cv=spf1 a -all\u00e2\u0080\u009d",
    "v=spf a -all",
    "  v=spf1 a -all",
    "V=SPF1,a -all",
    "v=spf1a -all",
    "v:spf1 a -all",
    "v=spfl a -all",
)


def test_a_record_with_a_wrong_start_is_one_all_the_same() -> None:
    for text in STARTS:
        assert meant(text), text
        assert str(read(text).record) == "v=spf1 a -all", text


def test_the_other_half_of_a_record_is_one_as_well() -> None:
    assert meant("include:b.spf.test ip4:198.51.100.7 ~all")
    assert str(read("include:b.spf.test ~all").record) == "v=spf1 include:b.spf.test ~all"
    for text in ("a", "all", "mx a", "include:b.spf.test is what we use", "ip4=198.51.100.7"):
        assert not meant(text), text


def test_what_was_not_meant_to_be_a_record_is_none() -> None:
    for text in (
        "",
        "google-site-verification=v=spf1",
        "spf-verification=abc",
        "spf_token: x",
        "SPF is set up elsewhere",
        "spf",
        "v=DMARC1",
        "v=spf10 a",
        "v=spf2.0",
        "spfoo",
        "v=spf1 mx",
    ):
        assert not meant(text), text


# --- properties --------------------------------------------------------------------------------------------
SENDERS = ("a.spf.test", "b.spf.test", "198.51.100.7", "2001:db8::7")
RECORD = "v=spf1 include:a.spf.test ip4:198.51.100.7 ip6:2001:db8::7 a:b.spf.test ~all"


@st.composite
def mistyped(draw: st.DrawFn) -> str:
    """The record after a few slips of the finger behind its version."""
    text = RECORD
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(7, len(text) - 1))
        signs = " :=,;.'\"/-~+\n"
        slip = draw(st.sampled_from(["sign", "gone", "twice", "turned"]))
        if slip == "gone":
            text = text[:at] + text[at + 1 :]
        elif slip == "twice":
            text = text[:at] + text[at] + text[at:]
        elif slip == "turned":
            text = text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
        elif text[at] in signs:
            text = text[:at] + draw(st.sampled_from(["", *signs])) + text[at + 1 :]
        elif text[at - 1] in signs:
            text = text[:at] + draw(st.sampled_from(signs)) + text[at:]
    return text


@given(mistyped())
def test_no_slip_makes_a_sender_vanish(text: str) -> None:
    reading = read(text)
    kept = f"{reading.record} {' '.join(fault.text for fault in reading.lost)}".lower()
    for sender in SENDERS:
        assert sender in kept or sender not in text, (sender, kept)


@given(st.text(max_size=60))
def test_whatever_is_read_is_valid(text: str) -> None:
    reading = read(f"v=spf1 {text}")
    again = parse(str(reading.record))
    faults = [fault for fault in again.errors if "is a second" not in fault.reason]
    assert not faults
