"""The TXT records of MTA-STS and of the reports on TLS."""

from __future__ import annotations

import pytest

from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.kinds.cases import verdict


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
        ("v=STSv1; id", "is not a tag"),
        ("v=STSv10; id=20260101", "does not start with v=STSv1"),
    ],
)
def test_anything_else_is_wrong(value: str, words: str) -> None:
    wrong = verdict("mta_sts", value)
    assert wrong.status is Status.MISMATCH
    assert words in wrong.message


def test_one_record_counts_beside_other_text_and_two_do_not() -> None:
    assert verdict("mta_sts").status is Status.MISSING
    assert verdict("mta_sts", "v=STSv1; id=20260101", "v=STSv1; id=1").status is Status.MISMATCH
    assert verdict("mta_sts", "v=STSv1; id=20260101", "hello").ok


def test_reports_on_tls_may_go_anywhere_but_not_nowhere() -> None:
    assert verdict("tls_rpt", "v=TLSRPTv1; rua=https://reports.example/x").ok
    assert verdict("tls_rpt", "v=TLSRPTv1").status is Status.MISMATCH
    assert verdict("tls_rpt").status is Status.MISSING
