"""The resolver against real name servers: several of one zone, zones within zones, signed ones, large answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dnsrecords.answers import Answer, Outcome
from dnsrecords.lookup.resolver import Resolver
from tests.rig import or_skip
from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.real

TWO_SERVERS = ["@ NS ns1", "@ NS ns2", "ns1 A 127.0.0.1", "ns2 A 127.0.0.2"]
LONG = "x" * 250


@pytest.fixture(scope="module")
def first() -> Iterator[Nameserver]:
    with or_skip(Nameserver) as running:
        yield running


@pytest.fixture(scope="module")
def second(first: Nameserver) -> Iterator[Nameserver]:
    """On the same port of another host, as the name servers of one zone have it."""
    with Nameserver(host="127.0.0.2", port=first.port) as running:
        yield running


@pytest.fixture
def resolver(first: Nameserver) -> Resolver:
    return Resolver([first.address], port=first.port)


def servers_of(answer: Answer) -> list[tuple[str, str, Outcome, tuple[str, ...]]]:
    return [(server.server, server.address, server.outcome, server.values) for server in answer.servers]


# --- answers -----------------------------------------------------------------------------------------------
def test_each_type_is_read(first: Nameserver, resolver: Resolver) -> None:
    records = {
        "mx": ("MX 10 Mail", ("10 mail.types.test",)),
        "null": ("MX 0 .", ("0 ",)),
        "spf": ('TXT "v=spf1 mx" " ~all"', ("v=spf1 mx ~all",)),
        "long": (f'TXT "{LONG}" "{LONG}"', (LONG * 2,)),
        "six": ("AAAA 2001:DB8::1", ("2001:db8::1",)),
        "_imaps._tcp": ("SRV 0 1 993 mail", ("0 1 993 mail.types.test",)),
        "_25._tcp.mail": ("TLSA 3 1 1 " + "AB" * 32, ("3 1 1 " + "ab" * 32,)),
        "www": ("CNAME there.example.", ("there.example",)),
    }
    first.publish("types.test", [f"{label} {line}" for label, (line, _) in records.items()])
    for label, (line, values) in records.items():
        question = (f"{label}.types.test", line.split(" ")[0])
        for answer in (resolver.lookup(*question), resolver.authoritative(*question)):
            assert (answer.outcome, answer.values, answer.ttl) == (Outcome.FOUND, values, 300), label


def test_no_such_name_is_not_no_such_record(first: Nameserver, resolver: Resolver) -> None:
    first.publish("nothing.test", ["www A 192.0.2.1"])
    answers = resolver.authoritative_all([("www.nothing.test", "TXT"), ("gone.nothing.test", "TXT")])
    assert [answer.outcome for answer in answers.values()] == [Outcome.NO_DATA, Outcome.NXDOMAIN]
    assert {answer.ttl for answer in answers.values()} == {60}


def test_an_answer_too_large_for_udp_comes_whole(first: Nameserver, resolver: Resolver) -> None:
    first.publish("large.test", [f'@ TXT "{number}{LONG}"' for number in range(40)])
    assert len(resolver.authoritative("large.test", "TXT").values) == 40


def test_a_signed_zone_reads_as_any_other(first: Nameserver, resolver: Resolver) -> None:
    first.publish("signed.test", ["@ MX 10 mail", f'k TXT "{LONG}" "{LONG}"'], signed=True)
    answers = resolver.authoritative_all(
        [("signed.test", "MX"), ("k.signed.test", "TXT"), ("no.signed.test", "TXT")]
    )
    assert [answer.values for answer in answers.values()] == [("10 mail.signed.test",), (LONG * 2,), ()]
    assert [len(answer.servers) for answer in answers.values()] == [1, 1, 1]


def test_a_zone_that_a_server_does_not_have_is_refused(resolver: Resolver) -> None:
    assert resolver.authoritative("elsewhere.test", "MX").outcome is Outcome.REFUSED


# --- several name servers ----------------------------------------------------------------------------------
def test_a_record_may_have_reached_only_some(
    first: Nameserver, second: Nameserver, resolver: Resolver
) -> None:
    first.publish("spread.test", [*TWO_SERVERS, '@ TXT "new"'])
    second.publish("spread.test", [*TWO_SERVERS, '@ 900 TXT "old"'])
    answer = resolver.authoritative("spread.test", "TXT")
    assert servers_of(answer) == [
        ("ns1.spread.test", "127.0.0.1", Outcome.FOUND, ("new",)),
        ("ns2.spread.test", "127.0.0.2", Outcome.FOUND, ("old",)),
    ]
    assert [server.ttl for server in answer.servers] == [300, 900]


def test_a_server_without_the_zone_is_kept_apart(
    first: Nameserver, second: Nameserver, resolver: Resolver
) -> None:
    first.publish("half.test", [*TWO_SERVERS, "@ MX 10 mail"])
    answer = resolver.authoritative("half.test", "MX")
    assert answer.values == ("10 mail.half.test",)
    assert [server.outcome for server in answer.servers] == [Outcome.FOUND, Outcome.REFUSED]


def test_a_server_that_is_down_is_kept_apart_and_comes_back(first: Nameserver, second: Nameserver) -> None:
    for server in (first, second):
        server.publish("down.test", [*TWO_SERVERS, "@ MX 10 mail"])
    second.stop()
    answer = Resolver([first.address], port=first.port).authoritative("down.test", "MX")
    assert [server.outcome for server in answer.servers] == [Outcome.FOUND, Outcome.NO_SERVER]
    second.start()
    answer = Resolver([first.address], port=first.port).authoritative("down.test", "MX")
    assert [server.outcome for server in answer.servers] == [Outcome.FOUND, Outcome.FOUND]


def test_a_zone_within_a_zone_has_its_own(first: Nameserver, second: Nameserver, resolver: Resolver) -> None:
    child = ["@ NS ns.child", "ns.child A 127.0.0.2"]
    first.publish(
        "outer.test", ["@ NS ns", "ns A 127.0.0.1", "inner NS ns.child.inner", "ns.child.inner A 127.0.0.2"]
    )
    for server in (first, second):
        server.publish("inner.outer.test", [*child, 'k TXT "inner"'])
    assert servers_of(resolver.authoritative("k.inner.outer.test", "TXT")) == [
        ("ns.child.inner.outer.test", "127.0.0.2", Outcome.FOUND, ("inner",))
    ]
    assert [server.server for server in resolver.authoritative("www.outer.test", "A").servers] == [
        "ns.outer.test"
    ]


def test_an_alias_is_followed_on_each(first: Nameserver, second: Nameserver, resolver: Resolver) -> None:
    for server in (first, second):
        server.publish("alias.test", [*TWO_SERVERS, "k CNAME there", 'there TXT "key"'])
    answer = resolver.authoritative("k.alias.test", "TXT")
    assert (answer.values, answer.cname) == (("key",), "there.alias.test")
    assert [server.values for server in answer.servers] == [("key",), ("key",)]


def test_a_server_may_have_ipv6_only() -> None:
    with or_skip(lambda: Nameserver(host="::1")) as server:
        server.publish("six.test", ["@ MX 10 mail"])
        answer = Resolver([server.address], zones={"six.test": (server.address,)}).authoritative(
            "six.test", "MX"
        )
    assert servers_of(answer) == [(server.address, "::1", Outcome.FOUND, ("10 mail.six.test",))]


# --- many --------------------------------------------------------------------------------------------------
def test_threads_do_not_disturb_each_other(first: Nameserver) -> None:
    domains = [f"d{number}.test" for number in range(150)]
    first.publish_all({domain: [f"@ MX 10 mail.{domain}.", f'_dmarc TXT "{domain}"'] for domain in domains})

    def look(domain: str) -> list[Answer]:
        questions = [(domain, "MX"), (f"_dmarc.{domain}", "TXT"), (f"k._domainkey.{domain}", "TXT")]
        return [*Resolver([first.address], port=first.port).authoritative_all(questions).values()]

    with ThreadPoolExecutor(16) as pool:
        looks = [*pool.map(look, domains)]
    assert [[answer.values for answer in answers] for answers in looks] == [
        [(f"10 mail.{domain}",), (domain,), ()] for domain in domains
    ]
    assert {len(answer.servers) for answers in looks for answer in answers} == {1}
