"""Addresses of name servers, as an operator writes them."""

from __future__ import annotations

import socket

import pytest

from dnsrecords.lookup import addresses


def test_an_address_may_have_a_port() -> None:
    parsed = {
        "192.0.2.1": ("192.0.2.1", 53),
        "192.0.2.1:5353": ("192.0.2.1", 5353),
        "2001:db8::1": ("2001:db8::1", 53),
        "[2001:db8::1]": ("2001:db8::1", 53),
        "[2001:db8::1]:5353": ("2001:db8::1", 5353),
        "::1": ("::1", 53),
    }
    assert {text: addresses.parse(text) for text in parsed} == parsed


def test_without_one_it_is_the_usual_one() -> None:
    assert addresses.parse("192.0.2.1", 5300) == ("192.0.2.1", 5300)
    assert addresses.parse("192.0.2.1:53", 5300) == ("192.0.2.1", 53)


@pytest.mark.parametrize("text", ["192.0.2.1:dns", "[::1]:dns"])
def test_a_port_is_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="dns"):
        addresses.parse(text)


@pytest.mark.parametrize(
    ("routed", "types"),
    [
        ({socket.AF_INET, socket.AF_INET6}, ("A", "AAAA")),
        ({socket.AF_INET}, ("A",)),
        ({socket.AF_INET6}, ("AAAA",)),
        (set(), ("A", "AAAA")),
    ],
)
def test_only_what_can_be_reached_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, routed: set[socket.AddressFamily], types: tuple[str, ...]
) -> None:
    monkeypatch.setattr(addresses, "_has_route", lambda family, far: family in routed)
    assert addresses.reachable_types() == types
