"""What takes a name out of a zone, by what a primary answers; the real ones are in the other files here."""

from __future__ import annotations

import dns.message
import dns.name
import pytest

from dnsrecords.publishing.services.reach import Reach
from dnsrecords.publishing.services.rfc2136 import Rfc2136, Tsig
from tests.rig.lameserver import message

ZONE = "example.com"


def outside(name: str, *lines: str, authority: tuple[str, ...] = ()) -> str:
    service = Rfc2136("192.0.2.1", 53, ZONE, Tsig("key", "hmac-sha256", "QUJDREVGR0hJSktMTU5PUA=="), Reach())
    answer = message(dns.message.make_query(name, "CNAME"), *lines, authority=authority)
    taken = service._outside(answer, dns.name.from_text(name))
    return taken.above if taken else ""


@pytest.mark.parametrize("owner", ["example.com", "_tcp.example.com"])
def test_a_dname_record_takes_the_names_below_it_and_not_its_own(owner: str) -> None:
    line = f"{owner}. 60 IN DNAME elsewhere.example."
    assert outside(f"_imaps.{owner}", line) == f"the DNAME record at {owner} leads elsewhere"
    assert not outside(owner, line)


def test_a_delegation_takes_the_name_and_all_below_and_the_zones_own_servers_take_none() -> None:
    cut = "sub.example.com. 60 IN NS ns.example.net."
    for name in ("sub.example.com", "_dmarc.sub.example.com"):
        assert outside(name, authority=(cut,)) == "sub.example.com is delegated to other name servers"
    assert not outside("www.example.com", authority=("example.com. 60 IN NS ns.example.net.",))


def test_a_zone_on_the_same_server_takes_its_names() -> None:
    soa = "{}. 60 IN SOA ns.example.net. hostmaster.example.net. 1 1 1 1 1"
    below = (soa.format("sub.example.com"),)
    assert outside("_dmarc.sub.example.com", authority=below) == "sub.example.com is a separate zone"
    assert not outside("_dmarc.example.com", authority=(soa.format("example.com"),))
