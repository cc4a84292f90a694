"""The demo's DNS."""

from __future__ import annotations

import os
from pathlib import Path

import dns.message
import dns.query
import dns.rcode

from demo import nameserver

_ZONE = """\
$TTL 300
@ IN SOA ns.invalid. hostmaster.lab.example. ( 1 7200 3600 1209600 600 )
@ IN NS ns.invalid.
@ IN MX 10 mail.lab.example.
mail IN A 192.0.2.25
www IN CNAME mail
long IN TXT {}
"""


def _ask(address: str, name: str, kind: str) -> dns.message.Message:
    """By UDP, and by TCP where the answer is cut short."""
    host, _, port = address.partition(":")
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    return dns.query.udp_with_fallback(query, host, timeout=120, port=int(port))[0]


def _values(address: str, name: str, kind: str) -> list[str]:
    return [record.to_text() for rrset in _ask(address, name, kind).answer for record in rrset]


def test_it_answers_for_its_zones_and_knows_no_other_name(tmp_path: Path) -> None:
    strings = " ".join(['"' + "x" * 250 + '"'] * 6)
    (tmp_path / "lab.example.zone").write_text(_ZONE.format(strings))
    address = nameserver.serve(tmp_path)
    assert _values(address, "lab.example", "MX") == ["10 mail.lab.example."]
    assert _values(address, "www.lab.example", "A") == ["mail.lab.example.", "192.0.2.25"]
    assert _values(address, "long.lab.example", "TXT") == [strings]  # too long for UDP
    nothing = _ask(address, "lab.example", "TXT")
    assert (nothing.rcode(), nothing.answer) == (dns.rcode.NOERROR, [])
    assert nothing.authority[0].name.to_text() == "lab.example."  # by its SOA the zone is known
    assert _ask(address, "none.lab.example", "A").rcode() == dns.rcode.NXDOMAIN
    assert _ask(address, "example.org", "MX").rcode() == dns.rcode.NXDOMAIN


def test_a_zone_that_was_changed_is_read_again_and_a_broken_one_is_no_zone(tmp_path: Path) -> None:
    file = tmp_path / "lab.example.zone"
    address = nameserver.serve(tmp_path)
    changed = _ZONE.format('"y"').replace("192.0.2.25", "192.0.2.26")
    for at, text, expected in (
        (1, _ZONE.format('"x"'), ["192.0.2.25"]),
        (2, changed, ["192.0.2.26"]),
        (3, "( oops", []),
    ):
        file.write_text(text)
        os.utime(file, (at, at))
        assert _values(address, "mail.lab.example", "A") == expected
