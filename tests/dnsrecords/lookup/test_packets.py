"""What plain messages say is what dnspython says of them; whatever else arrives is left to dnspython."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dnsrecords.lookup import packets, wire
from dnsrecords.lookup.wire import Message, Packet, Query
from tests.tiers import fewer

TYPES = ("A", "AAAA", "CNAME", "DNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT", "TLSA", "CAA")
NAMES = (
    "example.com.",
    "Mail.Example.COM.",
    "_dmarc.example.com.",
    "www.example.com.",
    "*.example.com.",
    ".",
)
SOA = "ns1.Example.com. Hostmaster.example.com. 7 3600 600 86400 300"
DATA = {
    "A": ("192.0.2.1", "192.0.2.2", "0.0.0.0"),
    "AAAA": ("2001:db8::1", "::", "::1", "::ffff:192.0.2.1", "2001:db8:0:1::", "1:0:0:2:0:0:0:3"),
    "CNAME": NAMES[:4],
    "DNAME": ("example.net.", "com."),
    "MX": ("10 mail.example.com.", "10 Mail.example.com.", "0 .", "65535 a.b.c.example."),
    "NS": ("ns1.example.com.", "NS1.example.com.", "ns2.example.net."),
    "PTR": ("mail.example.com.",),
    "SOA": (SOA, "a. b. 1 2 3 4 4000000000"),
    "SRV": ("1 2 993 mail.example.com.", "0 0 0 ."),
    "TXT": ('"v=spf1 -all"', '"v=spf1" " -all"', '""', r'"\200\255" "x"', f'"{"a" * 255}" "b"'),
    "TLSA": (f"3 1 1 {'ab' * 32}",),
    "CAA": ('0 issue "ca.example"',),
    # Left to dnspython.
    "HINFO": ("a b",),
}


def messages(count: int, seed: int = 1) -> Iterator[tuple[Query, bytes]]:
    """Queries, each with an answer made of anything that a name server may put together."""
    chance = random.Random(seed)
    for number in range(count):
        asked = Query(chance.choice(NAMES[:4]), chance.choice(TYPES), int(dns.flags.RD), number)
        answer = dns.message.make_response(asked.message, recursion_available=True)
        answer.flags |= chance.choice((0, dns.flags.AA, dns.flags.AD, dns.flags.TC))
        answer.set_rcode(dns.rcode.Rcode(chance.choice((0, 0, 0, 0, 1, 2, 3, 5, 9))))
        if chance.random() < 0.1:
            answer.question = []
        for section in (answer.answer, answer.authority, answer.additional):
            for _ in range(chance.choice((0, 1, 2, 4))):
                wanted = chance.random() < 0.5
                type_ = asked.type if wanted else chance.choice(list(DATA))
                chosen = chance.choices(DATA[type_], k=chance.choice((1, 2, 3)))
                owner = asked.name if wanted else chance.choice(NAMES)
                section.append(
                    dns.rrset.from_text(owner, chance.choice((0, 60, 3600, 2**31 - 1)), "IN", type_, *chosen)
                )
        yield asked, answer.to_wire(max_size=65535)


def both(asked: Query, data: bytes) -> tuple[object, object]:
    """What the plain reader and dnspython make of a packet; the first is None if it is left to dnspython."""
    try:
        reply = packets.Reply(data)
    except packets.UnusualError:
        return None, None
    message = dns.message.from_wire(data)
    plain = asked._plain
    assert plain is not None and reply.is_for(plain) == asked.message.is_response(message)
    return tuple(
        (
            read.rcode,
            int(read.flags),
            read.zone(),
            [read.answer(name.rstrip(".") or ".", type_) for name in NAMES[:4] for type_ in TYPES],
        )
        for read in (Packet(reply), Message(message))
    )  # type: ignore[return-value]


@pytest.mark.long
def test_both_read_the_same() -> None:
    plain = 0
    for asked, data in messages(fewer(400, 4000)):
        ours, theirs = both(asked, data)
        assert ours == theirs, data
        plain += ours is not None
    assert plain > 100


def test_a_query_is_the_same_to_the_byte() -> None:
    for type_ in TYPES:
        for name in ("example.com", "_dmarc.Example.com.", "a-b.example"):
            asked = wire.query(name, type_, int(dns.flags.RD | dns.flags.AD))
            assert asked is not None and asked._plain is not None
            for each in (asked, asked.without_edns()):
                assert each.data.lower() == each.message.to_wire().lower()


@pytest.mark.parametrize("name", ["bücher.example", r"a\.b.example", r"a\000b.example", "a b.example", "."])
def test_dnspython_asks_about_odd_names(name: str) -> None:
    asked = wire.query(name, "A", 0)
    assert asked is not None and asked._plain is None and asked.data == asked.message.to_wire()


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", ".".join(["x" * 60] * 5)])
def test_names_that_cannot_be_asked_about_are_not(name: str) -> None:
    assert wire.query(name, "A", 0) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: setattr(answer, "id", answer.id ^ 1),
        lambda answer: setattr(answer, "flags", answer.flags & ~dns.flags.QR),
        lambda answer: setattr(answer, "question", []),
        lambda answer: setattr(answer, "question", dns.message.make_query("example.net", "A").question),
        lambda answer: setattr(answer, "question", dns.message.make_query("example.com", "AAAA").question),
    ],
)
def test_an_answer_to_another_question_is_none(change: Callable[[dns.message.Message], None]) -> None:
    asked = Query("example.com", "A", 0, 7)
    answer = dns.message.make_response(asked.message)
    assert isinstance(asked.read(answer.to_wire()), Packet)
    change(answer)
    assert asked.read(answer.to_wire()) is None


def test_a_packet_that_is_cut_short_has_to_be_fetched() -> None:
    for name in ("example.com", r"a\.b.example"):
        asked = Query(name, "A", 0, 7)
        answer = dns.message.make_response(asked.message)
        answer.flags |= dns.flags.TC
        with pytest.raises(wire.Truncated):
            asked.read(answer.to_wire())
        answer.id = 8
        assert asked.read(answer.to_wire()) is None and asked.read(answer.to_wire()[:11]) is None


@pytest.mark.long
def test_what_is_broken_is_left_to_dnspython() -> None:
    chance = random.Random(2)
    for asked, whole in messages(fewer(1000, 20_000), seed=3):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 5))):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 12, 63, 64, 0xC0, chance.randrange(256)))
        cut = bytes(data[: chance.choice((len(data), len(data), chance.randrange(len(data) + 1)))])
        ours, theirs = both(asked, cut + chance.choice((b"", b"", b"\0")))
        assert ours == theirs, cut
