"""The real name servers work: what they serve, sign, accept and refuse."""

from __future__ import annotations

from collections.abc import Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.rig import listening, or_skip
from tests.rig.bind import Bind
from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.real

THEIRS = ["www A 192.0.2.7", '@ TXT "not ours"']


@pytest.fixture(scope="module")
def knot() -> Iterator[Nameserver]:
    with or_skip(Nameserver) as running:
        yield running


@pytest.fixture(scope="module")
def bind() -> Iterator[Bind]:
    with or_skip(lambda: Bind({"one.test": THEIRS, "two.test": THEIRS, "kept.test": THEIRS})) as running:
        yield running


def asked(server: Nameserver | Bind, name: str, type_: str) -> dns.message.Message:
    """With signatures, where there are some."""
    query = dns.message.make_query(name, type_, want_dnssec=True)
    return dns.query.tcp(query, server.host, timeout=5, port=server.port)


def values(server: Nameserver | Bind, name: str, type_: str) -> list[str]:
    answers = asked(server, name, type_).answer
    return [str(data) for rrset in answers for data in rrset if rrset.rdtype != dns.rdatatype.RRSIG]


# --- Knot --------------------------------------------------------------------------------------------------
def test_a_zone_is_there_once_published_and_another_is_refused(knot: Nameserver) -> None:
    knot.publish("here.test", ["@ MX 10 mail"])
    assert values(knot, "here.test", "MX") == ["10 mail.here.test."]
    assert asked(knot, "elsewhere.test", "MX").rcode() == dns.rcode.REFUSED


def test_a_zone_changes_and_goes(knot: Nameserver) -> None:
    knot.publish("changing.test", ["www A 192.0.2.1"])
    knot.publish("changing.test", ["www A 192.0.2.2"])
    assert values(knot, "www.changing.test", "A") == ["192.0.2.2"]
    knot.withdraw("changing.test")
    assert asked(knot, "www.changing.test", "A").rcode() == dns.rcode.REFUSED


def test_a_signed_zone_has_keys_and_signatures(knot: Nameserver) -> None:
    knot.publish("signed.test", ["www A 192.0.2.1"], signed=True)
    types = {rrset.rdtype.name for rrset in asked(knot, "www.signed.test", "A").answer}
    assert types == {"A", "RRSIG"}
    assert len(values(knot, "signed.test", "DNSKEY")) >= 1


def test_many_zones_at_once(knot: Nameserver) -> None:
    knot.publish_all({f"many{number}.test": ["www A 192.0.2.1"] for number in range(50)})
    assert values(knot, "www.many49.test", "A") == ["192.0.2.1"]


def test_it_comes_back_with_its_zones(knot: Nameserver) -> None:
    knot.publish("lasting.test", ["www A 192.0.2.1"])
    knot.stop()
    assert not listening(knot.port)
    knot.start()
    assert values(knot, "www.lasting.test", "A") == ["192.0.2.1"]


def test_two_share_a_port_on_two_hosts(knot: Nameserver) -> None:
    with Nameserver(host="127.0.0.2", port=knot.port) as second:
        second.publish("second.test", ["www A 192.0.2.2"])
        assert values(second, "www.second.test", "A") == ["192.0.2.2"]
        assert asked(knot, "www.second.test", "A").rcode() == dns.rcode.REFUSED


# --- BIND --------------------------------------------------------------------------------------------------
def test_a_signed_change_is_taken_and_other_records_stay(bind: Bind) -> None:
    assert bind.update("one.test", "add @ 300 TXT ours", "add mail 300 A 192.0.2.1") == "NOERROR"
    assert {'@ TXT "ours"', '@ TXT "not ours"', "mail A 192.0.2.1", "www A 192.0.2.7"} <= bind.records(
        "one.test"
    )
    assert bind.update("one.test", "delete @ TXT ours") == "NOERROR"
    assert '@ TXT "ours"' not in bind.records("one.test")


def test_another_key_another_secret_and_another_name_are_refused(bind: Bind) -> None:
    before = bind.records("two.test")
    change = "add mail 300 A 192.0.2.1"
    other = {"key_name": bind.other_key_name, "secret": bind.other_secret}
    assert bind.update("two.test", change, **other) == "REFUSED"
    assert bind.update("two.test", change, secret=bind.other_secret) == "PeerBadSignature"
    assert bind.update("two.test", change, key_name="nobody") == "PeerBadKey"
    assert bind.records("two.test") == before


def test_a_change_outlives_a_crash(bind: Bind) -> None:
    assert bind.update("kept.test", "add mail 300 A 192.0.2.1") == "NOERROR"
    bind.kill()
    bind.start()
    assert values(bind, "mail.kept.test", "A") == ["192.0.2.1"]
