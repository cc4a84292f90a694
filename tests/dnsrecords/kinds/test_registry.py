"""The records of a domain: which there are, under which name, with which value."""

from __future__ import annotations

import base64
from dataclasses import replace

import dns.rdata
import pytest

from dnsrecords.kinds.dkim import key_record
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts, Ports
from dnsrecords.records.record import Record
from mailboxes.dkim import keys as dkim

FACTS = Facts("example.org", "mail.example.org", dkim_public_key="TUlJQg==")
EVERYTHING = replace(
    FACTS,
    addresses=("192.0.2.25", "2001:db8::25"),
    autoconfig=True,
    mta_sts="20260101",
    signed=True,
    tlsa=("3 1 1 " + "ab" * 32,),
    extra_keys=(("quazzar2", "TUlJQw=="),),
)


def required(facts: Facts) -> tuple[Record, ...]:
    return tuple(record for record in wanted(facts) if record.required)


def recommended(facts: Facts) -> tuple[Record, ...]:
    return tuple(record for record in wanted(facts) if not record.required)


def by_id(found: tuple[Record, ...]) -> dict[str, Record]:
    assert len({record.id for record in found}) == len(found)
    return {record.id: record for record in found}


def value(record_id: str, facts: Facts = FACTS) -> str:
    return by_id(wanted(facts))[record_id].value


# --- the required four -------------------------------------------------------------------------------------
def test_the_required_four_are_these() -> None:
    assert [(each.id, each.type, each.name, each.value) for each in required(FACTS)] == [
        ("mx", "MX", "example.org", "10 mail.example.org."),
        ("spf", "TXT", "example.org", "v=spf1 mx ~all"),
        ("dkim", "TXT", "quazzar._domainkey.example.org", "v=DKIM1; k=rsa; p=TUlJQg=="),
        ("dmarc", "TXT", "_dmarc.example.org", "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org"),
    ]


@pytest.mark.parametrize("facts", [FACTS, EVERYTHING, Facts("example.org", "")])
def test_exactly_four_are_required(facts: Facts) -> None:
    assert [each.required for each in required(facts)] == [True] * 4
    assert not any(each.required for each in recommended(facts))


@pytest.mark.parametrize("record", wanted(EVERYTHING))
def test_each_record_has_a_sentence_and_a_value_that_parses(record: Record) -> None:
    assert record.purpose[0].isupper()
    assert record.purpose.endswith(".")
    assert record.ttl == 3600
    assert record.name == record.name.lower().rstrip(".")
    assert dns.rdata.from_text(
        "IN", record.type, f'"{record.value}"' if record.type == "TXT" else record.value
    )


def test_what_is_not_known_yet_has_no_value() -> None:
    found = by_id(required(Facts("example.org", "")))
    assert (found["mx"].value, found["dkim"].value) == ("", "")  # never "p=", which revokes
    assert found["spf"].value
    assert found["dmarc"].value


# --- SPF ---------------------------------------------------------------------------------------------------
def test_the_provider_of_the_relay_may_send_too() -> None:
    facts = replace(FACTS, relay_include="mailgun.org")
    assert value("spf", facts) == "v=spf1 mx include:mailgun.org ~all"
    assert "this node and Mailgun may send" in by_id(required(facts))["spf"].purpose


@pytest.mark.parametrize(
    ("hosts", "terms"),
    [
        (("smtp.example.net",), " a:smtp.example.net"),
        (("SMTP.example.net.", "smtp.example.net"), " a:smtp.example.net"),
        (("9.9.9.9",), " ip4:9.9.9.9"),
        (("[2620:fe::fe]",), " ip6:2620:fe::fe"),
        (("10.0.0.5", "127.0.0.1", "::1", "localhost", "relay"), ""),
    ],
)
def test_a_relay_of_an_unknown_provider_is_named_as_far_as_the_world_knows_it(
    hosts: tuple[str, ...], terms: str
) -> None:
    assert value("spf", replace(FACTS, relay_hosts=hosts)) == f"v=spf1 mx{terms} ~all"


def test_an_include_makes_the_relays_host_needless() -> None:
    facts = replace(FACTS, relay_include="sendgrid.net", relay_hosts=("smtp.sendgrid.net",))
    assert value("spf", facts) == "v=spf1 mx include:sendgrid.net ~all"


# --- DKIM --------------------------------------------------------------------------------------------------
def test_a_key_of_ours_is_an_rsa_key() -> None:
    public = dkim.generate().public_base64
    assert key_record(public) == f"v=DKIM1; k=rsa; p={public}"


