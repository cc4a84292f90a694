"""Wildcards and CNAME records in real zones: what a check says about records that are not at their name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrecords.checking import check
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, key_pair, record_of, zone_lines
from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.real


def look(
    nameserver: Nameserver, domain: str, *lines: str, without: tuple[str, ...] = (), zone: str = ""
) -> dict[str, Verdict]:
    """Record id → verdict, with the required records but some, and these lines."""
    facts = facts_of(domain)
    required = [line for line in zone_lines(facts, None) if not any(word in line for word in without)]
    nameserver.publish(zone or domain, [*required, *lines])
    wanted = replace(facts, addresses=(), autoconfig=True)
    return {result.record.id: result.verdict for result in check.look(wanted)}


@pytest.mark.parametrize(
    "wildcard",
    [
        '* TXT "v=spf1 -all"',
        "* CNAME @",
        "* CNAME gone.elsewhere.test.",
        '*._domainkey TXT "v=DKIM1; p="',
        '* TXT "v=DKIM1; k=rsa; p=QUJD"',
    ],
)
def test_a_wildcard_is_no_key(nameserver: Nameserver, wildcard: str) -> None:
    verdict = look(nameserver, "key.test", wildcard, without=("_domainkey",))["dkim"]
    assert (verdict.status, verdict.found, verdict.advice) == (Status.MISSING, (), "")
    assert "comes from a wildcard record (*), which you can keep" in verdict.message
    assert "elete" not in verdict.message and "Replace" not in verdict.message


def test_a_name_that_exists_is_not_the_wildcards(nameserver: Nameserver) -> None:
    there = {
        "same.test": ['* TXT "v=spf1 -all"', 'quazzar._domainkey TXT "v=spf1 -all"'],
        "alias.test": ["* CNAME @", "quazzar._domainkey CNAME @"],
        "above.test": ['*.quazzar._domainkey TXT "hello"', 'quazzar._domainkey TXT "hello"'],
    }
    for domain, lines in there.items():
        verdict = look(nameserver, domain, *lines, without=("_domainkey",))["dkim"]
        assert verdict.status is Status.MISMATCH and "wildcard" not in verdict.message, domain


def test_what_hides_a_wildcard_leaves_nothing_to_say_about_it(nameserver: Nameserver) -> None:
    # The name between the zone and ours exists, with no records (RFC 4592 §2.2.2).
    lines = ['* TXT "v=spf1 -all"', 'old._domainkey TXT "v=DKIM1; p="']
    verdict = look(nameserver, "hidden.test", *lines, without=("quazzar._domainkey",))["dkim"]
    assert verdict.status is Status.MISSING and "wildcard" not in verdict.message


def test_a_wildcard_is_no_record_that_was_entered_under_another_name(nameserver: Nameserver) -> None:
    lines = ["* MX 10 mail.entered.test.", '* TXT "v=spf1 mx ~all"']
    verdicts = look(nameserver, "entered.test", *lines, without=(" MX ", "v=spf1"))
    for record_id in ("mx", "spf"):
        assert verdicts[record_id].status is Status.MISSING
        assert "instead of" not in verdicts[record_id].message


def test_every_kind_of_record_is_told_from_a_wildcard(nameserver: Nameserver) -> None:
    verdicts = look(
        nameserver,
        "mail1.org.test",
        "* A 192.0.2.80",
        '* TXT "v=spf1 ip4:198.51.100.7 -all"',
        "* MX 5 mx.elsewhere.test.",
        "* SRV 0 0 1 old.elsewhere.test.",
        without=("mail1.org.test.",),
        zone="org.test",
    )
    for record_id in ("mx", "spf", "dkim", "dmarc", "tls_rpt", "srv_imaps"):
        assert verdicts[record_id].status is Status.MISSING, record_id
        assert "from a wildcard record (*), which you can keep" in verdicts[record_id].message, record_id
    assert verdicts["spf"].advice.startswith("v=spf1 ip4:198.51.100.7 ")


def test_the_name_that_a_provider_gives_every_address_is_the_address_own(nameserver: Nameserver) -> None:
    nameserver.publish("2.0.192.in-addr.arpa", ["* PTR dynamic.provider.test."])
    results = check.look(facts_of("pointer.test"))
    verdict = next(result.verdict for result in results if result.record.id == "ptr")
    assert verdict.status is Status.MISMATCH
    assert "is dynamic.provider.test instead of mail.pointer.test" in verdict.message
    assert "wildcard" not in verdict.message


def test_at_the_domain_itself_there_is_no_wildcard(nameserver: Nameserver) -> None:
    lines = ['@ TXT "v=spf1 -all"', '* TXT "v=spf1 -all"']
    verdict = look(nameserver, "apex.test", *lines, without=("v=spf1",))["spf"]
    assert verdict.status is Status.MISMATCH and "wildcard" not in verdict.message


def test_an_address_by_a_wildcard_is_not_in_the_place_of_a_cname(nameserver: Nameserver) -> None:
    verdict = look(nameserver, "web.test", "* A 192.0.2.80")["autoconfig"]
    assert (
        verdict.status is Status.MISSING
        and "from a wildcard record (*), which you can keep" in verdict.message
    )
    there = look(nameserver, "web2.test", "* A 192.0.2.80", "autoconfig A 192.0.2.80")["autoconfig"]
    assert there.status is Status.MISMATCH and "Delete that record" in there.message


def test_a_right_key_with_a_fault_is_mended_where_it_is(nameserver: Nameserver) -> None:
    key = record_of(facts_of("behind.test"), "dkim").value
    lines = ["quazzar._domainkey CNAME k", f'k TXT "{key[:200]}" "{key[200:]}; t=y"']
    message = look(nameserver, "behind.test", *lines, without=("_domainkey",))["dkim"].message
    assert message.startswith("The tag t=y says") and "is a CNAME to k.behind.test" in message
    assert "another key" not in message


def test_a_policy_behind_a_cname_is_mended_there_or_after_the_cname_is_gone(nameserver: Nameserver) -> None:
    policies = {
        "weak": ['x TXT "v=DMARC1; p=none"'],
        "bad": ['x TXT "v=DMARC1 p=reject"'],
        "two": ['x TXT "v=DMARC1; p=reject"', 'x TXT "v=DMARC1; p=none"'],
        "gone": [],
    }
    for label, lines in policies.items():
        there = ["_dmarc CNAME x", *lines]
        verdict = look(nameserver, f"{label}.test", *there, without=("_dmarc",))["dmarc"]
        assert verdict.status is (Status.MISMATCH if lines else Status.MISSING)
        assert f"is a CNAME to x.{label}.test" in verdict.message
        assert "delete the CNAME and then add" in verdict.message and "Add the TXT" not in verdict.message


def test_names_below_a_dname_record_are_mended_where_it_leads(nameserver: Nameserver) -> None:
    nameserver.publish("services.test", ["other A 192.0.2.1"])
    verdicts = look(nameserver, "dname.test", "_domainkey DNAME services.test.", without=("_domainkey",))
    message = verdicts["dkim"].message
    assert "leads to quazzar.services.test by the DNAME record at _domainkey.dname.test" in message
    assert "CNAME" not in message and key_pair()[0] not in message
