"""Every fault of a name server becomes a value, in time, and never an exception."""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

import dns.flags
import dns.message
import dns.rrset
import pytest

from dnsrecords.answers import Outcome
from dnsrecords.lookup.resolver import Resolver
from tests.rig import free_port
from tests.rig.lameserver import LameServer, Reply, message, saying, silent, slow

MX = "example.com. 300 IN MX 10 Mail.Example.COM."
ZONE = "example.com"
SOA = "example.com. 900 IN SOA ns.example.com. hostmaster.example.com. 1 1 1 1 120"


def asked(reply: Reply, name: str = ZONE, type_: str = "MX", seconds: float = 10.0):  # type: ignore[no-untyped-def]
    """What a resolver has from that server."""
    with LameServer(reply) as server, Resolver([server.address], seconds) as resolver:
        return resolver.lookup(name, type_)


# --- answers -----------------------------------------------------------------------------------------------
def test_values_are_plain_and_in_lower_case() -> None:
    answer = asked(saying(MX))
    assert (answer.outcome, answer.values, answer.ttl) == (Outcome.FOUND, ("10 mail.example.com",), 300)


@pytest.mark.slow
def test_each_type_has_its_text() -> None:
    texts = {
        ("TXT", '"v=spf1 " "mx" " ~all"'): "v=spf1 mx ~all",
        ("TXT", '"caf\\195\\169"'): "caf\xc3\xa9",
        ("SRV", "0 1 993 Mail.example.com."): "0 1 993 mail.example.com",
        ("A", "192.0.2.1"): "192.0.2.1",
        ("AAAA", "2001:DB8:0::1"): "2001:db8::1",
        ("NS", "NS1.example.net."): "ns1.example.net",
        ("MX", "0 ."): "0 ",
        ("TLSA", f"3 1 1 {'AB' * 32}"): f"3 1 1 {'ab' * 32}",
    }
    for (type_, data), value in texts.items():
        assert asked(saying(f"example.com. 60 IN {type_} {data}"), type_=type_).values == (value,)


def test_an_alias_is_followed_and_said() -> None:
    answer = asked(
        saying("www.example.com. 60 IN CNAME web.example.net.", "web.example.net. 60 IN A 192.0.2.1"),
        "www.example.com",
        "A",
    )
    assert (answer.values, answer.cname) == (("192.0.2.1",), "web.example.net")


def test_a_circle_of_aliases_has_an_end() -> None:
    answer = asked(
        saying("a.example.com. 60 IN CNAME b.example.com.", "b.example.com. 60 IN CNAME a.example.com."),
        "a.example.com",
        "TXT",
    )
    assert answer.outcome is Outcome.BAD and not answer.values


@pytest.mark.slow
def test_a_code_is_an_outcome() -> None:
    outcomes = {
        "NXDOMAIN": Outcome.NXDOMAIN,
        "SERVFAIL": Outcome.SERVFAIL,
        "REFUSED": Outcome.REFUSED,
        "NOTAUTH": Outcome.REFUSED,
        "FORMERR": Outcome.BAD,
        "NOTIMP": Outcome.BAD,
        "NOERROR": Outcome.NO_DATA,
    }
    assert {rcode: asked(saying(rcode=rcode)).outcome for rcode in outcomes} == outcomes


def test_how_long_nothing_may_be_kept_is_known() -> None:
    assert asked(saying(authority=(SOA,))).ttl == 120


def test_a_name_may_be_written_in_another_way() -> None:
    def same(question: dns.message.Message, _: bool) -> bytes:
        return message(question, f"{question.question[0].name} 60 IN A 192.0.2.1").to_wire()

    for name in ("A B.example.com", r"a\@b.example.com", "EXAMPLE.com."):
        assert asked(same, name, "A").values == ("192.0.2.1",), name


def test_a_resolver_is_asked_whether_it_checked_the_signature() -> None:
    def checking(question: dns.message.Message, _: bool) -> bytes:
        return message(question, MX, flags=question.flags & dns.flags.AD).to_wire()

    assert asked(checking).authenticated and not asked(saying(MX)).authenticated


