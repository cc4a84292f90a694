"""The zone file: its text, what is refused, and that real name servers load it as it is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.kinds.registry import wanted
from dnsrecords.records import zonefile
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from mailboxes.dkim import keys as dkim
from tests.dnsrecords.kinds.test_registry import EVERYTHING, FACTS
from tests.dnsrecords.mistakes import required
from tests.rig import Missing, or_skip

#: Program and package: what reads a zone as the name server of the same name does.
CHECKERS = {
    "named-checkzone": ("bind9-utils", ["-i", "local", "example.org", "{file}"]),
    "nsd-checkzone": ("nsd", ["example.org", "{file}"]),
    "kzonecheck": ("knot-dnssecutils", ["-o", "example.org", "{file}"]),
}
GOLDEN = """\
$ORIGIN example.org.
$TTL 3600
@ 3600 IN SOA ns1.example.net. first\\.last.example.net. ( 7 7200 3600 1209600 600 )
@ 3600 IN NS ns1.example.net.
@ 3600 IN NS ns.example.org.

; Tells other mail servers to deliver the mail for example.org to this node.
@ 3600 IN MX 10 mail.example.org.

; Says that this node may send mail for example.org, and that mail from anywhere else is suspicious.
@ 3600 IN TXT "v=spf1 mx ~all"

; Holds the public key that other mail servers use to verify the signature on mail from example.org.
quazzar._domainkey 3600 IN TXT "v=DKIM1; k=rsa; p=TUlJQg=="

; Asks other servers to put mail that falsely claims to be from example.org into spam, and to send reports to \
the address in rua. The mail server accepts mail for postmaster@example.org.
_dmarc 3600 IN TXT "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org"

ns 3600 IN A 192.0.2.53
ns 3600 IN AAAA 2001:db8::53

