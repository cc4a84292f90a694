"""Which address mail comes from when nobody said."""

from __future__ import annotations

import socket

import pytest

from mailrelay.mail import addresses
from mailrelay.relay.target import default_from


@pytest.mark.parametrize(
    ("from_address", "username", "expected"),
    [
        ("node@example.org", "user@example.com", "node@example.org"),
        ("Node <Node@EXAMPLE.org>", "", "Node@example.org"),
        ("", "user@Example.com", "user@example.com"),
        ("", "postmaster@mg.example.com", "postmaster@mg.example.com"),
        ("not an@address@", "user@example.com", "user@example.com"),
        ("node@münchen.de", "", "node@xn--mnchen-3ya.de"),
    ],
)
def test_the_relays_address_comes_first_and_its_username_second(
    from_address: str, username: str, expected: str
) -> None:
    assert default_from(from_address, username) == expected


@pytest.mark.parametrize("username", ["", "apikey", "AKIA123", "a@b\r\nc", "@"])
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("node1", "mail-relay@node1"),
        ("Node1.Example.ORG", "mail-relay@node1.example.org"),
        ("", "mail-relay@localhost"),
        ("bad host!", "mail-relay@localhost"),
        ("x" * 64, "mail-relay@localhost"),
        ("nöd", "mail-relay@xn--nd-fka"),
    ],
)
def test_else_it_is_an_address_of_this_node(
    monkeypatch: pytest.MonkeyPatch, username: str, host: str, expected: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert default_from("", username) == expected
    assert addresses.normalise(expected) == expected
