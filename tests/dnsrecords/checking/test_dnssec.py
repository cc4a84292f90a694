"""Whether the zone of a host is signed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dnsrecords.answers import Answer, Lookup, Outcome
from dnsrecords.checking import dnssec
from dnsrecords.lookup.resolver import Resolver

if TYPE_CHECKING:
    from tests.rig.nameserver import Nameserver

HOST = "mail.example.co.uk"


def world(*there: tuple[str, str], validated: bool = False, cname: str = "") -> Lookup:
    """Where these names have records of these types."""

    def lookup(name: str, type_: str) -> Answer:
        exists = (name, type_) in there
        answer = Answer(name, type_, Outcome.FOUND if exists else Outcome.NO_DATA, ("x",) if exists else ())
        return replace(answer, authenticated=validated, cname=cname)

    return lookup


def test_a_zone_with_keys_is_signed() -> None:
    assert dnssec.is_signed(HOST, world(("example.co.uk", "SOA"), ("example.co.uk", "DNSKEY")))
    assert dnssec.is_signed(HOST, world(("example.co.uk", "SOA"))) is False


def test_the_nearest_zone_counts_and_not_a_registrys() -> None:
    registry = [("co.uk", "SOA"), ("co.uk", "DNSKEY")]
    assert not dnssec.is_signed(HOST, world(("example.co.uk", "SOA"), *registry))
    assert not dnssec.is_signed("mail.example.com", world(("com", "SOA"), ("com", "DNSKEY")))


def test_a_resolver_that_validates_is_believed() -> None:
    assert dnssec.is_signed(HOST, world(validated=True))
    # It has validated where the alias leads, and that is another zone.
    assert not dnssec.is_signed(HOST, world(validated=True, cname="elsewhere.example"))


@pytest.mark.parametrize("silent", ["SOA", "DNSKEY"])
def test_servers_that_do_not_answer_leave_it_open(silent: str) -> None:
    answers = world(("example.co.uk", "SOA"), ("example.co.uk", "DNSKEY"))

    def lookup(name: str, type_: str) -> Answer:
        return Answer(name, type_, Outcome.TIMEOUT) if type_ == silent else answers(name, type_)

    assert dnssec.is_signed(HOST, lookup) is None


def test_everything_that_is_asked_was_announced() -> None:
    asked: set[tuple[str, str]] = set()

    def lookup(name: str, type_: str) -> Answer:
        asked.add((name, type_))
        return world()(name, type_)

    assert not dnssec.is_signed(HOST, lookup)
    assert asked <= set(dnssec.questions(HOST))
    assert not dnssec.questions("")


@pytest.mark.real
@pytest.mark.parametrize("signed", [True, False])
def test_a_real_zone_is_seen_as_it_is(nameserver: Nameserver, signed: bool) -> None:
    zone = f"signed-{signed}.test".lower()
    nameserver.publish(zone, ["mail A 192.0.2.1"], signed=signed)
    with Resolver([nameserver.address]) as resolver:
        resolver.lookup_all(dnssec.questions(f"mail.{zone}"))
        assert dnssec.is_signed(f"mail.{zone}", resolver.lookup) is signed