def test_what_can_be_no_name_is_an_outcome() -> None:
    for name in ("x" * 64 + ".com", "a..b", ".".join(["abcdefgh"] * 40)):
        assert asked(saying(MX), name).outcome is Outcome.BAD, name


# --- servers that misbehave --------------------------------------------------------------------------------
@pytest.mark.slow
def test_an_answer_to_another_question_is_passed_over() -> None:
    def spoofed(question: dns.message.Message, _: bool) -> bytes:
        other = message(question, MX)
        other.id = (question.id + 1) % 65536
        return other.to_wire()

    assert asked(spoofed, seconds=1.5).outcome is Outcome.TIMEOUT


def test_a_truncated_answer_is_asked_for_by_tcp() -> None:
    def short(question: dns.message.Message, by_tcp: bool) -> bytes:
        return message(question, *([MX] if by_tcp else []), flags=0 if by_tcp else dns.flags.TC).to_wire()

    with LameServer(short) as server:
        assert Resolver([server.address]).lookup(ZONE, "MX").values == ("10 mail.example.com",)
        assert server.asked == {(ZONE, "MX", "udp"): 1, (ZONE, "MX", "tcp"): 1}


@pytest.mark.slow
def test_rubbish_is_no_answer() -> None:
    assert asked(lambda *_: b"no message", seconds=1.5).outcome in {Outcome.BAD, Outcome.TIMEOUT}


@pytest.mark.slow
def test_a_lost_question_is_asked_again() -> None:
    def second(question: dns.message.Message, _: bool) -> bytes | None:
        return message(question, MX).to_wire() if server.asked.total() > 1 else None

    with LameServer(second) as server:
        assert Resolver([server.address]).lookup(ZONE, "MX").values


def test_a_server_that_does_not_know_edns_is_asked_without_it() -> None:
    def old(question: dns.message.Message, _: bool) -> bytes:
        rcode = "FORMERR" if question.edns >= 0 else "NOERROR"
        answer = message(question, *([MX] if question.edns < 0 else []), rcode=rcode)
        answer.use_edns(False)
        return answer.to_wire()

    assert asked(old).values == ("10 mail.example.com",)


@pytest.mark.parametrize("by_tcp", [None, b"", b"\0\1rubbish"], ids=["silence", "nothing", "rubbish"])
def test_a_truncated_answer_without_tcp_is_an_outcome(by_tcp: bytes | None) -> None:
    def short(question: dns.message.Message, tcp: bool) -> bytes | None:
        return by_tcp if tcp else message(question, flags=dns.flags.TC).to_wire()

    assert asked(short, seconds=1.0).outcome in {Outcome.BAD, Outcome.TIMEOUT}


@pytest.mark.parametrize(
    ("type_", "data"), [("SRV", r"\# 4 00000001"), ("CNAME", "chaos.example.com."), ("TXT", "chaos")]
)
def test_an_answer_of_another_class_is_none(type_: str, data: str) -> None:
    def chaos(question: dns.message.Message, _: bool) -> bytes:
        answer = message(question)
        answer.answer.append(dns.rrset.from_text("example.com.", 60, "CH", type_, data))
        return answer.to_wire()

    assert asked(chaos, type_=type_).outcome is Outcome.NO_DATA


@pytest.mark.slow
def test_whatever_bytes_come_back_are_an_outcome() -> None:
    random = Random(7)

    def damaged(question: dns.message.Message, _: bool) -> bytes:
        wire = bytearray(message(question, MX, 'example.com. 60 IN TXT "x"', authority=(SOA,)).to_wire())
        for _times in range(random.randint(1, 4)):
            wire[random.randrange(2, len(wire))] = random.randrange(256)
        return bytes(wire)

    with LameServer(damaged) as server:
        answers = Resolver([server.address], 1.5).lookup_all(
            [(ZONE, "MX"), *((f"{n}.{ZONE}", "MX") for n in range(300))]
        )
    assert {answer.outcome for answer in answers.values()} <= set(Outcome)


