"""Records of the hostname and of what finds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrecords.answers import Answer, Lookup, Outcome
from dnsrecords.kinds.registry import kind_of
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords import mistakes
from tests.dnsrecords.mistakes import facts_of
from tests.dnsrecords.zonelookups import lookup_in, nothing

PIN = "3 1 1 " + "ab" * 32
FACTS = replace(
    facts_of(), addresses=("192.0.2.1", "2001:db8::1"), autoconfig=True, mta_sts="1", signed=True, tlsa=(PIN,)
)
LOOKUP = lookup_in(["mail.example.com. A 192.0.2.1", "mail.example.com. AAAA 2001:db8::1"], "example.com")


def record_of(record_id: str) -> Record:
    return mistakes.record_of(FACTS, record_id)


def answer_of(record: Record, values: tuple[str, ...], cname: str = "") -> Answer:
    return Answer(record.name, record.type, Outcome.FOUND if values else Outcome.NO_DATA, values, 300, cname)


def address(*values: str, record_id: str = "host_a", cname: str = "", facts: Facts = FACTS) -> Verdict:
    record = record_of(record_id)
    return kind_of(record).judge(record, facts, answer_of(record, values, cname), nothing)


def pointer(*values: str, record_id: str = "ptr", lookup: Lookup = LOOKUP) -> Verdict:
    record = record_of(record_id)
    return kind_of(record).judge(record, FACTS, answer_of(record, values), lookup)


def alias(*values: str, lookup: Lookup = nothing, cname: str = "") -> Verdict:
    record = record_of("autoconfig")
    return kind_of(record).judge(record, FACTS, answer_of(record, values, cname), lookup)


def service(*values: str) -> Verdict:
    record = record_of("srv_imaps")
    return kind_of(record).judge(record, FACTS, answer_of(record, values), nothing)


def pin(*values: str) -> Verdict:
    record = record_of("tlsa_25")
    return kind_of(record).judge(record, FACTS, answer_of(record, values), nothing)


# --- A and AAAA --------------------------------------------------------------------------------------------
def test_the_address_of_this_node_is_right_in_any_spelling() -> None:
    assert address("192.0.2.1") == Verdict(Status.OK, found=("192.0.2.1",))
    assert address("2001:DB8:0::1", record_id="host_aaaa").ok


def test_no_address_is_missing_and_another_is_wrong() -> None:
    assert address().status is Status.MISSING
    found = address("192.0.2.7")
    assert found.status is Status.MISMATCH
    assert "192.0.2.7 instead of 192.0.2.1" in found.message


def test_an_address_behind_a_cname_is_wrong() -> None:
    assert "CNAME to node.example.com" in address("192.0.2.1", cname="node.example.com").message


def test_a_strangers_address_beside_is_right_with_a_remark() -> None:
    found = address("192.0.2.1", "192.0.2.7")
    assert found.ok
    assert "192.0.2.7 as well" in found.message
    assert not address(
        "192.0.2.1", "192.0.2.2", facts=replace(FACTS, addresses=("192.0.2.1", "192.0.2.2"))
    ).message


# --- PTR ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("record_id", ["ptr", "ptr_2"])
def test_a_name_that_leads_back_is_right(record_id: str) -> None:
    assert pointer("mail.example.com", record_id=record_id) == Verdict(Status.OK, found=("mail.example.com",))


def test_an_address_without_a_name_and_with_another_are_told_apart() -> None:
    assert pointer().status is Status.MISSING
    assert "192.0.2.1" in pointer().message
    assert "is host7.provider.example instead" in pointer("host7.provider.example").message


def test_a_name_has_to_lead_back_to_the_address() -> None:
    found = pointer("mail.example.com", lookup=nothing)
    assert found.status is Status.MISMATCH
    assert "does not lead back" in found.message
    assert "AAAA record 2001:db8::1" in pointer("mail.example.com", record_id="ptr_2", lookup=nothing).message


def test_a_way_back_that_cannot_be_looked_up_is_not_held_against_the_name() -> None:
    assert pointer("mail.example.com", lookup=lambda name, type_: Answer(name, type_, Outcome.SERVFAIL)).ok


# --- CNAME -------------------------------------------------------------------------------------------------
def test_an_alias_leads_to_the_hostname() -> None:
    assert alias("mail.example.com").ok
    assert alias(cname="mail.example.com").ok
    assert alias("old.example.net").status is Status.MISMATCH
    assert alias().status is Status.MISSING


def test_instead_of_an_alias_the_address_will_do() -> None:
    def at(ip: str) -> Lookup:
        return lookup_in([f"autoconfig.example.com. A {ip}"], "example.com")

    assert alias(lookup=at("192.0.2.1")).ok
    assert alias(lookup=at("192.0.2.7")).status is Status.MISMATCH


def test_another_alias_to_the_same_address_will_do() -> None:
    def by_proxy(ip: str) -> Lookup:
        return lookup_in(["autoconfig.example.com. CNAME proxy.example.com.", f"proxy A {ip}"], "example.com")

    assert alias("proxy.example.com", lookup=by_proxy("192.0.2.1")).ok
    found = alias("proxy.example.com", lookup=by_proxy("192.0.2.7"))
    assert (found.status, found.found) == (Status.MISMATCH, ("proxy.example.com",))
    assert "leads to proxy.example.com instead of mail.example.com" in found.message


# --- SRV ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", ["0 1 993 mail.example.com", "7 7 993 Mail.Example.com."])
def test_a_service_is_right_by_host_and_port(value: str) -> None:
    assert service(value).ok


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0 1 143 mail.example.com", "port 143 instead of mail.example.com port 993"),
        ("0 1 993 imap.example.net", "imap.example.net port 993"),
        ("0 0 0 .", "no such service"),
        ("0 0 0 ", "no such service"),
    ],
)
def test_a_service_elsewhere_is_wrong(value: str, words: str) -> None:
    assert words in service(value).message
    assert service(value).status is Status.MISMATCH


def test_no_service_is_missing() -> None:
    assert service().status is Status.MISSING


# --- TLSA --------------------------------------------------------------------------------------------------
def test_a_pin_is_right_in_any_spelling() -> None:
    assert pin(PIN.upper()).ok
    assert pin("3 1 1 " + "ab" * 16 + " " + "ab" * 16).ok
    assert pin(PIN).message == ""


def test_pins_of_other_certificates_beside_it_are_right_with_a_remark() -> None:
    found = pin("3 1 1 " + "cd" * 32, PIN)
    assert found.ok
    assert "Other TLSA records stand at _25._tcp.mail.example.com" in found.message


def test_a_pin_of_another_certificate_is_worse_than_none() -> None:
    assert pin().status is Status.MISSING
    assert "refuse to send" in pin("3 1 1 " + "cd" * 32).message
    assert pin("2 1 1 " + "ab" * 32).status is Status.MISMATCH
