"""What a record says about a sender: RFC 7208's examples, each result, and the limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Outcome, remembering
from dnsrecords.faults import failed
from dnsrecords.spf.evaluate import Result, SpfResult, cost, evaluate, published
from tests.dnsrecords.spfzones import RFC_ZONE, Zone, lookup_in

ALL = {
    "192.0.2.10",
    "192.0.2.11",
    "192.0.2.65",
    "192.0.2.66",
    "192.0.2.129",
    "192.0.2.130",
    "192.0.2.140",
    "10.0.0.4",
}


def check(record: str, ip: str = "192.0.2.1", sender: str = "ann@example.com") -> SpfResult:
    """What a record of example.com says, in the RFC's zone."""
    return checked({"example.com TXT": record}, ip, sender)


def checked(zone: Zone, ip: str = "192.0.2.1", sender: str = "ann@example.com") -> SpfResult:
    return evaluate(sender.rpartition("@")[2], ip, sender, "mx.example.net", lookup_in(RFC_ZONE, zone))


# --- appendix A --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("record", "passing"),
    [
        ("v=spf1 +all", ALL),
        ("v=spf1 a -all", {"192.0.2.10", "192.0.2.11"}),
        ("v=spf1 a:example.org -all", set()),
        ("v=spf1 mx -all", {"192.0.2.129", "192.0.2.130"}),
        ("v=spf1 mx:example.org -all", {"192.0.2.140"}),
        ("v=spf1 mx mx:example.org -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
        ("v=spf1 mx/30 mx:example.org/30 -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
        ("v=spf1 ptr -all", ALL - {"192.0.2.140", "10.0.0.4"}),
        ("v=spf1 ip4:192.0.2.128/28 -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
    ],
)
def test_the_simple_examples_of_the_rfc(record: str, passing: set[str]) -> None:
    results = {ip: check(record, ip).result for ip in ALL}
    assert {ip for ip, result in results.items() if result is Result.PASS} == passing
    assert set(results.values()) <= {Result.PASS, Result.FAIL}


def test_prefix_lengths_cover_neighbours() -> None:
    ips = ("192.0.2.131", "192.0.2.143", "192.0.2.132")
    passing = [ip for ip in ips if check("v=spf1 mx/30 mx:example.org/30 -all", ip).result is Result.PASS]
    assert passing == ["192.0.2.131", "192.0.2.143"]


DOMAINS: Zone = {
    "example.org TXT": "v=spf1 include:example.com include:example.net -all",
    "la.example.org TXT": "v=spf1 redirect=example.org",
    "example.com TXT": "v=spf1 mx -all",
    "example.net TXT": "v=spf1 ip4:198.51.100.7 ?all",
}


@pytest.mark.parametrize("sender", ["ann@example.org", "ann@la.example.org"])
def test_the_example_with_several_domains(sender: str) -> None:
    results = {
        ip: checked(DOMAINS, ip, sender).result for ip in ("192.0.2.129", "198.51.100.7", "198.51.100.8")
    }
    assert results == {"192.0.2.129": "pass", "198.51.100.7": "pass", "198.51.100.8": "fail"}


REMOTE: Zone = {
    "example.com TXT": "v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all",
    "mobile-users._spf.example.com TXT": "v=spf1 exists:%{l1r+}.%{d}",
    "mary.mobile-users._spf.example.com A": "127.0.0.2",
    "remote-users._spf.example.com TXT": "v=spf1 exists:%{ir}.%{l1r+}.%{d}",
    "15.15.168.192.joel.remote-users._spf.example.com A": "127.0.0.2",
}


@pytest.mark.parametrize(
    ("sender", "ip", "result"),
    [
        ("mary@example.com", "203.0.113.9", "pass"),
        ("mary+list@example.com", "203.0.113.9", "pass"),
        ("joel@example.com", "192.168.15.15", "pass"),
        ("joel@example.com", "192.168.15.16", "fail"),
        ("fred@example.com", "203.0.113.9", "fail"),
    ],
)
def test_the_example_in_the_style_of_block_lists(sender: str, ip: str, result: str) -> None:
    assert checked(REMOTE, ip, sender).result == result


BOTH: Zone = {
    "example.com TXT": "v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all",
    "ip4._spf.example.com TXT": "v=spf1 -ip4:192.0.2.0/24 +all",
    "ptr._spf.example.com TXT": "v=spf1 -ptr:example.com +all",
}


def test_the_example_with_two_requirements() -> None:
    results = {ip: checked(BOTH, ip).result for ip in ("192.0.2.65", "192.0.2.140", "10.0.0.4")}
    assert results == {"192.0.2.65": "pass", "192.0.2.140": "fail", "10.0.0.4": "fail"}


# --- results -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("record", "result", "matched"),
    [
        ("v=spf1 ip4:192.0.2.1", "pass", "ip4:192.0.2.1"),
        ("v=spf1 -all", "fail", "-all"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass", "ip4:192.0.2.0/24"),
        ("v=spf1 ~all", "softfail", "~all"),
        ("v=spf1 ?all", "neutral", "?all"),
        ("v=spf1", "neutral", ""),
        ("v=spf1 redirect=gone.example.com", "permerror", ""),
        ("v=spf1 include:gone.example.com ip4:192.0.2.1", "permerror", ""),
        ("v=spf1 ip4:192.0.2.1 moo", "permerror", ""),
        ("spf1", "none", ""),
    ],
)
def test_each_result_comes_with_the_term_that_decided(record: str, result: str, matched: str) -> None:
    outcome = check(record)
    assert (outcome.result, outcome.matched) == (result, matched)
    assert outcome.reason[-1] == "."


def test_two_records_are_an_error_and_other_text_is_none() -> None:
    assert checked({"example.com TXT": ("v=spf1 ?all", "V=SPF1 -all")}).result is Result.PERMERROR
    assert checked({"example.com TXT": ("v=spf1 -all", "verify=1", "v=spf10")}).result is Result.FAIL


def test_what_is_no_domain_has_no_record() -> None:
    asked: list[str] = []
    for domain in ("", "localhost", "a..example.com", "[192.0.2.1]", f"{'a' * 64}.example.com", "ü.example"):
        assert evaluate(domain, "192.0.2.1", "", "", lookup_in(asked=asked)).result is Result.NONE, domain
    assert not asked


@pytest.mark.parametrize(
    "question", ["example.com TXT", "_spf.example.net TXT", "example.com MX", "mail-a.example.com A"]
)
def test_a_server_that_fails_is_a_temporary_error(question: str) -> None:
    zone = {"example.com TXT": "v=spf1 mx include:_spf.example.net -all", "_spf.example.net TXT": "v=spf1"}
    for outcome in filter(failed, Outcome):
        result = checked({**zone, question: outcome})
        assert result.result is Result.TEMPERROR, outcome
        assert question.split(" ", maxsplit=1)[0] in result.reason


@pytest.mark.parametrize("qualifier", ["+", "-", "~", "?"])
def test_an_include_matches_only_where_the_other_record_passes(qualifier: str) -> None:
    def including(inner: str) -> Result:
        zone = {"example.com TXT": f"v=spf1 {qualifier}include:x.example", "x.example TXT": f"v=spf1 {inner}"}
        return checked(zone).result

    assert including("all") == {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}[qualifier]
    assert {including(inner) for inner in ("-all", "~all", "?all")} == {Result.NEUTRAL}
    assert including("moo") is Result.PERMERROR


def test_an_address_of_ipv6_meets_only_terms_of_ipv6() -> None:
    zone = {
        "example.com TXT": "v=spf1 a/0//64 -all",
        "example.com AAAA": "2001:db8::1",
        "example.com A": "192.0.2.1",
    }
    assert checked(zone, "2001:db8::2").result is Result.PASS
    assert checked(zone, "2001:db8:1::2").result is Result.FAIL
    assert check("v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1").result is Result.FAIL
    assert check("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1").result is Result.PASS


def test_a_macro_asks_for_each_nibble_of_ipv6() -> None:
    asked: list[str] = []
    lookup = lookup_in({"example.com TXT": "v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all"}, asked=asked)
    evaluate("example.com", "2001:db8::cb01", "", "example.com", lookup)
    assert (
        asked[-1] == "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com A"
    )


@pytest.mark.parametrize(
    ("ip", "macro", "name"),
    [
        ("192.0.2.65", "%{p}", "amy.example.com"),
        ("10.0.0.4", "%{p}", "unknown"),
        ("192.0.2.10", "%{p}", "example.com"),
        ("192.0.2.1", "%{h}", "mx.example.net"),
        ("192.0.2.1", "%{s}", "postmaster@example.com"),
    ],
)
def test_macros_know_the_sender(ip: str, macro: str, name: str) -> None:
    asked: list[str] = []
    zone = {"example.com TXT": f"v=spf1 exists:{macro}.test -all"}
    evaluate("example.com", ip, "@example.com", "mx.example.net", lookup_in(RFC_ZONE, zone, asked=asked))
    assert asked[-1] == f"{name}.test A"


def test_too_long_a_name_loses_labels_from_the_left() -> None:
    asked: list[str] = []
    lookup = lookup_in({"example.com TXT": "v=spf1 exists:%{l}.%{l}.%{l}.%{d} -all"}, asked=asked)
    evaluate("example.com", "192.0.2.1", f"{'abcdefgh.' * 10}z@example.com", "", lookup)
    name = asked[-1].split(" ")[0]
    assert len(name) <= 253
    assert name.endswith(".z.example.com")


# --- limits ------------------------------------------------------------------------------------------------
def terms(count: int) -> str:
    return " ".join(f"a:h{number}.example.com" for number in range(count))


HOSTS: Zone = {f"h{number}.example.com A": "203.0.113.1" for number in range(12)}


@pytest.mark.parametrize(("count", "result", "lookups"), [(10, "fail", 10), (11, "permerror", 11)])
def test_ten_terms_may_look_up(count: int, result: str, lookups: int) -> None:
    outcome = checked({**HOSTS, "example.com TXT": f"v=spf1 {terms(count)} -all"})
    assert (outcome.result, outcome.lookups) == (result, lookups)


def test_terms_of_included_records_count_too() -> None:
    zone = {
        "example.com TXT": f"v=spf1 {terms(5)} include:x.example -all",
        "x.example TXT": f"v=spf1 {terms(5)}",
    }
    assert checked({**HOSTS, **zone}).result is Result.PERMERROR


@pytest.mark.parametrize("record", ["v=spf1 include:example.com", "v=spf1 redirect=example.com"])
def test_a_record_that_leads_to_itself_ends(record: str) -> None:
    assert check(record).result is Result.PERMERROR


@pytest.mark.parametrize(("count", "result"), [(2, "neutral"), (3, "permerror")])
def test_two_names_may_be_missing(count: int, result: str) -> None:
    outcome = check(f"v=spf1 {terms(count)} ?all")
    assert (outcome.result, outcome.voids) == (result, count)


@pytest.mark.parametrize(("count", "result"), [(10, "fail"), (11, "permerror")])
def test_ten_mail_hosts_may_be_there(count: int, result: str) -> None:
    hosts = tuple(f"10 h{number}.example.com" for number in range(count))
    assert checked({**HOSTS, "example.com MX": hosts, "example.com TXT": "v=spf1 mx -all"}).result == result


@pytest.mark.parametrize(("place", "result"), [(9, "pass"), (10, "fail")])
def test_of_the_names_of_an_address_ten_are_read(place: int, result: str) -> None:
    names = [f"h{number}.example.org" for number in range(11)]
    names[place] = "h.example.com"
    addresses = {f"{name} A": "192.0.2.1" for name in names}
    zone: Zone = {
        **addresses,
        "1.2.0.192.in-addr.arpa PTR": tuple(names),
        "example.com TXT": "v=spf1 ptr -all",
    }
    assert checked(zone).result == result


def test_a_null_mx_matches_nobody() -> None:
    assert checked({"example.com MX": "0 .", "example.com TXT": "v=spf1 mx -all"}).result is Result.FAIL


# --- what a record costs -----------------------------------------------------------------------------------
def test_the_cost_is_counted_past_limits_and_errors() -> None:
    zone = {
        "example.com TXT": "v=spf1 include:x.example include:gone.example a:no.example moo -all",
        "x.example TXT": f"v=spf1 {terms(12)} ~all",
    }
    whole = cost("example.com", lookup_in(HOSTS, zone))
    assert (whole.lookups, whole.voids, whole.empty) == (15, 1, ("no.example",))
    assert whole.by_term[:3] == (("include:x.example", 13), ("include:gone.example", 1), ("a:no.example", 1))


@pytest.mark.parametrize(
    "record", ["v=spf1 include:example.com include:example.com", "v=spf1 redirect=example.com"]
)
def test_counting_ends_although_a_record_includes_itself(record: str) -> None:
    assert 10 < cost("example.com", lookup_in({"example.com TXT": record})).lookups < 200


def test_a_record_can_be_tried_before_it_is_published() -> None:
    lookup = published(
        "Example.com", "v=spf1 ip4:192.0.2.9 -all", lookup_in({"example.com TXT": "v=spf1 -all"})
    )
    assert evaluate("example.com", "192.0.2.9", "", "", lookup).result is Result.PASS


def test_a_question_is_asked_once() -> None:
    asked: list[str] = []
    lookup = remembering(
        lookup_in(RFC_ZONE, {"example.com TXT": "v=spf1 mx mx a:mail-a.example.com -all"}, asked=asked)
    )
    evaluate("example.com", "192.0.2.9", "", "", lookup)
    assert len(asked) == len(set(asked)) == 4


# --- properties --------------------------------------------------------------------------------------------
PIECES = st.lists(
    st.sampled_from([
        "a", "mx", "ptr", "include:example.com", "include:%{d}", "exists:%{ir}.%{l}.%{h}", "a:%{p}.%{s}",
        "-ip4:0.0.0.0/1",
        "redirect=x.example.org", "exp=%{S}.x", "~all", "moo", "ip6:::/0", "a:%{h}", "mx/0//0", "?include:example.org",
    ]), max_size=12,
).map(" ".join)  # fmt: skip


@pytest.mark.slow
@given(
    PIECES,
    PIECES,
    st.sampled_from(["192.0.2.65", "2001:db8::1", "10.0.0.4"]),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_whatever_the_records_say_something_comes_out(
    first: str, second: str, ip: str, sender: str, helo: str
) -> None:
    records = {"example.com TXT": f"v=spf1 {first}", "example.org TXT": f"v=spf1 {second}"}
    lookup = lookup_in(RFC_ZONE, records)
    outcome = evaluate("example.com", ip, sender, helo, lookup)
    assert outcome.lookups <= 11
    assert outcome.voids <= 3
    assert cost("example.com", lookup).lookups < 1000