@pytest.mark.slow
def test_short_of_sockets_it_waits_and_blames_nobody() -> None:
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    with LameServer(slow(saying(MX), 0.1)) as server:
        used = len([*Path("/proc/self/fd").iterdir()])
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, usual[1]))
        try:
            answers = Resolver([server.address]).lookup_all([(f"{n}.{ZONE}", "MX") for n in range(60)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert {answer.outcome for answer in answers.values()} == {Outcome.NO_DATA}


def test_nobody_listens() -> None:
    assert Resolver([f"127.0.0.1:{free_port()}"]).lookup(ZONE, "MX").outcome is Outcome.NO_SERVER


def test_the_next_server_is_asked_when_one_fails() -> None:
    with LameServer(saying(rcode="SERVFAIL")) as ill, LameServer(saying(MX)) as well:
        assert Resolver([ill.address, well.address]).lookup(ZONE, "MX").values


@pytest.mark.slow
def test_a_resolver_that_takes_its_time_is_waited_for() -> None:
    def second(question: dns.message.Message, _: bool) -> bytes | None:
        # As one does that has to ask many others: what came first is answered with what comes later.
        time.sleep(2.0)
        return message(question, MX).to_wire()

    assert asked(second).values == ("10 mail.example.com",)


@pytest.mark.slow
def test_a_resolver_silent_about_one_name_is_asked_for_others() -> None:
    def mixed(question: dns.message.Message, _: bool) -> bytes | None:
        return None if "dead" in str(question.question[0].name) else message(question, MX).to_wire()

    with LameServer(mixed) as server:
        resolver = Resolver([server.address])
        assert resolver.lookup("dead.example.net", "MX").outcome is Outcome.TIMEOUT
        assert resolver.lookup(ZONE, "MX").values


@pytest.mark.slow
def test_a_silent_resolver_is_asked_last_from_then_on() -> None:
    with LameServer(silent) as dead, LameServer(saying(MX)) as well:
        resolver = Resolver([dead.address, well.address])
        for number in range(20):
            assert resolver.lookup(f"host{number}.example.com", "A").outcome is Outcome.NO_DATA
        assert (dead.asked.total(), well.asked.total()) == (1, 20)


@pytest.mark.slow
def test_what_a_resolver_says_counts_more_than_silence() -> None:
    with LameServer(silent) as dead, LameServer(saying(rcode="SERVFAIL")) as ill:
        answer = Resolver([f"127.0.0.1:{free_port()}", dead.address, ill.address]).lookup(ZONE, "MX")
    assert answer.outcome is Outcome.SERVFAIL


@pytest.mark.slow
def test_a_name_server_that_was_silent_twice_is_not_waited_for_again() -> None:
    with LameServer(silent) as dead, LameServer(saying(MX)) as well:
        resolver = Resolver([well.address], zones={ZONE: (dead.address, well.address)})
        resolver.authoritative_all([(f"host{number}.{ZONE}", "TXT") for number in range(15)])
        before = dead.asked.total()
        answer = resolver.authoritative(ZONE, "MX")
        assert dead.asked.total() == before <= 30
    assert [server.outcome for server in answer.servers] == [Outcome.TIMEOUT, Outcome.FOUND]


@pytest.mark.slow
def test_many_dead_name_servers_are_given_up_together() -> None:
    with ExitStack() as stack:
        well = stack.enter_context(LameServer(saying(MX)))
        dead = [stack.enter_context(LameServer(silent)) for _ in range(8)]
        resolver = Resolver([well.address], zones={ZONE: tuple(server.address for server in dead)})
        answers = resolver.authoritative_all([(f"host{number}.{ZONE}", "MX") for number in range(60)])
        # Of 480 questions only those under way at once are sent, each twice.
        assert sum(server.asked.total() for server in dead) < 200
    assert {answer.outcome for answer in answers.values()} == {Outcome.NO_DATA}


@pytest.mark.slow
def test_the_deadline_holds_whatever_they_do() -> None:
    with LameServer(silent) as server:
        resolver = Resolver([server.address], deadline=2.5)
        answers = resolver.authoritative_all([(f"host{number}.example.com", "TXT") for number in range(200)])
        # Only those under way at once were sent, each with its SOA question: then the time was up.
        assert server.asked.total() < 200
    outcomes = [answer.outcome for answer in answers.values()]
    assert {*outcomes} == {Outcome.TIMEOUT, Outcome.UNASKED} and outcomes.count(Outcome.TIMEOUT) <= 40
    assert resolver.lookup("later.example.com", "A").outcome is Outcome.UNASKED


def test_what_there_was_no_time_for_is_asked_when_there_is() -> None:
    with LameServer(saying(MX)) as server:
        resolver = Resolver([server.address])
        resolver.allow(0.0)
        assert resolver.authoritative(ZONE, "MX").outcome is Outcome.UNASKED
        resolver.allow(1.0)
        assert resolver.lookup(ZONE, "MX").values


@pytest.mark.slow
def test_a_server_that_had_no_chance_to_answer_is_not_called_silent() -> None:
    with LameServer(slow(saying(MX), 0.8)) as server:
        resolver = Resolver([server.address], zones={ZONE: (server.address,)})
        resolver.allow(0.06)
        answer = resolver.authoritative(ZONE, "MX")
        assert answer.outcome is Outcome.TIMEOUT
        resolver.allow(1.0)
        assert resolver.authoritative(f"other.{ZONE}", "MX").servers[0].outcome is Outcome.NO_DATA


@pytest.mark.slow
def test_the_search_for_a_zone_ends_at_the_first_name_that_nobody_answers_for() -> None:
    with LameServer(silent) as server:
        Resolver([server.address], 4.0).authoritative("1.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR")
        assert {name for name, _, _ in server.asked} == {"1.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"}


# --- the zone's own servers --------------------------------------------------------------------------------
def pinned(*servers: LameServer) -> Resolver:
    """One that knows the name servers of the zone, and asks the first for everything else."""
    addresses = tuple(server.address for server in servers)
    return Resolver([addresses[0]], zones={ZONE: addresses})


def test_each_of_them_is_asked_and_kept_apart() -> None:
    old = "example.com. 900 IN MX 10 old.example.com."
    with LameServer(saying(MX)) as first, LameServer(saying(MX)) as second, LameServer(saying(old)) as third:
        answer = pinned(first, second, third).authoritative(ZONE, "MX")
    assert answer.values == ("10 mail.example.com",)
    assert [(server.outcome, server.values, server.ttl) for server in answer.servers] == [
        (Outcome.FOUND, ("10 mail.example.com",), 300),
        (Outcome.FOUND, ("10 mail.example.com",), 300),
        (Outcome.FOUND, ("10 old.example.com",), 900),
    ]


def test_one_that_fails_is_its_own_outcome() -> None:
    with LameServer(saying(MX)) as good, LameServer(saying(rcode="SERVFAIL")) as ill:
        answer = pinned(good, ill).authoritative(ZONE, "MX")
    assert answer.values and [server.outcome for server in answer.servers] == [
        Outcome.FOUND,
        Outcome.SERVFAIL,
    ]


def test_one_that_refers_to_others_is_lame() -> None:
    def referral(question: dns.message.Message, _: bool) -> bytes:
        answer = message(question, authority=("example.com. 60 IN NS ns.example.net.",))
        answer.flags &= ~dns.flags.AA
        return answer.to_wire()

    with LameServer(saying(MX)) as good, LameServer(referral) as lame:
        answer = pinned(good, lame).authoritative(ZONE, "MX")
    assert [server.outcome for server in answer.servers] == [Outcome.FOUND, Outcome.LAME]


def test_one_that_knows_by_hearsay_is_lame() -> None:
    def cache(question: dns.message.Message, _: bool) -> bytes:
        answer = message(question, MX)
        answer.flags &= ~dns.flags.AA
        return answer.to_wire()

    with LameServer(saying(MX)) as good, LameServer(cache) as lame:
        answer = pinned(good, lame).authoritative(ZONE, "MX")
    assert [server.outcome for server in answer.servers] == [Outcome.FOUND, Outcome.LAME]


def test_when_none_of_them_answers_the_resolver_counts() -> None:
    with LameServer(saying(MX)) as resolver:
        dead = f"127.0.0.1:{free_port()}"
        answer = Resolver([resolver.address], zones={ZONE: (dead,)}).authoritative(ZONE, "MX")
    assert answer.values and answer.servers == ()


def test_questions_that_are_alike_are_asked_once() -> None:
    with LameServer(saying(MX)) as server:
        resolver = Resolver([server.address])
        resolver.lookup_all([(ZONE, "MX")] * 5)
        resolver.lookup(ZONE, "MX")
        assert server.asked[ZONE, "MX", "udp"] == 1


def test_what_only_those_accept_who_check_no_signature_is_a_failure() -> None:
    def checking(question: dns.message.Message, _: bool) -> bytes:
        unchecked = question.flags & dns.flags.CD
        return message(
            question, *([MX] if unchecked else []), rcode="NOERROR" if unchecked else "SERVFAIL"
        ).to_wire()

    with LameServer(checking) as resolver, LameServer(saying(MX)) as good:
        answer = Resolver([resolver.address], zones={ZONE: (good.address,)}).authoritative(ZONE, "MX")
    assert (answer.outcome, answer.values) == (Outcome.SERVFAIL, ())
    assert [server.outcome for server in answer.servers] == [Outcome.FOUND]


def test_a_resolver_that_fails_by_itself_does_not_count() -> None:
    with LameServer(saying(rcode="SERVFAIL")) as ill, LameServer(saying(MX)) as good:
        assert Resolver([ill.address], zones={ZONE: (good.address,)}).authoritative(ZONE, "MX").values


# --- finding them ------------------------------------------------------------------------------------------
def world(*lines: str) -> Reply:
    """Answers by name and type, and with the SOA of the zone where there is nothing."""

    def reply(question: dns.message.Message, _: bool) -> bytes:
        name, type_ = question.question[0].to_text().split()[::2]
        mine = [line for line in lines if line.split()[0] == name and line.split()[3] in {type_, "CNAME"}]
        return message(question, *mine, authority=() if mine else (SOA,)).to_wire()

    return reply


def test_they_are_those_of_the_zone_that_the_name_is_in() -> None:
    lines = ["example.com. 60 IN NS ns.example.com.", "ns.example.com. 60 IN A 127.0.0.1", MX]
    with LameServer(world(*lines)) as server:
        answer = Resolver([server.address], port=server.port).authoritative("a.b.example.com", "TXT")
    assert answer.outcome is Outcome.NO_DATA
    assert [(server.server, server.address) for server in answer.servers] == [("ns.example.com", "127.0.0.1")]


def test_behind_an_alias_they_are_still_those_of_the_name() -> None:
    alias, there = "key.example.com. 60 IN CNAME key.example.net.", 'key.example.net. 60 IN TXT "v=DKIM1"'
    lines = ["example.com. 60 IN NS ns.example.com.", "ns.example.com. 60 IN A 127.0.0.1", alias]
    other = "example.net. 900 IN SOA ns.example.net. hostmaster.example.net. 1 1 1 1 120"

    def reply(question: dns.message.Message, _: bool) -> bytes:
        if not question.question[0].to_text().startswith("key.") or not question.flags & dns.flags.RD:
            return world(*lines)(question, False)  # type: ignore[return-value]
        is_text = question.question[0].rdtype.name == "TXT"
        return message(
            question, alias, *([there] if is_text else []), authority=() if is_text else (other,)
        ).to_wire()

    with LameServer(reply) as server:
        answer = Resolver([server.address], port=server.port).authoritative("key.example.com", "TXT")
    assert (answer.values, answer.cname) == (("v=DKIM1",), "key.example.net")
    assert [(server.server, server.values) for server in answer.servers] == [("ns.example.com", ("v=DKIM1",))]


def test_there_are_none_for_a_name_that_only_a_registry_knows() -> None:
    soa = "com. 900 IN SOA a.nic.com. hostmaster.nic.com. 1 1 1 1 120"
    with LameServer(saying(rcode="NXDOMAIN", authority=(soa,))) as server:
        answer = Resolver([server.address], port=server.port).authoritative(ZONE, "MX")
    assert (answer.outcome, answer.servers) == (Outcome.NXDOMAIN, ())
