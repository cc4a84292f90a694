"""The DMARC policy that is published, beside the one that is wanted: quarantine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Answer, Outcome
from dnsrecords.kinds.dmarc import Dmarc
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.kinds import cases
from tests.dnsrecords.mistakes import record_of, text
from tests.dnsrecords.zonelookups import lookup_in

RUA = "rua=mailto:postmaster@example.com"


def verdict(*values: str, cname: str = "") -> Verdict:
    return cases.verdict("dmarc", *values, cname=cname)


@pytest.mark.parametrize(
    "value",
    [
        f"v=DMARC1; p=quarantine; {RUA}",
        f"v=DMARC1;p=QUARANTINE;{RUA};",
        f"v=DMARC1; p=quarantine; sp=reject; pct=100; adkim=s; aspf=s; fo=1; np=reject; {RUA}",
    ],
)
def test_a_policy_of_quarantine_is_right(value: str) -> None:
    assert verdict(value) == Verdict(Status.OK, found=(value,))


def test_a_stronger_policy_is_right_too_and_explained() -> None:
    right = verdict(f"v=DMARC1; p=reject; {RUA}")
    assert right.ok
    assert "stronger" in right.message


def test_a_policy_without_reports_is_right_with_a_remark() -> None:
    right = verdict("v=DMARC1; p=quarantine")
    assert right.ok
    assert "rua=" in right.message


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (f"v=DMARC1; p=none; {RUA}; fo=1", f"v=DMARC1; p=quarantine; {RUA}; fo=1"),
        ("v=DMARC1; p=reject; sp=none; aspf=s", "v=DMARC1; p=reject; aspf=s"),
        ("v=DMARC1; p=quarantine; pct=5", "v=DMARC1; p=quarantine"),
    ],
)
def test_a_weaker_policy_is_wrong_and_what_else_it_says_is_kept(value: str, advice: str) -> None:
    wrong = verdict(value)
    assert (wrong.status, wrong.advice) == (Status.MISMATCH, advice)
    assert verdict(advice).ok


def test_one_policy_counts_beside_other_text_and_two_do_not() -> None:
    assert verdict("hello", f"v=DMARC1; p=quarantine; {RUA}").ok
    assert verdict("v=DMARC1; p=reject", f"v=DMARC1; p=quarantine; {RUA}").status is Status.MISMATCH


def test_nothing_published_is_missing_also_behind_a_cname() -> None:
    assert verdict().status is Status.MISSING
    assert "CNAME to dmarc.example.net" in verdict(cname="dmarc.example.net").message


def test_reports_to_a_domain_that_has_not_agreed_are_remarked_on() -> None:
    value = "v=DMARC1; p=quarantine; rua=mailto:a@reports.example"
    name = "example.com._report._dmarc.reports.example"
    refused = verdict(value)
    assert refused.ok
    assert name in refused.message
    agreed = lookup_in([text(name, "v=DMARC1")], "reports.example")
    assert not cases.verdict("dmarc", value, lookup=agreed).message
    record = record_of(cases.FACTS, "dmarc")
    answer = Answer(*record.question, Outcome.FOUND, (value,))
    assert (name, "TXT") in Dmarc().questions(record, cases.FACTS, answer)


@given(
    st.text(max_size=60),
    st.sampled_from(["", "v=DMARC1; ", "v=DMARC1; p=quarantine; ", "v=DMARC1; p=none; rua="]),
)
def test_any_text_can_be_judged(value: str, start: str) -> None:
    outcome = verdict(start + value)
    assert outcome.ok or outcome.message.endswith(".")
