"""Which name servers publishing may connect to: the world's, on the ports of DNS, and what a variable names."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from dnsrecords.publishing.services import PublishFailed
from dnsrecords.publishing.services.reach import Reach
from dnsrecords.publishing.services.rfc2136 import Rfc2136, Tsig

ANYWHERE = Reach()
TSIG = Tsig("key", "hmac-sha256", "QUJDREVGR0hJSktMTU5PUA==")
#: This node itself, and where clouds keep a machine's secrets, in every spelling that the kernel understands.
SPECIAL = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "169.254.169.254", "169.254.0.9", "::ffff:169.254.169.254", "fe80::1",
    "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "ff02::1",
    "255.255.255.255",
]  # fmt: skip


@pytest.mark.parametrize("address", SPECIAL)
def test_what_only_this_node_reaches_is_refused_on_every_port(address: str) -> None:
    for port in (53, 853, 443, 80, 22):
        assert "QUAZZAR_DNS_PRIMARIES" in ANYWHERE.objection(address, port)


def test_elsewhere_the_ports_of_dns_are_allowed_and_no_others() -> None:
    for address in ("192.0.2.53", "2001:db8::53", "10.0.0.5", "192.168.1.1", "fd12::1"):
        assert [port for port in range(1, 1000) if not ANYWHERE.objection(address, port)] == [53, 443, 853]


def test_what_the_variable_names_may_be_asked_on_every_port() -> None:
    reach = Reach((ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("192.0.2.0/24")))
    assert not reach.objection("127.0.0.1", 5353) and not reach.objection("192.0.2.9", 8053)
    assert reach.objection("127.0.0.2", 53) and reach.objection("198.51.100.1", 5353)


@pytest.mark.parametrize(
    ("resolvers", "address", "allowed"),
    [
        ([], "127.0.0.1", False), (["127.0.0.1"], "127.0.0.2", True), (["[::1]:5353"], "127.0.0.1", True),
        (["192.0.2.1:53"], "127.0.0.1", False), (["192.0.2.1:53"], "192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        (["2001:db8::1"], "2001:db8::1", True),
    ],
)  # fmt: skip
def test_resolvers_that_are_named_are_trusted_too(
    settings: Any, resolvers: list[str], address: str, allowed: bool
) -> None:
    settings.QUAZZAR_DNS_RESOLVERS, settings.QUAZZAR_DNS_PRIMARIES = resolvers, []
    assert (not Reach.from_settings().objection(address, 5353)) == allowed


def test_a_name_is_judged_by_where_it_leads_and_asked_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of the name's zone could point it here."""
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 53))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it connected"))
    with pytest.raises(PublishFailed) as caught:
        Rfc2136("ns.attacker.test", 53, "a.test", TSIG, ANYWHERE).read([("a.test", "MX")])
    assert caught.value.code == "update_not_allowed" and "metadata" in caught.value.message
