"""The grammar of SPF records: what is read, what is refused, and that writing undoes reading."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.spf.terms import (
    Malformed,
    Mechanism,
    Modifier,
    SpfRecord,
    Term,
    is_record,
    parse,
    parse_term,
    render,
)

WORDS = [
    "v=spf1", " ", "  ", "\t", "+", "-", "~", "?", "all", "include:", "a", "mx", "ptr", "exists:", "ip4:", "ip6:",
    "redirect=", "exp=", "x=", ":", "/", "//", "24", "0", "129", "%{d}", "%{", "%", "example.com", "192.0.2.1",
    "2001:db8::1", ".", "\ud800", "\x00", "ä", "=", "%_",
]  # fmt: skip


# --- which text is a record --------------------------------------------------------------------------------
def test_a_record_begins_with_the_version() -> None:
    for text in ("v=spf1", "v=spf1 ", "V=SPF1 mx", "v=SpF1 -all"):
        assert is_record(text), text


def test_other_text_is_no_record() -> None:
    for text in (
        "",
        "v=spf10",
        "v=spf1\tmx",
        " v=spf1 mx",
        '"v=spf1 mx"',
        "v=spf2 mx",
        "v=spf1;mx",
        "v = spf1",
    ):
        assert not is_record(text), text
        assert parse(text).errors, text


# --- terms -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", Mechanism("all")),
        ("-ALL", Mechanism("all", "-")),
        ("?mx", Mechanism("mx", "?")),
        ("a:mail.example.com", Mechanism("a", domain="mail.example.com")),
        ("a/24", Mechanism("a", prefix4=24)),
        ("a//64", Mechanism("a", prefix6=64)),
        ("mx:example.org/30//126", Mechanism("mx", domain="example.org", prefix4=30, prefix6=126)),
        ("mx/0//0", Mechanism("mx", prefix4=0, prefix6=0)),
        ("a:%{d}/24", Mechanism("a", domain="%{d}", prefix4=24)),
        ("a:%{l/}.example.com", Mechanism("a", domain="%{l/}.example.com")),
        ("~include:_spf.example.com.", Mechanism("include", "~", "_spf.example.com.")),
        ("exists:%{ir}.%{l1r+-}._spf.%{d}", Mechanism("exists", domain="%{ir}.%{l1r+-}._spf.%{d}")),
        ("ptr", Mechanism("ptr")),
        ("ip4:192.0.2.7/24", Mechanism("ip4", network=IPv4Interface("192.0.2.7/24"))),
        ("ip6:2001:DB8::1", Mechanism("ip6", network=IPv6Interface("2001:db8::1"))),
        ("ip6:::ffff:192.0.2.1/96", Mechanism("ip6", network=IPv6Interface("::ffff:192.0.2.1/96"))),
        ("REDIRECT=_spf.%{d}", Modifier("redirect", "_spf.%{d}")),
        ("exp=explain._spf.%{d}", Modifier("exp", "explain._spf.%{d}")),
        ("moo.cow-far_out=man:dog/cat", Modifier("moo.cow-far_out", "man:dog/cat")),
        ("x=", Modifier("x", "")),
    ],
)  # fmt: skip
def test_a_term_is_read(text: str, expected: Term) -> None:
    assert parse_term(text) == expected
    assert parse_term(str(expected)) == expected


@pytest.mark.parametrize(
    ("reason", "texts"),
    [
        ("is not an SPF mechanism", ("moo", "all.", "ipv4:192.0.2.1", "redirect:x.example", "--all", "1x=y")),
        ("is not an SPF mechanism", ("-redirect=x.example",)),  # modifiers have no qualifier
        ("character that is not allowed", ("", "a:ä.example", "a\tmx")),
        ("nothing is allowed", ("all:x.example",)),
        ("names no domain", ("include", "include:", "include/24", "exists", "a:", "ptr/0", "redirect=")),
        ("names no domain", ("a/024", "a/24/64")),  # no prefix lengths, so they would have to be a domain
        ("no full domain", ("a:foo-bar", "a:192.0.2.1", "a:mail..example.com", "a:example.com/")),
        ("no full domain", (f"a:{'a' * 64}.example.com",)),
        ("too long", ("mx/33", "a//129")),
        ("valid IPv4", ("ip4:192.0.2", "ip4:192.0.2.01", "ip4:2001:db8::1")),
        ("needs an IPv4", ("ip4", "ip4:192.0.2.0/255.255.255.0")),
        ("valid IPv6", ("ip6:192.0.2.1",)),
        ("needs an IPv6", ("ip6:fe80::1%eth0",)),
        ("prefix length", ("ip4:192.0.2.1/33", "ip4:192.0.2.1/08", "ip6:::1/129")),
        ("explanations", ("exp=%{c}.example.com",)),
        ("does not start a macro", ("exists:%(ir).example", "a:%{d0}", "x=%")),
    ],
)
def test_what_is_no_term_is_refused_with_a_reason(reason: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        with pytest.raises(Malformed, match=reason):
            parse_term(text)


# --- records -----------------------------------------------------------------------------------------------
def test_a_record_is_its_terms_in_order() -> None:
    record = parse("v=spf1  mx   include:_spf.example.net exp=e.example.com ~all ")
    assert list(map(str, record.terms)) == ["mx", "include:_spf.example.net", "exp=e.example.com", "~all"]
    assert record.all == Mechanism("all", "~")
    assert not record.errors


def test_every_error_is_named_and_the_rest_kept() -> None:
    record = parse("v=spf1 mx moo ip4:300.1.1.1 -all")
    assert list(map(str, record.terms)) == ["mx", "-all"]
    assert list(map(str, record.errors)) == [
        '"moo" is not an SPF mechanism',
        '"ip4:300.1.1.1" has no valid IPv4 address',
    ]


@pytest.mark.parametrize("name", ["redirect", "exp"])
def test_a_modifier_can_be_there_once(name: str) -> None:
    twice = parse(f"v=spf1 {name}=a.example {name.upper()}=b.example")
    assert [fault.reason for fault in twice.errors] == [f"is a second {name}, but only one is allowed"]
    assert not parse("v=spf1 x=1 x=2").errors


def test_an_all_makes_a_redirect_void() -> None:
    assert parse("v=spf1 redirect=a.example").redirect == "a.example"
    assert parse("v=spf1 redirect=a.example ?all").redirect == ""


def test_a_name_as_long_as_a_record_can_be_does_not_stop_the_check() -> None:
    """It took minutes."""
    for middle in ("a" * 60_000, "a-" * 30_000, "a." * 30_000, "1" * 60_000):
        assert parse(f"v=spf1 include:_spf.{middle}le.com ~all").terms


def test_a_fault_is_shown_without_what_could_hurt_a_page() -> None:
    fault = parse("v=spf1 \x1b[1m" + "x" * 500).errors[0]
    assert fault.text.startswith("\N{REPLACEMENT CHARACTER}[1mxx")
    assert len(fault.text) == 81


# --- properties --------------------------------------------------------------------------------------------
@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map("".join)))
def test_parsing_raises_nothing_but_its_own_error(text: str) -> None:
    record = parse(f"v=spf1 {text}")
    assert parse(render(record)).terms == record.terms
    parse(text)
    try:
        parse_term(text)
    except Malformed as exc:
        assert str(exc)


LABELS = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,8}[A-Za-z0-9_])?", fullmatch=True)
MACROS = st.sampled_from(["%{d}", "%{ir}", "%{l1r+-}", "%{S}", "%%", "%_", "%-"])
SPECS = st.builds(
    lambda labels, end: ".".join([*labels, end]),
    st.lists(LABELS | MACROS, min_size=1, max_size=4),
    st.sampled_from(["com", "xn--p1ai", "a-1", "museum."]),
)
QUALIFIERS = st.sampled_from("+-~?")
MECHANISMS = st.one_of(
    st.builds(Mechanism, st.just("all"), QUALIFIERS),
    st.builds(Mechanism, st.sampled_from(["include", "exists"]), QUALIFIERS, SPECS),
    st.builds(Mechanism, st.just("ptr"), QUALIFIERS, st.just("") | SPECS),
    st.builds(
        Mechanism, st.sampled_from(["a", "mx"]), QUALIFIERS, st.just("") | SPECS, st.none(),
        st.integers(0, 32), st.integers(0, 128),
    ),
    st.builds(
        lambda address, length, sign: Mechanism("ip4", sign, network=IPv4Interface((address, length))),
        st.integers(0, 2**32 - 1), st.integers(0, 32), QUALIFIERS,
    ),
    st.builds(
        lambda address, length, sign: Mechanism("ip6", sign, network=IPv6Interface((address, length))),
        st.integers(0, 2**128 - 1), st.integers(0, 128), QUALIFIERS,
    ),
)  # fmt: skip
MODIFIERS = st.builds(Modifier, st.from_regex(r"x[a-z0-9_.-]{0,6}", fullmatch=True), st.just("") | SPECS)


@pytest.mark.slow
@given(st.lists(MECHANISMS | MODIFIERS, max_size=12))
def test_reading_undoes_writing(terms: list[Term]) -> None:
    record = SpfRecord(tuple(terms))
    assert parse(render(record)) == record
