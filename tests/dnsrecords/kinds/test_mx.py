"""MX records: where a domain's mail goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrecords.answers import Answer, Lookup, Outcome
from dnsrecords.kinds.mx import Exchange, parse
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.kinds import cases
from tests.dnsrecords.zonelookups import lookup_in, nothing

ZONE = [
    "mail.example.com. A 192.0.2.1",
    "same.example.com. A 192.0.2.1",
    "other.example.com. A 192.0.2.99",
    "alias.example.com. CNAME mail.example.com.",
]
LOOKUP = lookup_in(ZONE, "example.com")
UNKNOWN = replace(cases.FACTS, addresses=())


def verdict(*values: str, lookup: Lookup = LOOKUP) -> Verdict:
    return cases.verdict("mx", *values, lookup=lookup)


@pytest.mark.parametrize("value", ["10 mail.example.com", "10 mail.example.com.", "65535 MAIL.example.com"])
def test_a_record_that_names_this_node_is_right_whatever_its_number(value: str) -> None:
    assert verdict(value) == Verdict(Status.OK, found=(value,))


def test_values_are_parsed() -> None:
    values = {
        "10 Mail.Example.com.": Exchange(10, "mail.example.com"),
        "0 .": Exchange(0, ""),
        "0 ": Exchange(0, ""),
        "0": Exchange(0, ""),
        "mail.example.com": None,
        "": None,
        "٣ mail.example.com": None,
    }
    assert {value: parse(value) for value in values} == values


def test_nothing_published_is_missing() -> None:
    assert verdict().status is Status.MISSING


@pytest.mark.parametrize("host", ["192.0.2.1", "192.0.2.1.example.com", "[192.0.2.1]", "2001:db8::1"])
def test_an_address_is_no_host(host: str) -> None:
    wrong = verdict(f"10 {host}")
    assert wrong.status is Status.MISMATCH
    assert "but must point to a name" in wrong.message


def test_another_name_of_this_node_is_right_with_a_remark() -> None:
    for facts in (cases.FACTS, UNKNOWN):  # its addresses are set, or looked up
        right = cases.verdict("mx", "10 same.example.com", lookup=LOOKUP, facts=facts)
        assert right.ok
        assert "certificate is for mail.example.com" in right.message


def test_another_node_is_wrong() -> None:
    for facts in (cases.FACTS, UNKNOWN):
        wrong = cases.verdict("mx", "10 other.example.com", lookup=LOOKUP, facts=facts)
        assert wrong.status is Status.MISMATCH


def test_an_alias_of_this_node_is_wrong() -> None:
    wrong = verdict("10 alias.example.com")
    assert wrong.status is Status.MISMATCH
    assert "CNAME to mail.example.com" in wrong.message


def test_a_backup_with_a_higher_number_is_right_with_a_remark() -> None:
    right = verdict("10 mail.example.com", "20 backup.example.net")
    assert right.ok
    assert "backup.example.net" in right.message


@pytest.mark.parametrize(("priority", "words"), [(5, "first"), (10, "same number")])
def test_others_may_not_come_before_this_node_or_beside_it(priority: int, words: str) -> None:
    wrong = verdict("10 mail.example.com", f"{priority} mx.example.net")
    assert wrong.status is Status.MISMATCH
    assert words in wrong.message


def test_two_names_of_this_node_are_no_others() -> None:
    assert verdict("10 mail.example.com", "10 mail.example.com.").ok


def test_a_null_mx_is_wrong_also_beside_this_node() -> None:
    assert "accepts no mail" in verdict("0 ").message
    assert verdict("10 mail.example.com", "0 .").status is Status.MISMATCH


def test_a_hostname_without_an_address_is_another_records_fault() -> None:
    right = verdict("10 mail.example.com", lookup=nothing)
    assert right.ok
    assert "Add its A record" in right.message


def test_a_hostname_that_cannot_be_looked_up_is_given_the_benefit_of_the_doubt() -> None:
    def broken(name: str, type_: str) -> Answer:
        return Answer(name, type_, Outcome.TIMEOUT)

    right = verdict("10 mail.example.com", lookup=broken)
    assert right == Verdict(Status.OK, found=("10 mail.example.com",))
