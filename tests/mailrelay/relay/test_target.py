"""Which address mail comes from when nobody said."""

from __future__ import annotations

from functools import partial

import pytest

from mailrelay.mail import addresses
from mailrelay.relay.target import default_from
from quazzar import hostnames


def test_the_relays_address_comes_first_and_its_username_second(subtests: pytest.Subtests) -> None:
    for from_address, username, expected in [
        ("node@example.org", "user@example.com", "node@example.org"),
        ("Node <Node@EXAMPLE.org>", "", "Node@example.org"),
        ("", "user@Example.com", "user@example.com"),
        ("", "postmaster@mg.example.com", "postmaster@mg.example.com"),
        ("not an@address@", "user@example.com", "user@example.com"),
        ("node@münchen.de", "", "node@xn--mnchen-3ya.de"),
    ]:
        with subtests.test(from_address=from_address, username=username, expected=expected):
            assert default_from(from_address, username) == expected


def test_else_it_is_an_address_of_this_node(
    subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for username in ["", "apikey", "AKIA123", "a@b\r\nc", "@"]:
        for host, expected in [
            ("node1", "mail-relay@node1"),
            ("Node1.Example.ORG", "mail-relay@node1.example.org"),
            ("", "mail-relay@localhost"),
            ("bad host!", "mail-relay@localhost"),
            ("x" * 64, "mail-relay@localhost"),
            ("nöd", "mail-relay@xn--nd-fka"),
        ]:
            with subtests.test(username=username, host=host, expected=expected):
                monkeypatch.setattr(hostnames, "current", partial(hostnames.names, host, "", ""))
                assert default_from("", username) == expected
                assert addresses.normalise(expected) == expected
