"""Names that lead to the mail server."""

from __future__ import annotations

from dnsrecords.answers import Lookup
from dnsrecords.verdicts import Status
from tests.dnsrecords.kinds.cases import verdict
from tests.dnsrecords.zonelookups import lookup_in


def test_an_alias_leads_to_the_hostname() -> None:
    assert verdict("autoconfig", "mail.example.com").ok
    assert verdict("autoconfig", cname="mail.example.com").ok
    assert verdict("autoconfig", "old.example.net").status is Status.MISMATCH
    assert verdict("autoconfig").status is Status.MISSING


def test_instead_of_an_alias_the_address_will_do() -> None:
    def at(ip: str) -> Lookup:
        return lookup_in([f"autoconfig.example.com. A {ip}"], "example.com")

    assert verdict("autoconfig", lookup=at("192.0.2.1")).ok
    assert verdict("autoconfig", lookup=at("192.0.2.7")).status is Status.MISMATCH


def test_another_alias_to_the_same_address_will_do() -> None:
    def by_proxy(ip: str) -> Lookup:
        return lookup_in(["autoconfig.example.com. CNAME proxy.example.com.", f"proxy A {ip}"], "example.com")

    assert verdict("autoconfig", "proxy.example.com", lookup=by_proxy("192.0.2.1")).ok
    wrong = verdict("autoconfig", "proxy.example.com", lookup=by_proxy("192.0.2.7"))
    assert (wrong.status, wrong.found) == (Status.MISMATCH, ("proxy.example.com",))
    assert "leads to proxy.example.com instead of mail.example.com" in wrong.message
