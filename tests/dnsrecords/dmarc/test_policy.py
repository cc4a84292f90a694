"""DMARC policies, taken apart and put together: RFC 7489 §6.3."""

from __future__ import annotations

import pytest

from dnsrecords.dmarc.policy import consent_names, is_policy, parse, with_reports


# --- taken apart -------------------------------------------------------------------------------------------
def test_the_tags_of_a_policy_are_read() -> None:
    parsed = parse(
        "v=DMARC1; p=Quarantine; sp=reject; pct=50; rua=mailto:a@Example.com!10m, mailto:b@reports.example; x=y"
    )
    assert (parsed.policy, parsed.subdomains, parsed.percent) == ("quarantine", "reject", 50)
    assert parsed.reports == ("example.com", "reports.example")
    assert not parsed.errors


def test_what_is_not_said_has_its_default() -> None:
    parsed = parse("v=DMARC1; p=reject")
    assert (parsed.policy, parsed.subdomains, parsed.percent, parsed.reports) == ("reject", "reject", 100, ())


@pytest.mark.parametrize("pct", ["101", "-1", "many", "", "1000", "٣"])
def test_a_percentage_that_is_none_counts_as_all(pct: str) -> None:
    assert parse(f"v=DMARC1; p=reject; pct={pct}").percent == 100


@pytest.mark.parametrize("text", ["v=DMARC1", "v=DMARC1; p=", "v=DMARC1; p=all", "v=DMARC1; p=none; sp=all",
                                  "v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC1; p=none; p=reject"])  # fmt: skip
def test_what_receivers_do_not_heed_has_an_error(text: str) -> None:
    assert parse(text).errors


@pytest.mark.parametrize("text", ["v=DMARC1; p=none", "v=DMARC1;p=none;", "v = DMARC1 ;p=none", "v=DMARC1"])
def test_a_policy_starts_with_its_version(text: str) -> None:
    assert is_policy(text)


@pytest.mark.parametrize(
    "text", ["", "v=DMARC10; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC1 p=none", "v=spf1"]
)
def test_anything_else_is_no_policy(text: str) -> None:
    assert not is_policy(text)


# --- reports -----------------------------------------------------------------------------------------------
def test_other_domains_have_to_agree_to_get_reports() -> None:
    found = parse(
        "v=DMARC1; p=none; rua=mailto:a@reports.example,mailto:b@example.com,mailto:c@x.example.com"
    )
    assert consent_names(found, "example.com") == ("example.com._report._dmarc.reports.example",)


def test_an_address_for_reports_takes_the_place_of_another() -> None:
    assert (
        with_reports("v=DMARC1; rua=x; p=none", "a@b.example") == "v=DMARC1; p=none; rua=mailto:a@b.example"
    )
