"""DMARC policies: RFC 7489 §6.3, and the comparison with quarantine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Answer, Outcome
from dnsrecords.dmarc import judge as dmarcrecords
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, record_of

NAME = "_dmarc.example.com"
RUA = "rua=mailto:postmaster@example.com"


def verdict(*values: str, cname: str = "") -> Verdict:
    outcome = Outcome.FOUND if values else Outcome.NXDOMAIN
    return dmarcrecords.judge(
        record_of(facts_of(), "dmarc"), Answer(NAME, "TXT", outcome, values, 300, cname)
    )


# --- taken apart -------------------------------------------------------------------------------------------
def test_the_tags_of_a_policy_are_read() -> None:
    parsed = dmarcrecords.parse(
        "v=DMARC1; p=Quarantine; sp=reject; pct=50; rua=mailto:a@Example.com!10m, mailto:b@reports.example; x=y"
    )
    assert (parsed.policy, parsed.subdomains, parsed.percent) == ("quarantine", "reject", 50)
    assert parsed.reports == ("example.com", "reports.example")
    assert not parsed.errors


def test_what_is_not_said_has_its_default() -> None:
    parsed = dmarcrecords.parse("v=DMARC1; p=reject")
    assert (parsed.policy, parsed.subdomains, parsed.percent, parsed.reports) == ("reject", "reject", 100, ())


@pytest.mark.parametrize("pct", ["101", "-1", "many", "", "1000", "٣"])
def test_a_percentage_that_is_none_counts_as_all(pct: str) -> None:
    assert dmarcrecords.parse(f"v=DMARC1; p=reject; pct={pct}").percent == 100


@pytest.mark.parametrize("text", ["v=DMARC1", "v=DMARC1; p=", "v=DMARC1; p=all", "v=DMARC1; p=none; sp=all",
                                  "v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC1; p=none; p=reject"])  # fmt: skip
def test_what_receivers_do_not_heed_has_an_error(text: str) -> None:
    assert dmarcrecords.parse(text).errors


@pytest.mark.parametrize("text", ["v=DMARC1; p=none", "v=DMARC1;p=none;", "v = DMARC1 ;p=none", "v=DMARC1"])
def test_a_policy_starts_with_its_version(text: str) -> None:
    assert dmarcrecords.is_policy(text)


@pytest.mark.parametrize(
    "text", ["", "v=DMARC10; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC1 p=none", "v=spf1"]
)
def test_anything_else_is_no_policy(text: str) -> None:
    assert not dmarcrecords.is_policy(text)


@given(
    st.text(max_size=60),
    st.sampled_from(["", "v=DMARC1; ", "v=DMARC1; p=quarantine; ", "v=DMARC1; p=none; rua="]),
)
def test_any_text_can_be_taken_apart_and_judged(text: str, start: str) -> None:
    dmarcrecords.parse(start + text)
    found = verdict(start + text)
    assert found.ok or found.message.endswith(".")


# --- the comparison ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [
        f"v=DMARC1; p=quarantine; {RUA}",
        f"v=DMARC1;p=QUARANTINE;{RUA};",
        f"v=DMARC1; p=quarantine; sp=reject; pct=100; adkim=s; aspf=s; fo=1; {RUA}",
        f"v=DMARC1; p=quarantine; np=reject; {RUA}",
    ],
)
def test_a_policy_of_quarantine_is_right(value: str) -> None:
    assert verdict(value) == Verdict(Status.OK, found=(value,))


def test_a_stronger_policy_is_right_too_and_explained() -> None:
    found = verdict(f"v=DMARC1; p=reject; {RUA}")
    assert found.ok
    assert "stronger" in found.message


def test_a_policy_without_reports_is_right_with_a_remark() -> None:
    found = verdict("v=DMARC1; p=quarantine")
    assert found.ok
    assert "rua=" in found.message


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (f"v=DMARC1; p=none; {RUA}; fo=1", f"v=DMARC1; p=quarantine; {RUA}; fo=1"),
        ("v=DMARC1; p=reject; sp=none; aspf=s", "v=DMARC1; p=reject; aspf=s"),
        ("v=DMARC1; p=quarantine; pct=5", "v=DMARC1; p=quarantine"),
    ],
)
def test_a_weaker_policy_is_wrong_and_what_else_it_says_is_kept(value: str, advice: str) -> None:
    found = verdict(value)
    assert (found.status, found.advice) == (Status.MISMATCH, advice)
    assert verdict(advice).ok


def test_the_staged_path_is_named_where_the_policy_only_watches() -> None:
    assert "none → quarantine → reject" in verdict("v=DMARC1; p=none").message


def test_one_policy_counts_beside_other_text_and_two_do_not() -> None:
    assert verdict("hello", f"v=DMARC1; p=quarantine; {RUA}").ok
    assert verdict("v=DMARC1; p=reject", f"v=DMARC1; p=quarantine; {RUA}").status is Status.MISMATCH


def test_nothing_published_is_missing_also_behind_a_cname() -> None:
    assert verdict().status is Status.MISSING
    assert "CNAME to dmarc.example.net" in verdict(cname="dmarc.example.net").message


# --- reports -----------------------------------------------------------------------------------------------
def test_other_domains_have_to_agree_to_get_reports() -> None:
    found = dmarcrecords.parse(
        "v=DMARC1; p=none; rua=mailto:a@reports.example,mailto:b@example.com,mailto:c@x.example.com"
    )
    assert dmarcrecords.foreign_reports(found, "example.com") == (
        "example.com._report._dmarc.reports.example",
    )


def test_an_address_for_reports_takes_the_place_of_another() -> None:
    assert (
        dmarcrecords.reporting("v=DMARC1; rua=x; p=none", "a@b.example")
        == "v=DMARC1; p=none; rua=mailto:a@b.example"
    )
