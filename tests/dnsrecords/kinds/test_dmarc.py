"""The DMARC policy that is published, beside the one that is wanted: quarantine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Answer, Outcome
from dnsrecords.kinds.dmarc import Dmarc
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, record_of, text
from tests.dnsrecords.zonelookups import lookup_in, nothing

FACTS = facts_of()
RECORD = record_of(FACTS, "dmarc")
RUA = "rua=mailto:postmaster@example.com"


def verdict(*values: str, cname: str = "") -> Verdict:
    outcome = Outcome.FOUND if values else Outcome.NXDOMAIN
    return Dmarc().judge(RECORD, FACTS, Answer(RECORD.name, "TXT", outcome, values, 300, cname), nothing)


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


def test_reports_to_a_domain_that_has_not_agreed_are_remarked_on() -> None:
    value = "v=DMARC1; p=quarantine; rua=mailto:a@reports.example"
    name = "example.com._report._dmarc.reports.example"
    refused = verdict(value)
    assert refused.ok
    assert name in refused.message
    answer = Answer(RECORD.name, "TXT", Outcome.FOUND, (value,))
    assert (name, "TXT") in Dmarc().questions(RECORD, FACTS, answer)
    agreed = Dmarc().judge(RECORD, FACTS, answer, lookup_in([text(name, "v=DMARC1")], "reports.example"))
    assert not agreed.message


@given(
    st.text(max_size=60),
    st.sampled_from(["", "v=DMARC1; ", "v=DMARC1; p=quarantine; ", "v=DMARC1; p=none; rua="]),
)
def test_any_text_can_be_judged(value: str, start: str) -> None:
    found = verdict(start + value)
    assert found.ok or found.message.endswith(".")
