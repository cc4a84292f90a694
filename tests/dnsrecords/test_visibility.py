"""Addresses that others can see."""

from __future__ import annotations

from dnsrecords.records.facts import Facts
from dnsrecords.visibility import is_visible

HIDDEN = (
    "10.0.0.5 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 169.254.1.1 0.0.0.0 224.0.0.1 "
    "255.255.255.255 fd00::1 fc00::1 fe80::1 fec0::1 ff02::1 :: ::ffff:10.0.0.5"
)
SEEN = "8.8.8.8 203.0.113.9 172.32.0.1 172.15.0.1 100.63.0.1 100.128.0.1 192.167.1.1 2001:db8::1 2a00::1 ::ffff:8.8.8.8"


def test_addresses_of_a_site_are_hidden_and_all_others_are_seen() -> None:
    assert [text for text in HIDDEN.split() if is_visible(text)] == []
    assert [text for text in SEEN.split() if not is_visible(text)] == []


def test_a_node_with_both_is_known_by_those_that_are_seen() -> None:
    facts = Facts("example.com", "mail.example.com").at(["10.0.0.5", "203.0.113.9"])
    assert (facts.addresses, facts.hidden_addresses) == (("203.0.113.9",), ("10.0.0.5",))
