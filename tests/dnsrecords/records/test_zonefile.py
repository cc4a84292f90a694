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

; Says that this node may send mail for example.org, and that mail from elsewhere is suspect.
@ 3600 IN TXT "v=spf1 mx ~all"

; Holds the public key by which other mail servers verify the signature on mail from example.org.
quazzar._domainkey 3600 IN TXT "v=DKIM1; k=rsa; p=TUlJQg=="

; Asks others to put mail that falsely claims to be from example.org into spam, and to report to \
postmaster@example.org, which should be a mailbox or an alias.
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


def one(**more: object) -> str:
    """A zone with one record."""
    return zonefile.render("example.org", [record(**more)], serial=1)


def test_the_zone_of_the_required_four() -> None:
    servers = {
        "NS1.example.net.": [],
        "ns.example.org": ["192.0.2.53", "2001:db8::53"],
        "ns2.example.org": [],
    }
    given = {"serial": 7, "nameservers": servers, "contact": "first.last@example.net"}
    assert zonefile.render("example.org", required(FACTS), **given) == GOLDEN  # type: ignore[arg-type]


def test_a_name_server_without_an_address_in_the_zone_is_left_out() -> None:
    assert "NS ns2.example.org." not in GOLDEN
    text = render(EVERYTHING, nameservers={"mail.example.org": []})  # its address is one of the records
    assert "@ 3600 IN NS mail.example.org." in text
    assert text.count("mail 3600 IN A ") == 1


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
    assert "; Left out, because its value is not known yet: MX @" in text.splitlines()
    assert "; Left out, because its value is not known yet: TXT quazzar._domainkey" in text.splitlines()


def test_a_parser_finds_every_record_of_the_zone() -> None:
    zone = dns.zone.from_text(render(EVERYTHING), relativize=False)
    for each in wanted(EVERYTHING):
        found = zone.get_rdataset(f"{each.name}.", each.type)
        inside = each.type != "PTR"
        assert (found is not None) == inside
        if found is not None and each.type != "TXT":
            assert each.value in {data.to_text() for data in found}


def test_a_long_key_is_several_strings() -> None:
    key = dkim.generate().public_base64
    zone = dns.zone.from_text(render(replace(FACTS, dkim_public_key=key)), relativize=False)
    data = zone.find_rdataset("quazzar._domainkey.example.org.", "TXT")[0]
    assert [len(string) for string in data.strings] == [255, len(key) + 18 - 255]
    assert b"".join(data.strings).endswith(key.encode())


# --- what could add a line ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "more",
    [
        {"name": "mail.example.org\nevil"},
        {"name": "a b.example.org"},
        {"name": "a;b.example.org"},
        {"name": "$ORIGIN"},
        {"name": ""},
        {"name": ".".join(["a" * 63] * 4) + ".example.org"},
        {"value": "192.0.2.1\nevil 1 IN A 192.0.2.2"},
        {"value": "192.0.2.1 ; comment"},
        {"value": "( 192.0.2.1"},
        {"value": '"192.0.2.1"'},
        {"type": "A\n"},
        {"type": "$INCLUDE"},
        {"ttl": -1},
        {"ttl": 2**31},
        {"type": "TXT", "value": "\u2028"},
    ],
)
def test_what_could_add_a_line_or_a_field_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\."):
        one(**more)


@pytest.mark.parametrize(
    "more",
    [
        {"serial": -1},
        {"serial": 2**32},
        {"contact": "no address"},
        {"contact": "a b@example.org"},
        {"contact": "a@example.org. evil"},
        {"nameservers": {"ns.example.net\nevil": []}},
        {"nameservers": {"ns.example.org": ["fe80::1%\nevil"]}},
        {"nameservers": {"ns.example.org": ["not an address"]}},
    ],
)
def test_what_is_wrong_about_the_zone_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        render(FACTS, **more)


@given(st.text(max_size=80))
def test_a_purpose_never_leaves_its_line(purpose: str) -> None:
    text = one(purpose=purpose)
    assert len(text.split("\n")) == len(one(purpose="").split("\n"))
    assert len(text.splitlines()) == len(one(purpose="").splitlines())


@given(st.binary(max_size=600))
def test_any_text_comes_back_from_the_zone(data: bytes) -> None:
    text = one(name="example.org", type="TXT", value=data.decode("latin-1") or " ")
    found = dns.zone.from_text(text).find_rdataset("@", "TXT")[0]
    assert b"".join(found.strings) == (data or b" ")


# --- real name servers -------------------------------------------------------------------------------------
def checker(program: str) -> str:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:/usr/local/sbin")
    if found is None:
        raise Missing(program, CHECKERS[program][0])
    return found


@pytest.fixture(params=CHECKERS)
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Has a name server's own program read the zone: what it said, empty if it would not load."""
    program = or_skip(lambda: checker(request.param))

    def loaded(text: str) -> str:
        file = tmp_path / "example.org.zone"
        file.write_text(text)
        arguments = [each.format(file=file) for each in CHECKERS[request.param][1]]
        ended = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=60)
        return f"loaded: {ended.stdout}{ended.stderr}" if ended.returncode == 0 else ""

    return loaded


@pytest.mark.real
@pytest.mark.parametrize(
    ("facts", "nameservers"),
    [
        (FACTS, {}),
        (Facts("example.org", ""), {}),
        (replace(EVERYTHING, addresses=()), {"mail.example.org": []}),
        (EVERYTHING, {"ns.example.org": ["192.0.2.53"], "ns2.example.org": []}),
        (replace(EVERYTHING, hostname="example.org"), {"example.org": []}),
        (replace(EVERYTHING, hostname="mail.example.net"), {"ns1.example.net": ["192.0.2.53"]}),
        (replace(FACTS, dkim_public_key=dkim.generate().public_base64, relay_include="mailgun.org"), {}),
    ],
    ids=[
        "fresh",
        "no stack",
        "no address",
        "everything",
        "hostname is the domain",
        "hostname elsewhere",
        "real key",
    ],
)
def test_name_servers_load_it_as_it_is(
    load: Callable[[str], str], facts: Facts, nameservers: dict[str, list[str]]
) -> None:
    assert load(render(facts, nameservers=nameservers, contact="o'brien+dns@example.org"))


@pytest.mark.real
def test_name_servers_load_any_text(load: Callable[[str], str]) -> None:
    assert load(one(name="example.org", type="TXT", value="".join(map(chr, range(256))) * 3))


@pytest.mark.real
def test_the_programs_refuse_a_broken_zone(load: Callable[[str], str]) -> None:
    assert not load(render().replace("IN MX 10", "IN MX ten"))
