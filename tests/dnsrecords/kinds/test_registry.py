"""The records of a domain: which there are, under which name, with which value."""

from __future__ import annotations

import base64
from dataclasses import replace

import dns.rdata
import pytest

from dnsrecords.kinds.dkim import key_record
from dnsrecords.kinds.registry import KINDS, kind_of, wanted
from dnsrecords.records.facts import Facts, Ports
from dnsrecords.records.record import Record
from mailboxes.dkim import keys as dkim
from tests.dnsrecords.mistakes import record_of, required

FACTS = Facts("example.org", "mail.example.org", dkim_public_key="TUlJQg==")
EVERYTHING = replace(
    FACTS,
    addresses=("192.0.2.25", "192.0.2.26"),
    autoconfig=True,
    mta_sts="20260101",
    signed=True,
    tlsa=("3 1 1 " + "ab" * 32,),
    extra_keys=(("quazzar2", "TUlJQw=="),),
)


def recommended(facts: Facts) -> dict[str, Record]:
    return {record.id: record for record in wanted(facts) if not record.required}


def spf(**more: object) -> str:
    return record_of(replace(FACTS, **more), "spf").value  # type: ignore[arg-type]


# --- which there are ---------------------------------------------------------------------------------------
def test_the_required_four_are_these() -> None:
    assert [(record.id, record.type, record.name, record.value) for record in required(FACTS)] == [
        ("mx", "MX", "example.org", "10 mail.example.org."),
        ("spf", "TXT", "example.org", "v=spf1 mx ~all"),
        ("dkim", "TXT", "quazzar._domainkey.example.org", "v=DKIM1; k=rsa; p=TUlJQg=="),
        ("dmarc", "TXT", "_dmarc.example.org", "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org"),
    ]


def test_these_are_recommended() -> None:
    host = "mail.example.org."
    published = {key: (row.type, row.name, row.value) for key, row in recommended(EVERYTHING).items()}
    assert (
        published.items()
        >= {
            "host_a": ("A", "mail.example.org", "192.0.2.25"),
            "host_a_2": ("A", "mail.example.org", "192.0.2.26"),
            "ptr": ("PTR", "25.2.0.192.in-addr.arpa", host),
            "ptr_2": ("PTR", "26.2.0.192.in-addr.arpa", host),
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
        }.items()
    )


def test_exactly_four_are_required_whatever_is_known() -> None:
    for facts in (FACTS, EVERYTHING, Facts("example.org", "")):
        assert [record.id for record in required(facts)] == ["mx", "spf", "dkim", "dmarc"]


def test_every_record_has_an_id_of_its_own_a_kind_a_sentence_and_a_value_that_parses() -> None:
    records = wanted(EVERYTHING)
    assert len({record.id for record in records}) == len(records)
    for record in records:
        assert kind_of(record).type == record.type
        assert record.purpose[0].isupper() and record.purpose.endswith("."), record.id
        assert record.name == record.name.lower().rstrip(".")
        text = f'"{record.value}"' if record.type == "TXT" else record.value
        assert dns.rdata.from_text("IN", record.type, text)


def test_every_kind_has_a_key_of_its_own_and_a_record() -> None:
    assert len({kind.key for kind in KINDS}) == len(KINDS)
    assert {record.kind for record in wanted(EVERYTHING)} == {kind.key for kind in KINDS}


def test_what_is_not_known_yet_has_no_value() -> None:
    values = {record.id: record.value for record in required(Facts("example.org", ""))}
    assert (values["mx"], values["dkim"]) == ("", "")  # never "p=", which revokes
    assert values["spf"] and values["dmarc"]


def test_what_the_node_does_not_serve_is_not_recommended() -> None:
    served = {"mta_sts", "mta_sts_host", "autoconfig", "autodiscover", "srv_autodiscover"}
    assert recommended(FACTS).keys().isdisjoint(served)
    assert {"tls_rpt", "srv_submissions", "srv_submission", "srv_imaps", "srv_imap"} <= recommended(
        FACTS
    ).keys()


def test_without_a_hostname_nothing_points_at_one() -> None:
    records = recommended(replace(EVERYTHING, hostname=""))
    assert {"dkim_quazzar2", "tls_rpt"} <= records.keys()
    pointing = {
        "host_a",
        "ptr",
        "mta_sts_host",
        "mta_sts",
        "autoconfig",
        "autodiscover",
        "tlsa_25",
    }
    assert records.keys().isdisjoint(pointing)
    assert not any(key.startswith("srv_") for key in records)


def test_a_certificate_is_not_pinned_in_an_unsigned_zone() -> None:
    assert "tlsa_25" not in recommended(replace(EVERYTHING, signed=False))


def test_every_address_has_its_records_once() -> None:
    records = recommended(replace(FACTS, addresses=("192.0.2.2", "192.0.2.1", "192.0.2.2")))
    assert [records[key].value for key in ("host_a", "host_a_2")] == ["192.0.2.2", "192.0.2.1"]
    assert {key for key in records if key.startswith("ptr")} == {"ptr", "ptr_2"}


@pytest.mark.parametrize(("label", "record_id"), [("mta-sts", "mta_sts_host"), ("autoconfig", "autoconfig")])
def test_the_hostname_is_no_alias_of_itself(label: str, record_id: str) -> None:
    assert record_id not in recommended(replace(EVERYTHING, hostname=f"{label}.example.org"))
    assert record_id in recommended(EVERYTHING)


def test_shifted_ports_are_told() -> None:
    records = recommended(replace(FACTS, ports=Ports.shifted(20_000)))
    assert records["srv_submission"].value == "10 1 20587 mail.example.org."
    assert records["srv_imaps"].value == "0 1 20993 mail.example.org."
    assert Ports.shifted(0) == Ports()


# --- SPF ---------------------------------------------------------------------------------------------------
def test_the_provider_of_the_relay_may_send_too() -> None:
    facts = replace(FACTS, relay_include="mailgun.org", relay_hosts=("smtp.mailgun.org",))
    record = record_of(facts, "spf")
    assert record.value == "v=spf1 mx include:mailgun.org ~all"  # with the include, the host is not needed
    assert "this node and Mailgun may send" in record.purpose


def test_a_relay_of_an_unknown_provider_is_named_as_far_as_the_world_knows_it() -> None:
    assert spf(relay_hosts=("SMTP.example.net.", "smtp.example.net")) == "v=spf1 mx a:smtp.example.net ~all"
    assert spf(relay_hosts=("9.9.9.9",)) == "v=spf1 mx ip4:9.9.9.9 ~all"
    assert spf(relay_hosts=("[2620:fe::fe]",)) == "v=spf1 mx ip6:2620:fe::fe ~all"
    assert spf(relay_hosts=("10.0.0.5", "127.0.0.1", "::1", "localhost", "relay")) == "v=spf1 mx ~all"


# --- DKIM --------------------------------------------------------------------------------------------------
def test_a_key_of_ours_is_an_rsa_key() -> None:
    public = dkim.generate().public_base64
    assert key_record(public) == f"v=DKIM1; k=rsa; p={public}"


def test_an_ed25519_key_is_published_bare() -> None:
    bare = base64.b64encode(b"7" * 32).decode()
    wrapped = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + b"7" * 32).decode()
    assert key_record(bare) == key_record(wrapped) == f"v=DKIM1; k=ed25519; p={bare}"
