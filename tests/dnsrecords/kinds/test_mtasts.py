"""The TXT records of MTA-STS and of reports on TLS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrecords.answers import Answer, Outcome
from dnsrecords.kinds.registry import kind_of
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, record_of
from tests.dnsrecords.zonelookups import nothing

FACTS = replace(facts_of(), mta_sts="20260101")


def verdict(record_id: str, *values: str) -> Verdict:
    record = record_of(FACTS, record_id)
    answer = Answer(record.name, "TXT", Outcome.FOUND, values)
    return kind_of(record).judge(record, FACTS, answer, nothing)


@pytest.mark.parametrize(
    "value", ["v=STSv1; id=20260101", "v=STSv1;id=20260101;", "v=STSv1; id=20260101; x=y"]
)
def test_the_id_of_the_policy_is_right(value: str) -> None:
    assert verdict("mta_sts", value) == Verdict(Status.OK, found=(value,))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("v=STSv1; id=20250101", "Enter 20260101"),
        ("v=STSv1", "Enter 20260101"),
        ("v=STSv1; id", "is no tag"),
        ("id=20260101; v=STSv1", "does not start with v=STSv1"),
        ("v=STSv10; id=20260101", "does not start with v=STSv1"),
    ],
)
def test_anything_else_is_wrong(value: str, words: str) -> None:
    found = verdict("mta_sts", value)
    assert found.status is Status.MISMATCH
    assert words in found.message


def test_of_each_kind_there_is_one() -> None:
    assert verdict("mta_sts").status is Status.MISSING
    assert verdict("mta_sts", "v=STSv1; id=20260101", "v=STSv1; id=1").status is Status.MISMATCH
    assert verdict("mta_sts", "v=STSv1; id=20260101", "hello").ok


def test_reports_on_tls_may_go_anywhere_but_not_nowhere() -> None:
    assert verdict("tls_rpt", "v=TLSRPTv1; rua=https://reports.example/x").ok
    assert verdict("tls_rpt", "v=TLSRPTv1").status is Status.MISMATCH
    assert verdict("tls_rpt").status is Status.MISSING
