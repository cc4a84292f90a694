"""What name servers may do wrong, and what becomes of it: values, in time, and no exception."""

from __future__ import annotations

import time

import dns.flags
import dns.message
import pytest

from dnsrecords.answers import Outcome
from dnsrecords.resolver import Resolver
from tests.rig import free_port
from tests.rig.lameserver import LameServer, Reply, message, saying, silent

MX = "example.com. 300 IN MX 10 Mail.Example.COM."
ZONE = "example.com"


def asked(reply: Reply, name: str = ZONE, type_: str = "MX", seconds: float = 10.0):  # type: ignore[no-untyped-def]
    """What a resolver has from that server."""
    with LameServer(reply) as server, Resolver([server.address], seconds) as resolver:
        return resolver.lookup(name, type_)


# --- answers -----------------------------------------------------------------------------------------------
def test_values_are_plain_and_in_lower_case() -> None:
    found = asked(saying(MX))
    assert (found.outcome, found.values, found.ttl) == (Outcome.FOUND, ("10 mail.example.com",), 300)


@pytest.mark.parametrize(
    ("type_", "data", "value"),
    [
        ("TXT", '"v=spf1 " "mx" " ~all"', "v=spf1 mx ~all"),
        ("TXT", '"caf\\195\\169"', "caf\xc3\xa9"),
        ("SRV", "0 1 993 Mail.example.com.", "0 1 993 mail.example.com"),
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("NS", "NS1.example.net.", "ns1.example.net"),
        ("MX", "0 .", "0 "),
        ("TLSA", f"3 1 1 {'AB' * 32}", f"3 1 1 {'ab' * 32}"),
    ],
)
def test_each_type_has_its_text(type_: str, data: str, value: str) -> None:
    assert asked(saying(f"example.com. 60 IN {type_} {data}"), type_=type_).values == (value,)


def test_an_alias_is_followed_and_said() -> None:
    found = asked(
        saying("www.example.com. 60 IN CNAME web.example.net.", "web.example.net. 60 IN A 192.0.2.1"),
        "www.example.com", "A",
    )  # fmt: skip
    assert (found.values, found.cname) == (("192.0.2.1",), "web.example.net")


def test_a_circle_of_aliases_has_an_end() -> None:
    found = asked(
        saying("a.example.com. 60 IN CNAME b.example.com.", "b.example.com. 60 IN CNAME a.example.com."),
        "a.example.com", "TXT",
    )  # fmt: skip
    assert found.outcome is Outcome.BAD and not found.values


@pytest.mark.parametrize(
    ("rcode", "outcome"),
    [
        ("NXDOMAIN", Outcome.NXDOMAIN), ("SERVFAIL", Outcome.SERVFAIL), ("REFUSED", Outcome.REFUSED),
        ("NOTAUTH", Outcome.REFUSED), ("FORMERR", Outcome.BAD), ("NOTIMP", Outcome.BAD), ("NOERROR", Outcome.NO_DATA),
    ],
)  # fmt: skip
def test_a_code_is_an_outcome(rcode: str, outcome: Outcome) -> None:
    assert asked(saying(rcode=rcode)).outcome is outcome


def test_how_long_nothing_may_be_kept_is_known() -> None:
    soa = "example.com. 900 IN SOA ns.example.com. hostmaster.example.com. 1 1 1 1 120"
    assert asked(saying(authority=(soa,))).ttl == 120


@pytest.mark.parametrize("name", ["x" * 64 + ".com", "a..b", ".".join(["abcdefgh"] * 40)])
def test_what_can_be_no_name_is_an_outcome(name: str) -> None:
    assert asked(saying(MX), name).outcome is Outcome.BAD


# --- servers that misbehave --------------------------------------------------------------------------------
def test_an_answer_to_another_question_is_passed_over() -> None:
    def spoofed(question: dns.message.Message, _: bool) -> bytes:
        other = message(question, MX)
        other.id = (question.id + 1) % 65536
        return other.to_wire()

    assert asked(spoofed, seconds=0.6).outcome is Outcome.TIMEOUT


def test_a_truncated_answer_is_asked_for_by_tcp() -> None:
    def short(question: dns.message.Message, by_tcp: bool) -> bytes:
        return message(question, *([MX] if by_tcp else []), flags=0 if by_tcp else dns.flags.TC).to_wire()

    with LameServer(short) as server:
        assert Resolver([server.address]).lookup(ZONE, "MX").values == ("10 mail.example.com",)
        assert server.asked == {(ZONE, "MX", "udp"): 1, (ZONE, "MX", "tcp"): 1}