@pytest.mark.parametrize("prefix", ["", "302a300506032b6570032100"])
def test_an_ed25519_key_is_published_bare(prefix: str) -> None:
    bare = b"7" * 32
    given = base64.b64encode(bytes.fromhex(prefix) + bare).decode()
    assert key_record(given) == f"v=DKIM1; k=ed25519; p={base64.b64encode(bare).decode()}"


def test_keys_that_do_not_sign_are_recommended() -> None:
    other = by_id(recommended(EVERYTHING))["dkim_quazzar2"]
    assert (other.name, other.value) == (
        "quazzar2._domainkey.example.org",
        "v=DKIM1; k=rsa; p=TUlJQw==",
    )


# --- the recommended ones ----------------------------------------------------------------------------------
def test_the_recommended_ones_are_these() -> None:
    found = {each.id: (each.type, each.name, each.value) for each in recommended(EVERYTHING)}
    host = "mail.example.org."
    pointer = "5.2.0.0" + ".0" * 20 + ".8.b.d.0.1.0.0.2.ip6.arpa"
    assert found == {
        "host_a": ("A", "mail.example.org", "192.0.2.25"),
        "host_aaaa": ("AAAA", "mail.example.org", "2001:db8::25"),
        "ptr": ("PTR", "25.2.0.192.in-addr.arpa", host),
        "ptr_2": ("PTR", pointer, host),
        "dkim_quazzar2": ("TXT", "quazzar2._domainkey.example.org", "v=DKIM1; k=rsa; p=TUlJQw=="),
        "mta_sts_host": ("CNAME", "mta-sts.example.org", host),
        "mta_sts": ("TXT", "_mta-sts.example.org", "v=STSv1; id=20260101"),
        "tls_rpt": ("TXT", "_smtp._tls.example.org", "v=TLSRPTv1; rua=mailto:postmaster@example.org"),
        "autoconfig": ("CNAME", "autoconfig.example.org", host),
        "autodiscover": ("CNAME", "autodiscover.example.org", host),
        "srv_autodiscover": ("SRV", "_autodiscover._tcp.example.org", f"0 1 443 {host}"),
        "srv_submissions": ("SRV", "_submissions._tcp.example.org", f"0 1 465 {host}"),
        "srv_submission": ("SRV", "_submission._tcp.example.org", f"10 1 587 {host}"),
        "srv_imaps": ("SRV", "_imaps._tcp.example.org", f"0 1 993 {host}"),
        "srv_imap": ("SRV", "_imap._tcp.example.org", f"10 1 143 {host}"),
        "tlsa_25": ("TLSA", "_25._tcp.mail.example.org", "3 1 1 " + "ab" * 32),
    }


def test_what_the_node_does_not_serve_is_not_recommended() -> None:
    assert set(by_id(recommended(FACTS))) == {
        "tls_rpt", "srv_submissions", "srv_submission", "srv_imaps", "srv_imap"
    }  # fmt: skip


def test_without_a_hostname_nothing_points_at_one() -> None:
    assert set(by_id(recommended(replace(EVERYTHING, hostname="")))) == {"dkim_quazzar2", "tls_rpt"}


def test_a_certificate_is_not_pinned_in_an_unsigned_zone() -> None:
    assert "tlsa_25" not in by_id(recommended(replace(EVERYTHING, signed=False)))


def test_every_address_has_its_records_once() -> None:
    facts = replace(FACTS, addresses=("192.0.2.2", "192.0.2.1", "192.0.2.2"))
    found = by_id(recommended(facts))
    assert [found[each].value for each in ("host_a", "host_a_2")] == ["192.0.2.2", "192.0.2.1"]
    assert {each for each in found if each.startswith("ptr")} == {"ptr", "ptr_2"}


@pytest.mark.parametrize(("label", "record_id"), [("mta-sts", "mta_sts_host"), ("autoconfig", "autoconfig")])
def test_the_hostname_is_no_alias_of_itself(label: str, record_id: str) -> None:
    facts = replace(EVERYTHING, hostname=f"{label}.example.org")
    assert record_id not in by_id(recommended(facts))
    assert record_id in by_id(recommended(EVERYTHING))


def test_shifted_ports_are_told() -> None:
    facts = replace(FACTS, ports=Ports.shifted(20_000))
    assert value("srv_submission", facts) == "10 1 20587 mail.example.org."
    assert value("srv_imaps", facts) == "0 1 20993 mail.example.org."
    assert Ports.shifted(0) == Ports()
