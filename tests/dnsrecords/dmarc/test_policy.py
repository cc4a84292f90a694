"""DMARC policies, parsed and put together: RFC 7489 §6.3."""

from __future__ import annotations

import pytest

from dnsrecords.dmarc.policy import consent_names, is_policy, parse, with_reports


def test_the_tags_of_a_policy_are_read() -> None:
    policy = parse(
        "v=DMARC1; p=Quarantine; sp=reject; pct=50; rua=mailto:a@Example.com!10m, mailto:b@reports.example; x=y"
    )
    assert (policy.policy, policy.subdomains, policy.percent) == ("quarantine", "reject", 50)
    assert policy.reports == ("example.com", "reports.example")
    assert not policy.errors


def test_what_is_not_said_has_its_default() -> None:
    policy = parse("v=DMARC1; p=reject")
    assert (policy.policy, policy.subdomains, policy.percent, policy.reports) == ("reject", "reject", 100, ())


def test_a_percentage_that_is_none_counts_as_all() -> None:
    for text in ("101", "-1", "many", "", "1000", "٣"):
        assert parse(f"v=DMARC1; p=reject; pct={text}").percent == 100, text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("v=DMARC1", "p= with the policy is missing"),
        ("v=DMARC1; p=all", "p=all is not a policy"),
        ("v=DMARC1; p=none; sp=all", "sp=all is not a policy"),
        ("v=dmarc1; p=none", "written exactly like this"),
        ("p=none; v=DMARC1", "has to come first"),
        ("v=DMARC1; p=none; p=reject", "the tag p= appears twice"),
    ],
)
def test_what_receivers_do_not_heed_has_an_error(text: str, error: str) -> None:
    assert error in " ".join(parse(text).errors)


def test_a_policy_starts_with_its_version() -> None:
    for text in ("v=DMARC1; p=none", "v=DMARC1;p=none;", "v = DMARC1 ;p=none", "v=DMARC1"):
        assert is_policy(text), text
    for text in (
        "",
        "v=DMARC10; p=none",
        "v=dmarc1; p=none",
        "p=none; v=DMARC1",
        "v=DMARC1 p=none",
        "v=spf1",
    ):
        assert not is_policy(text), text


# --- reports -----------------------------------------------------------------------------------------------
def test_other_domains_have_to_agree_to_get_reports() -> None:
    receivers = "mailto:a@reports.example,mailto:b@example.com,mailto:c@x.example.com"
    policy = parse(f"v=DMARC1; p=none; rua={receivers}")
    assert consent_names(policy, "example.com") == ("example.com._report._dmarc.reports.example",)


def test_an_address_for_reports_takes_the_place_of_another() -> None:
    record = with_reports("v=DMARC1; rua=x; p=none", "a@b.example")
    assert record == "v=DMARC1; p=none; rua=mailto:a@b.example"