def test_rubbish_is_no_answer() -> None:
    assert asked(lambda *_: b"no message", seconds=0.6).outcome in {Outcome.BAD, Outcome.TIMEOUT}


def test_a_lost_question_is_asked_again() -> None:
    def second(question: dns.message.Message, _: bool) -> bytes | None:
        return message(question, MX).to_wire() if server.asked.total() > 1 else None

    with LameServer(second) as server:
        assert Resolver([server.address]).lookup(ZONE, "MX").values


def test_nobody_listens() -> None:
    assert Resolver([f"127.0.0.1:{free_port()}"]).lookup(ZONE, "MX").outcome is Outcome.NO_SERVER


def test_the_next_server_is_asked_when_one_fails() -> None:
    with LameServer(saying(rcode="SERVFAIL")) as ill, LameServer(saying(MX)) as well:
        assert Resolver([ill.address, well.address]).lookup(ZONE, "MX").values


def test_who_was_silent_twice_is_not_waited_for_again() -> None:
    with LameServer(silent) as server:
        resolver = Resolver([server.address], deadline=30)
        for number in range(20):
            assert resolver.lookup(f"host{number}.example.com", "A").outcome is Outcome.TIMEOUT
        assert server.asked.total() <= 2


def test_the_deadline_holds_whatever_they_do() -> None:
    with LameServer(silent) as server:
        began = time.monotonic()
        resolver = Resolver([server.address], deadline=0.5)
        found = resolver.authoritative_all([(f"host{number}.example.com", "TXT") for number in range(200)])
        # Generous: it is a limit, and no figure of speed.
        assert time.monotonic() - began < 8
    assert {each.outcome for each in found.values()} == {Outcome.TIMEOUT}
    assert resolver.lookup("later.example.com", "A").outcome is Outcome.TIMEOUT


# --- the zone's own servers --------------------------------------------------------------------------------
def pinned(*servers: LameServer) -> Resolver:
    """One that knows the name servers of the zone, and asks the first for everything else."""
    addresses = tuple(each.address for each in servers)
    return Resolver([addresses[0]], zones={ZONE: addresses})


def test_each_of_them_is_asked_and_told_apart() -> None:
    old = "example.com. 900 IN MX 10 old.example.com."
    with LameServer(saying(MX)) as one, LameServer(saying(MX)) as two, LameServer(saying(old)) as three:
        found = pinned(one, two, three).authoritative(ZONE, "MX")
    assert found.values == ("10 mail.example.com",)
    assert [(each.outcome, each.values, each.ttl) for each in found.servers] == [
        (Outcome.FOUND, ("10 mail.example.com",), 300), (Outcome.FOUND, ("10 mail.example.com",), 300),
        (Outcome.FOUND, ("10 old.example.com",), 900),
    ]  # fmt: skip


def test_one_that_fails_is_its_own_outcome() -> None:
    with LameServer(saying(MX)) as good, LameServer(saying(rcode="SERVFAIL")) as ill:
        found = pinned(good, ill).authoritative(ZONE, "MX")
    assert found.values and [each.outcome for each in found.servers] == [Outcome.FOUND, Outcome.SERVFAIL]


def test_one_that_refers_to_others_is_lame() -> None:
    def referral(question: dns.message.Message, _: bool) -> bytes:
        answer = message(question, authority=("example.com. 60 IN NS ns.example.net.",))
        answer.flags &= ~dns.flags.AA
        return answer.to_wire()

    with LameServer(saying(MX)) as good, LameServer(referral) as lame:
        found = pinned(good, lame).authoritative(ZONE, "MX")
    assert [each.outcome for each in found.servers] == [Outcome.FOUND, Outcome.LAME]


def test_when_none_of_them_answers_the_resolver_counts() -> None:
    with LameServer(saying(MX)) as resolver:
        dead = f"127.0.0.1:{free_port()}"
        found = Resolver([resolver.address], zones={ZONE: (dead,)}).authoritative(ZONE, "MX")
    assert found.values and found.servers == ()


def test_questions_that_are_alike_are_asked_once() -> None:
    with LameServer(saying(MX)) as server:
        resolver = Resolver([server.address])
        resolver.lookup_all([(ZONE, "MX")] * 5)
        resolver.lookup(ZONE, "MX")
        assert server.asked[ZONE, "MX", "udp"] == 1
