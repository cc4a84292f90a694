"""Who connects to Postfix, according to its log."""

from __future__ import annotations

from mailboxes.stack import clients
from tests.mailboxes.trials import case

GATEWAY = "172.18.0.1"


def connect(address: str, name: str = "unknown") -> str:
    return f"2026-11-22T20:13:48.541110+00:00 INFO postfix connect from {name}[{address}]\n"


def test_connections_from_outside_are_found_in_their_order() -> None:
    log = connect("192.0.2.7", "mx.example.com") + "noise\n" + connect("2001:db8::1") + connect("192.0.2.7")
    assert clients.connections(log) == ["192.0.2.7", "2001:db8::1", "192.0.2.7"]


def test_the_end_of_a_connection_is_not_counted_again() -> None:
    assert clients.connections("INFO postfix/smtpd[9] disconnect from unknown[192.0.2.7] quit=1") == []
    assert clients.connections("INFO postfix/smtpd[9]: connect from unknown[192.0.2.7]") == ["192.0.2.7"]


def test_the_health_checks_connections_do_not_count() -> None:
    for own in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
        with case(own):
            assert clients.connections(connect(own, "localhost")) == []


def test_what_is_no_address_does_not_count() -> None:
    for text in ("unknown", "999.1.1.1", "1.2.3", ":::", ""):
        with case(text):
            assert clients.connections(connect(text)) == []


def test_an_ipv4_address_within_ipv6_is_that_address() -> None:
    assert clients.connections(connect(f"::ffff:{GATEWAY}")) == [GATEWAY]


def test_the_share_of_the_gateway_is_counted() -> None:
    assert clients.hidden(connect(GATEWAY) * 20, GATEWAY) == (20, 20)
    assert clients.hidden(connect(GATEWAY) * 30 + connect("192.0.2.7"), GATEWAY) == (31, 30)
    assert clients.hidden(connect("192.0.2.7") * 20, GATEWAY) == (20, 0)


def test_a_few_connections_tell_nothing() -> None:
    log = connect(GATEWAY) * 19 + connect("127.0.0.1") * 50
    assert clients.hidden(log, GATEWAY) is None
    assert clients.hidden("", GATEWAY) is None


def test_the_ways_by_which_they_came_are_told_as_far_as_they_are_known() -> None:
    def told(*published: str, rootless: bool = False, proxied: bool = True, every: bool = False) -> str:
        return " | ".join(clients.ways(published, rootless=rootless, proxied=proxied, every=every))

    assert "rootless" in told("0.0.0.0", rootless=True, every=True)
    assert told("0.0.0.0", every=True) == (
        "over IPv4, through Docker's userland proxy, which hides every client"
    )
    assert told("0.0.0.0") == "over IPv4, from programs on this machine, through Docker's userland proxy"
    assert "or through a proxy or a rule" in told("0.0.0.0", proxied=False)
    # A stack of an older release is published on IPv6 as well until it is created again.
    assert told("0.0.0.0", "::").startswith("over IPv6, which Docker's proxy turns into IPv4 | over IPv4")
