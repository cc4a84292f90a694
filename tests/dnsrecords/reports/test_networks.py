"""Whose an address is, asked of a real name server."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from dnsrecords.models import Network
from dnsrecords.reports import networks
from dnsrecords.reports.networks import Owner
from tests.rig.nameserver import Nameserver

pytestmark = [pytest.mark.django_db, pytest.mark.real, pytest.mark.slow]

V6 = "2001:db8::19"
NIBBLES = ".".join(reversed("20010db8000000000000000000000019"))


@pytest.fixture
def zones(nameserver: Nameserver) -> Nameserver:
    nameserver.publish_all(
        {
            "in-addr.arpa": ["10.2.0.192 PTR out1.sendgrid.net.", "11.2.0.192 PTR liar.example.com."],
            "ip6.arpa": [f"{NIBBLES} PTR mx.example.net."],
            "sendgrid.net": ["out1 A 192.0.2.10"],
            "example.com": ["liar A 203.0.113.1"],
            "example.net": ["mx AAAA 2001:db8::19"],
            "origin.asn.cymru.com": [
                '10.2.0.192 TXT "64500 64501 | 192.0.2.0/24 | US | arin | 2000-01-01"',
                '10.2.0.192 TXT "64999 | 192.0.0.0/16 | CA | arin | 2000-01-01"',
                '12.2.0.192 TXT "rubbish"',
            ],
            "origin6.asn.cymru.com": [f'{NIBBLES} TXT "64502 | 2001:db8::/32 | de | ripencc | 2010-01-01"'],
            "asn.cymru.com": [
                'as64500 TXT "64500 | US | arin | 2000-01-01 | SENDGRID - SendGrid, Inc., US"',
                'as64502 TXT "64502 | DE | ripencc | 2010-01-01 | EXAMPLE, DE"',
            ],
        }
    )
    return nameserver


def test_the_name_counts_if_it_leads_back_and_the_narrowest_network_counts(zones: Nameserver) -> None:
    assert networks.look_up(["192.0.2.10", "192.0.2.11", "192.0.2.12", V6]) == {
        "192.0.2.10": Owner("out1.sendgrid.net", 64500, "SendGrid, Inc.", "US"),
        "192.0.2.11": Owner(),
        "192.0.2.12": Owner(),
        V6: Owner("mx.example.net", 64502, "EXAMPLE", "DE"),
    }


def test_what_is_unknown_is_looked_up_once(zones: Nameserver) -> None:
    Network.objects.create(address="192.0.2.10", reported_on=timezone.now().date())
    assert networks.look_up_unknown() == 1
    row = Network.objects.get()
    assert (row.name, row.asn, row.operator, row.country) == (
        "out1.sendgrid.net",
        64500,
        "SendGrid, Inc.",
        "US",
    )
    assert networks.look_up_unknown() == 0
    Network.objects.update(looked_up_at=timezone.now() - 2 * networks._OLD)
    assert networks.look_up_unknown() == 1


def test_without_an_answer_the_next_turn_asks_again(settings: Any) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = ["127.0.0.1:1"]
    Network.objects.create(address="192.0.2.10", reported_on=timezone.now().date())
    networks.look_up_unknown()
    assert Network.objects.get().looked_up_at is None


def test_it_can_be_switched_off(zones: Nameserver, settings: Any) -> None:
    settings.QUAZZAR_REPORT_NETWORKS = False
    Network.objects.create(address="192.0.2.10", reported_on=timezone.now().date())
    assert networks.look_up_unknown() == 0
    assert Network.objects.get().looked_up_at is None
