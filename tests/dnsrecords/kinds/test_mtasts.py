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
        ("v=STSv1", "id= is missing"),
        ("v=STSv1;", "id= is missing"),
        ("v=STSv1; a=b", "id= is missing"),
        ("v=STSv1; id", "'id' is not a field"),
        ("v=STSv1; id=", "the id '' is not valid"),
        ("v=STSv1; id=2026-11-29", "1 to 32 letters and digits"),
        ("v=STSv1; id=2026.1", "1 to 32 letters and digits"),
        (f"v=STSv1; id={'1' * 33}", "1 to 32 letters and digits"),
        ("v=STSv1; id=2026 0101", "1 to 32 letters and digits"),
        ("v=STSv1; id=\u00fc1", "1 to 32 letters and digits"),
        ("v=STSv1; id=20260101, x=y", "1 to 32 letters and digits"),
        ("v=STSv1; ID=20260101", "lower case"),
        ("v=STSv1; id =20260101", "without a space before the equals sign"),
        ("v=STSv1; id= 20260101", "a space after id="),
        ("v=STSv1; id=20260101; id=1", "appears twice"),
        ("v=STSv1;; id=20260101", "nothing between two semicolons"),
        ("v=STSv1; id=20260101; x=", "the value of x= is empty"),
        ("v=STSv1; id=20260101; x=a=b", "not allowed there"),
        ("v=STSv1; id=20260101; _x=1", "'_x' is not a valid field name"),
        (f"v=STSv1; id=20260101; {'x' * 33}=1", "is not a valid field name"),
        ("v=STSv10; id=20260101", "does not start with v=STSv1"),
        ("v=STSV1; id=20260101", "does not start with v=STSv1"),
        ("v = STSv1; id=20260101", "does not start with v=STSv1"),
    ],
)
def test_anything_else_is_wrong_for_a_reason_of_its_own(value: str, words: str) -> None:
    wrong = verdict("mta_sts", value)
    assert wrong.status is Status.MISMATCH
    assert words in wrong.message
    assert ("has changed since" in wrong.message) is ("Enter" in words)


def test_one_record_counts_beside_other_text_and_two_do_not() -> None:
    assert verdict("mta_sts").status is Status.MISSING
    assert verdict("mta_sts", "v=STSv1; id=20260101", "v=STSv1; id=1").status is Status.MISMATCH
    assert verdict("mta_sts", "v=STSv1; id=20260101", "hello").ok


@pytest.mark.parametrize(
    "value",
    [
        "v=TLSRPTv1; rua=mailto:tls@example.com",
        "v=TLSRPTv1;rua=mailto:tls@example.com;",
        "v=TLSRPTv1; rua=https://reports.example/x?y=1",
        "v=TLSRPTv1; rua=mailto:a@example.com , https://reports.example/x; ext=1",
        "v=TLSRPTv1 ; rua=mailto:a@example.com; rua=mailto:b@example.com",
    ],
)
def test_reports_on_tls_may_go_to_a_mailbox_or_a_url(value: str) -> None:
    assert verdict("tls_rpt", value) == Verdict(Status.OK, found=(value,))


@pytest.mark.parametrize(
    ("value", "words", "advice"),
    [
        ("v=TLSRPTv1", "it has no address for them (rua=)", ""),
        ("v=TLSRPTv1; rua=", "it has no address for them (rua=)", ""),
        ("v=TLSRPTv1; RUA=mailto:a@example.com", "lower case", ""),
        ("v=TLSRPTv1; rua=tls@example.com", "'tls@example.com' needs mailto:", "mailto:tls@example.com"),
        (
            "v=TLSRPTv1; rua=mailto:a@b.example mailto:c@d.example",
            "comma",
            "mailto:a@b.example,mailto:c@d.example",
        ),
        ("v=TLSRPTv1; rua=,, ,", "is not an address", ""),
        ("v=TLSRPTv1; rua=mailto:a@example.com other", "has a space", ""),
        ("v=TLSRPTv1; rua=http://bad/%", "character", ""),
        ("v=TLSRPTv1; rua=mailto:nobody", "is not a mail address", ""),
        ("v=TLSRPTv1; rua=mailto:a@example.com!10m", "exclamation mark", ""),
        ("v=TLSRPTv1; rua=http://reports.example/", "neither mailto: nor https:", ""),
    ],
)
def test_without_an_address_that_works_no_report_comes(value: str, words: str, advice: str) -> None:
    wrong = verdict("tls_rpt", value)
    assert wrong.status is Status.MISMATCH
    assert words in wrong.message
    assert wrong.advice == (f"v=TLSRPTv1; rua={advice}" if advice else "")


def test_one_address_that_works_is_enough_and_the_others_are_named() -> None:
    found = verdict("tls_rpt", "v=TLSRPTv1;; rua=mailto:a@b.example,c@d.example,ftp://x.example")
    assert (found.status, found.advice) == (
        Status.OK,
        "v=TLSRPTv1; rua=mailto:a@b.example,mailto:c@d.example",
    )
    for words in ("'c@d.example' needs mailto:", "'ftp://x.example' begins with neither", "two semicolons"):
        assert words in found.message


def test_two_records_or_none_bring_no_report() -> None:
    value = "v=TLSRPTv1; rua=mailto:a@example.com"
    assert verdict("tls_rpt", value, value.upper()).status is Status.OK
    assert verdict("tls_rpt", value, f"{value};").status is Status.MISMATCH
    assert verdict("tls_rpt").status is Status.MISSING
