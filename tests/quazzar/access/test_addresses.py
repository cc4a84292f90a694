"""Who sent a request, with proxies in between."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from quazzar.access.addresses import ClientAddressMiddleware, behind_unknown_proxy, client
from quazzar.env import env_networks

PROXIES = [ipaddress.ip_network(text) for text in ("127.0.0.0/8", "::1", "172.16.0.0/12")]

#: Peer, X-Forwarded-For → client.
CASES = [
    ("198.51.100.7", "", "198.51.100.7"),
    ("127.0.0.1", "", "127.0.0.1"),
    ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
    # A peer that is no proxy of ours may write what it likes.
    ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
    # What the client wrote itself stands to the left.
    ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
    ("127.0.0.1", "127.0.0.1, 198.51.100.7", "198.51.100.7"),
    # Two proxies of ours, one behind the other.
    ("127.0.0.1", "203.0.113.9, 198.51.100.7, 172.18.0.2", "198.51.100.7"),
    ("127.0.0.1", "172.18.0.2", "172.18.0.2"),
    # With a port, in brackets, as IPv4 in IPv6, with odd spaces.
    ("127.0.0.1", "198.51.100.7:40000", "198.51.100.7"),
    ("127.0.0.1", "[2001:db8::7]:40000", "2001:db8::7"),
    ("::1", "2001:db8::7", "2001:db8::7"),
    ("::ffff:127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
    ("127.0.0.1", " 198.51.100.7 ,", "198.51.100.7"),
    # Nonsense ends the chain.
    ("127.0.0.1", "unknown", "127.0.0.1"),
    ("127.0.0.1", "198.51.100.7, _hidden", "127.0.0.1"),
    ("127.0.0.1", "2001:db8::zz", "127.0.0.1"),
    ("127.0.0.1", "10.0.0.256", "127.0.0.1"),
    ("", "198.51.100.7", "None"),
]


def test_the_client_is_the_last_of_the_chain_that_is_no_proxy_of_ours(subtests: pytest.Subtests) -> None:
    for peer, forwarded, wanted in CASES:
        with subtests.test(peer=peer, forwarded=forwarded):
            assert str(client(peer, forwarded, PROXIES)) == wanted


def test_views_see_the_client(rf: RequestFactory, settings: Any) -> None:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    settings.QUAZZAR_TRUSTED_PROXIES = PROXIES
    ClientAddressMiddleware(view)(rf.get("/", HTTP_X_FORWARDED_FOR="198.51.100.7"))
    settings.QUAZZAR_TRUSTED_PROXIES = []
    ClientAddressMiddleware(view)(rf.get("/", HTTP_X_FORWARDED_FOR="198.51.100.7"))
    assert seen == ["198.51.100.7", "127.0.0.1"]


def test_only_a_private_peer_can_be_an_unknown_proxy(rf: RequestFactory) -> None:
    forwarded: Any = {"HTTP_X_FORWARDED_FOR": "198.51.100.7"}
    assert behind_unknown_proxy(rf.get("/", **forwarded))
    assert behind_unknown_proxy(rf.get("/", REMOTE_ADDR="172.17.0.1", **forwarded))
    assert not behind_unknown_proxy(rf.get("/"))
    assert not behind_unknown_proxy(rf.get("/", REMOTE_ADDR="9.9.9.9", **forwarded))


def test_a_proxy_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUAZZAR_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32,192.0.2.1")
    networks = env_networks("QUAZZAR_TRUSTED_PROXIES")
    assert [str(network) for network in networks] == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"]
    for wrong in ("caddy", "10.0.0.0/33", "10.0.0.1:80"):
        monkeypatch.setenv("QUAZZAR_TRUSTED_PROXIES", wrong)
        with pytest.raises(ImproperlyConfigured, match="QUAZZAR_TRUSTED_PROXIES"):
            env_networks("QUAZZAR_TRUSTED_PROXIES")