; The address of mail.example.org is not known: add its A or AAAA record here.
"""


def render(facts: Facts = FACTS, **more: object) -> str:
    return zonefile.render(facts.domain, wanted(facts), **{"serial": 7, **more})  # type: ignore[arg-type]


def record(**more: object) -> Record:
    plain = Record("x", "host_a", "A", "mail.example.org", "192.0.2.1", "An address.")
    return replace(plain, **more)  # type: ignore[arg-type]


def zone_with(**more: object) -> str:
    """A zone with one record."""
    return zonefile.render("example.org", [record(**more)], serial=1)


def test_the_zone_of_the_required_four() -> None:
    servers = {
        "NS1.example.net.": [],
        "ns.example.org": ["192.0.2.53", "2001:db8::53"],
        "ns2.example.org": [],
    }
    text = zonefile.render(
        "example.org", required(FACTS), serial=7, nameservers=servers, contact="first.last@example.net"
    )
    assert text == GOLDEN


def test_in_a_larger_zone_names_are_relative_to_that() -> None:
    text = render(
        replace(EVERYTHING, domain="mail1.example.org"),
        zone="example.org",
        nameservers={"ns.example.net": []},
    )
    lines = text.splitlines()
    assert lines[0] == "$ORIGIN example.org." and "@ 3600 IN NS ns.example.net." in lines
    assert "mail1 3600 IN MX 10 mail.example.org." in lines and not any(
        line.startswith("@") and " MX " in line for line in lines
    )
    assert "; mail1.example.org is in the zone example.org, which has other records too" in text
    zone = dns.zone.from_text(text, relativize=False)
    assert zone.get_rdataset("_dmarc.mail1.example.org.", "TXT") and str(zone.origin) == "example.org."


def test_a_name_server_without_an_address_in_the_zone_is_left_out() -> None:
    assert "NS ns2.example.org." not in GOLDEN
    text = render(EVERYTHING, nameservers={"mail.example.org": []})  # its address is one of the records
    assert "@ 3600 IN NS mail.example.org." in text
    assert text.count("mail 3600 IN A 192.0.2.25\n") == 1


def test_unknown_name_servers_are_marked_as_such() -> None:
    text = render()
    assert "; Put the names of your name servers here.\n@ 3600 IN NS ns.invalid.\n" in text
    assert "IN SOA ns.invalid. postmaster.example.org. ( 7 " in text
    assert "ns.invalid" not in render(nameservers={"ns.example.net": []})


def test_records_of_other_zones_are_comments() -> None:
    text = render(replace(EVERYTHING, hostname="mail.example.net"))
    assert "; 25.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.net." in text.splitlines()
    assert "; mail.example.net. 3600 IN A 192.0.2.25" in text.splitlines()
    assert "is not known" not in text


def test_records_without_a_value_are_comments() -> None:
    text = render(Facts("example.org", ""))
    assert "; Left out because its value is not known yet: MX @" in text.splitlines()
    assert "; Left out because its value is not known yet: TXT quazzar._domainkey" in text.splitlines()


def test_a_parser_finds_every_record_of_the_zone() -> None:
    zone = dns.zone.from_text(render(EVERYTHING), relativize=False)
    for record_ in wanted(EVERYTHING):
        rdataset = zone.get_rdataset(f"{record_.name}.", record_.type)
        inside = record_.type != "PTR"
        assert (rdataset is not None) == inside
        if rdataset is not None and record_.type != "TXT":
            assert record_.value in {data.to_text() for data in rdataset}


def test_a_long_key_is_several_strings() -> None:
    key = dkim.generate().public_base64
    zone = dns.zone.from_text(render(replace(FACTS, dkim_public_key=key)), relativize=False)
    data = zone.find_rdataset("quazzar._domainkey.example.org.", "TXT")[0]
    assert [len(string) for string in data.strings] == [255, len(key) + 18 - 255]
    assert b"".join(data.strings).endswith(key.encode())


# --- what could add a line ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", ("mail.example.org\nevil", "a b.example.org", "a;b.example.org", "$ORIGIN", "")),
        ("name", (".".join(["a" * 63] * 4) + ".example.org",)),
        ("value", ("192.0.2.1\nevil 1 IN A 192.0.2.2", "192.0.2.1 ; comment", "( 192.0.2.1", '"192.0.2.1"')),
        ("type", ("A\n", "$INCLUDE")),
        ("ttl", (-1, 2**31)),
    ],
)
def test_what_could_add_a_line_or_a_field_is_refused(field: str, values: tuple[object, ...]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=r"\."):
            zone_with(**{field: value})


def test_text_that_is_no_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be written to a TXT record"):
        zone_with(type="TXT", value="\u2028")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("serial", (-1, 2**32)),
        ("contact", ("no address", "a b@example.org", "a@example.org. evil")),
        ("nameservers", ({"ns.example.net\nevil": []}, {"ns.example.org": ["fe80::1%\nevil"]})),
        ("nameservers", ({"ns.example.org": ["not an address"]},)),
    ],
)
def test_what_is_wrong_about_the_zone_is_refused(field: str, values: tuple[object, ...]) -> None:
    for value in values:
        with pytest.raises(ValueError):
            render(FACTS, **{field: value})


@given(st.text(max_size=80))
def test_a_purpose_never_leaves_its_line(purpose: str) -> None:
    text, plain = zone_with(purpose=purpose), zone_with(purpose="")
    assert len(text.split("\n")) == len(plain.split("\n"))
    assert len(text.splitlines()) == len(plain.splitlines())


@given(st.binary(max_size=600))
def test_any_text_comes_back_from_the_zone(data: bytes) -> None:
    text = zone_with(name="example.org", type="TXT", value=data.decode("latin-1") or " ")
    rdata = dns.zone.from_text(text).find_rdataset("@", "TXT")[0]
    assert b"".join(rdata.strings) == (data or b" ")


# --- real name servers -------------------------------------------------------------------------------------
def checker(program: str) -> str:
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:/usr/local/sbin")
    if path is None:
        raise Missing(program, CHECKERS[program][0])
    return path


@pytest.fixture(params=CHECKERS)
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Has a name server's own program read the zone: what it said, empty if it would not load."""
    program = or_skip(lambda: checker(request.param))

    def loaded(text: str) -> str:
        file = tmp_path / "example.org.zone"
        file.write_text(text)
        arguments = [argument.format(file=file) for argument in CHECKERS[request.param][1]]
        ended = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=60)
        return f"loaded: {ended.stdout}{ended.stderr}" if ended.returncode == 0 else ""

    return loaded


ZONES: dict[str, tuple[Facts, dict[str, list[str]]]] = {
    "fresh": (FACTS, {}),
    "no stack": (Facts("example.org", ""), {}),
    "no address": (replace(EVERYTHING, addresses=()), {"mail.example.org": []}),
    "everything": (EVERYTHING, {"ns.example.org": ["192.0.2.53"], "ns2.example.org": []}),
    "hostname is the domain": (replace(EVERYTHING, hostname="example.org"), {"example.org": []}),
    "hostname elsewhere": (
        replace(EVERYTHING, hostname="mail.example.net"),
        {"ns1.example.net": ["192.0.2.53"]},
    ),
    "real key": (
        replace(FACTS, dkim_public_key=dkim.generate().public_base64, relay_include="mailgun.org"),
        {},
    ),
}


@pytest.mark.real
def test_name_servers_load_it_as_it_is(load: Callable[[str], str]) -> None:
    for name, (facts, nameservers) in ZONES.items():
        assert load(render(facts, nameservers=nameservers, contact="o'brien+dns@example.org")), name


@pytest.mark.real
def test_name_servers_load_any_text(load: Callable[[str], str]) -> None:
    assert load(zone_with(name="example.org", type="TXT", value="".join(map(chr, range(256))) * 3))


@pytest.mark.real
def test_the_programs_refuse_a_broken_zone(load: Callable[[str], str]) -> None:
    assert not load(render().replace("IN MX 10", "IN MX ten"))
