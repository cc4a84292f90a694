"""Checking a domain whose name servers, or whose resolvers, do not have the same records yet."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dnsrecords.checking import check
from dnsrecords.models import DomainCheck
from dnsrecords.verdicts import Status
from tests.dnsrecords.mistakes import facts_of, zone_lines
from tests.mailboxes import factories
from tests.rig.nameserver import Nameserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.checking.results import Result

pytestmark = pytest.mark.real
TWO_SERVERS = ["@ NS ns1", "@ NS ns2", "ns1 A 127.0.0.1", "ns2 A 127.0.0.2"]


@pytest.fixture(scope="module")
def second(server: Nameserver) -> Iterator[Nameserver]:
    """On the same port of another host, as the name servers of one zone have it."""
    with Nameserver(host="127.0.0.2", port=server.port) as running:
        yield running


@pytest.fixture
def pair(
    nameserver: Nameserver, second: Nameserver, monkeypatch: pytest.MonkeyPatch
) -> tuple[Nameserver, Nameserver]:
    """The two name servers of every zone; the first is the resolver too."""
    monkeypatch.setattr(check, "PORT", nameserver.port)
    return nameserver, second


def look(domain: str, pair: tuple[Nameserver, Nameserver], behind: str = "") -> dict[str, Result]:
    """Record id → result, where the second server lacks the lines with the word ``behind``."""
    facts = facts_of(domain)
    lines = [*TWO_SERVERS, *zone_lines(facts, None)]
    pair[0].publish(domain, lines)
    pair[1].publish(domain, [line for line in lines if not behind or behind not in line])
    return {result.record.id: result for result in check.look(replace(facts, addresses=()))}


def test_what_every_name_server_has_is_there_for_all(pair: tuple[Nameserver, Nameserver]) -> None:
    results = look("both.test", pair)
    for record in ("mx", "spf", "dkim", "dmarc"):
        assert (results[record].verdict.status, results[record].everywhere) == (Status.OK, True)
        assert results[record].propagation == "seen on all 2 name servers"


def test_what_one_name_server_lacks_is_on_its_way(pair: tuple[Nameserver, Nameserver]) -> None:
    results = look("half.test", pair, "_domainkey")
    assert (results["dkim"].verdict.ok, results["dkim"].everywhere) == (False, False)
    assert results["dkim"].propagation.startswith("seen on 1 of 2 name servers, the rest within ")
    assert results["mx"].everywhere


def test_with_several_resolvers_each_is_asked(pair: tuple[Nameserver, Nameserver], settings: Any) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = [server.address for server in pair]
    results = look("readers.test", pair, "_dmarc")
    assert results["mx"].propagation == "seen on all 2 name servers; seen on all 2 resolvers"
    assert "; seen on 1 of 2 resolvers, the rest within " in results["dmarc"].propagation


def test_a_resolver_that_is_down_is_counted_and_hides_nothing(
    pair: tuple[Nameserver, Nameserver], settings: Any
) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = [pair[0].address, "127.0.0.3:9"]
    results = look("down.test", pair)
    assert results["spf"].verdict.ok
    assert results["spf"].propagation.endswith("seen on 1 of 2 resolvers, 1 did not answer")


@pytest.mark.parametrize("stale", ["CNAME there", "CNAME gone.elsewhere.test.", 'TXT "v=DKIM1; p="'])
def test_a_name_server_with_an_old_zone_is_told_from_those_that_have_the_record(
    pair: tuple[Nameserver, Nameserver], stale: str
) -> None:
    facts = facts_of("stale.test")
    lines = [*TWO_SERVERS, *zone_lines(facts, None)]
    pair[0].publish("stale.test", lines)
    old = [line for line in lines if "_domainkey" not in line]
    there = ['there TXT "v=DKIM1; k=rsa; p=QUJD"', f"quazzar._domainkey {stale}"]
    pair[1].publish("stale.test", [*old, *there])
    result = {result.record.id: result for result in check.look(replace(facts, addresses=()))}["dkim"]
    assert (result.verdict.ok, result.everywhere) == (False, False)
    assert result.propagation.startswith("seen on 1 of 2 name servers")
    assert "If ns2.stale.test does not follow" in result.verdict.message
    target = stale.removeprefix("CNAME ").rstrip(".") if stale.startswith("CNAME") else ""
    assert ("is a CNAME to" in result.verdict.message) is bool(target)
    if target:
        assert f"is a CNAME to {target.replace('there', 'there.stale.test')}" in result.verdict.message


@pytest.mark.django_db
def test_a_domain_whose_name_servers_are_dead_delays_no_other(
    nameserver: Nameserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, *living = [factories.domain(f"{name}.test") for name in ("dead", "one", "two", "three")]
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.9", 0))
        monkeypatch.setattr(check, "PORT", silent.getsockname()[1])
        nameserver.publish(dead.name, ["@ NS ns", "ns A 127.0.0.9"])
        for domain in living:
            nameserver.publish(domain.name, ["@ MX 10 mail"])
        DomainCheck.objects.bulk_create(DomainCheck(domain=domain) for domain in (dead, *living))
        assert check.check_due() == 4
    order = DomainCheck.objects.order_by("checked_at").values_list("domain__name", flat=True)
    assert order.last() == dead.name
    assert DomainCheck.objects.exclude(checked_at=None).count() == 4


def test_without_a_resolver_that_can_be_reached_it_is_said_whose_fault_that_is(settings: Any) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = ["127.0.0.3:9"]
    results = check.look(facts_of("unknown.test"))
    assert {result.verdict.status for result in results if result.record.required} == {Status.ERROR}
    assert "QUAZZAR_DNS_RESOLVERS" in results[0].verdict.message
