"""MX records: where a domain's mail goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrecords.answers import Answer, Lookup, Outcome
from dnsrecords.kinds.mx import Exchange, Mx, parse
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, record_of
from tests.dnsrecords.zonelookups import lookup_in, nothing

FACTS = facts_of()
ZONE = [
    "mail.example.com. A 192.0.2.1",
    "same.example.com. A 192.0.2.1",
    "other.example.com. A 192.0.2.99",
    "alias.example.com. CNAME mail.example.com.",
]
LOOKUP = lookup_in(ZONE, "example.com")


def verdict(*values: str, lookup: Lookup = LOOKUP, addresses: tuple[str, ...] = FACTS.addresses) -> Verdict:
    facts = replace(FACTS, addresses=addresses)
    outcome = Outcome.FOUND if values else Outcome.NO_DATA
    return Mx().judge(record_of(facts, "mx"), facts, Answer("example.com", "MX", outcome, values), lookup)


@pytest.mark.parametrize(
    "value", ["10 mail.example.com", "10 mail.example.com.", "0 MAIL.example.com", "65535 mail.example.com"]
)
def test_a_record_that_names_this_node_is_right_whatever_its_number(value: str) -> None:
    assert verdict(value) == Verdict(Status.OK, found=(value,))


@pytest.mark.parametrize(
    ("value", "exchange"),
    [
        ("10 Mail.Example.com.", Exchange(10, "mail.example.com")),
        ("0 .", Exchange(0, "")),
        ("0 ", Exchange(0, "")),
        ("0", Exchange(0, "")),
        ("mail.example.com", None),
        ("", None),
        ("٣ mail.example.com", None),
    ],
)
def test_values_are_taken_apart(value: str, exchange: Exchange | None) -> None:
    assert parse(value) == exchange


def test_nothing_published_is_missing() -> None:
    assert verdict().status is Status.MISSING


@pytest.mark.parametrize("host", ["192.0.2.1", "192.0.2.1.example.com", "[192.0.2.1]", "2001:db8::1"])
def test_an_address_is_no_host(host: str) -> None:
    found = verdict(f"10 {host}")
    assert found.status is Status.MISMATCH
    assert "it has to be a name" in found.message


def test_another_name_of_this_node_is_right_with_a_remark() -> None:
    for addresses in (("192.0.2.1",), ()):  # known, or asked for
        found = verdict("10 same.example.com", addresses=addresses)
        assert found.ok
        assert "certificate names mail.example.com" in found.message


def test_another_node_is_wrong() -> None:
    assert verdict("10 other.example.com").status is Status.MISMATCH
    assert verdict("10 other.example.com", addresses=()).status is Status.MISMATCH


def test_an_alias_of_this_node_is_wrong() -> None:
    found = verdict("10 alias.example.com")
    assert found.status is Status.MISMATCH
    assert "CNAME to mail.example.com" in found.message


def test_a_backup_with_a_higher_number_is_right_with_a_remark() -> None:
    found = verdict("10 mail.example.com", "20 backup.example.net")
    assert found.ok
    assert "backup.example.net" in found.message


@pytest.mark.parametrize(("priority", "words"), [(5, "first"), (10, "same number")])
def test_others_may_not_come_before_this_node_or_beside_it(priority: int, words: str) -> None:
    found = verdict("10 mail.example.com", f"{priority} mx.example.net")
    assert found.status is Status.MISMATCH
    assert words in found.message


def test_two_names_of_this_node_are_no_others() -> None:
    assert verdict("10 mail.example.com", "10 mail.example.com.").ok


def test_a_null_mx_is_wrong_also_beside_this_node() -> None:
    assert "takes no mail" in verdict("0 ").message
    assert verdict("10 mail.example.com", "0 .").status is Status.MISMATCH


def test_a_hostname_without_an_address_is_another_records_fault() -> None:
    found = verdict("10 mail.example.com", lookup=nothing)
    assert found.ok
    assert "Add its A record" in found.message


def test_a_hostname_that_cannot_be_looked_up_is_given_the_benefit_of_the_doubt() -> None:
    found = verdict("10 mail.example.com", lookup=lambda name, type_: Answer(name, type_, Outcome.TIMEOUT))
    assert found == Verdict(Status.OK, found=("10 mail.example.com",))
