"""A and PTR of the mail server's own host."""

from __future__ import annotations

from dataclasses import replace

from dnsrecords.answers import Answer, Outcome
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.kinds.cases import FACTS, verdict
from tests.dnsrecords.zonelookups import lookup_in

LOOKUP = lookup_in(["mail.example.com. A 192.0.2.1", "mail.example.com. AAAA 2001:db8::1"], "example.com")


# --- A -----------------------------------------------------------------------------------------------------
def test_the_address_of_this_node_is_right() -> None:
    assert verdict("host_a", "192.0.2.1") == Verdict(Status.OK, found=("192.0.2.1",))


def test_no_address_is_missing_and_another_is_wrong() -> None:
    assert verdict("host_a").status is Status.MISSING
    wrong = verdict("host_a", "192.0.2.7")
    assert wrong.status is Status.MISMATCH
    assert "192.0.2.7 instead of 192.0.2.1" in wrong.message


def test_an_address_behind_a_cname_is_wrong() -> None:
    assert "CNAME to node.example.com" in verdict("host_a", "192.0.2.1", cname="node.example.com").message


def test_a_strangers_address_beside_is_right_with_a_remark() -> None:
    right = verdict("host_a", "192.0.2.1", "192.0.2.7")
    assert right.ok
    assert "192.0.2.7 as well" in right.message
    both_ours = replace(FACTS, addresses=("192.0.2.1", "192.0.2.2"))
    assert not verdict("host_a", "192.0.2.1", "192.0.2.2", facts=both_ours).message


# --- PTR ---------------------------------------------------------------------------------------------------
def test_a_name_that_leads_back_is_right() -> None:
    right = verdict("ptr", "mail.example.com", lookup=LOOKUP)
    assert right == Verdict(Status.OK, found=("mail.example.com",))


def test_an_address_without_a_name_and_with_another_are_told_apart() -> None:
    assert verdict("ptr").status is Status.MISSING
    assert "192.0.2.1" in verdict("ptr").message
    assert "is host7.provider.example instead" in verdict("ptr", "host7.provider.example").message


def test_a_name_has_to_lead_back_to_the_address() -> None:
    wrong = verdict("ptr", "mail.example.com")
    assert wrong.status is Status.MISMATCH
    assert "does not lead back" in wrong.message
    assert "A record 192.0.2.1" in wrong.message


def test_a_way_back_that_cannot_be_looked_up_is_not_held_against_the_name() -> None:
    def broken(name: str, type_: str) -> Answer:
        return Answer(name, type_, Outcome.SERVFAIL)

    assert verdict("ptr", "mail.example.com", lookup=broken).ok
