"""DMARC policies, parsed and put together: RFC 9989 §4.7, §4.8."""

from __future__ import annotations

import pytest

from dnsrecords.dmarc.policy import cleaned, is_policy, parse, with_policy, with_reports

RUA = "rua=mailto:a@example.com"


def test_the_tags_of_a_policy_are_read() -> None:
    policy = parse(
        "v=DMARC1; p=Quarantine; sp=reject; np=none; t=Y; psd=N; pct=50; "
        "rua=mailto:a@Example.com!10m, mailto:b@reports.example; ruf=mailto:c@example.com"
    )
    assert (policy.policy, policy.subdomains, policy.absent) == ("quarantine", "reject", "none")
    assert (policy.testing, policy.psd, policy.percent) == (True, "n", 50)
    assert [address.host for address in policy.reports] == ["example.com", "reports.example"]
    assert [address.host for address in policy.failure_reports] == ["example.com"]
    assert (policy.fatal, policy.flaws) == ("", ())


@pytest.mark.parametrize(
    ("tags", "below"),
    [
        ("p=reject", ("reject", "reject")),
        ("p=none; sp=reject", ("reject", "reject")),
        ("p=none; np=reject", ("none", "reject")),
        ("p=none; sp=quarantine; np=reject", ("quarantine", "reject")),
    ],
)
def test_subdomains_fall_back_from_np_to_sp_to_p(tags: str, below: tuple[str, str]) -> None:
    policy = parse(f"v=DMARC1; {tags}")
    assert (policy.subdomains, policy.absent) == below


@pytest.mark.parametrize(
    ("tags", "holds"),
    [
        ("p=reject", "reject"),
        ("p=reject; t=n", "reject"),
        ("p=reject; t=y", "quarantine"),
        ("p=quarantine; t=y", "none"),
        ("p=none; t=y", "none"),
        ("p=reject; t=yes", "reject"),
        ("p=reject; sp=quarantine", "quarantine"),
        ("p=reject; sp=quarantine; t=y", "none"),
        ("p=reject; np=none", "none"),
        ("p=reject; pct=99", "quarantine"),
        ("p=reject; pct=99; t=y", "quarantine"),
        ("p=quarantine; pct=0", "none"),
        ("p=reject; pct=100", "reject"),
        ("rua=mailto:a@example.com", "none"),
        ("p=reject; sp=all", "none"),
    ],
)
def test_what_holds_for_all_mail_at_all_receivers(tags: str, holds: str) -> None:
    assert parse(f"v=DMARC1; {tags}").holds == holds


def test_a_percentage_that_is_none_counts_as_all() -> None:
    for text in ("101", "-1", "many", "", "1000", "٣"):
        assert parse(f"v=DMARC1; p=reject; pct={text}").percent == 100, text


@pytest.mark.parametrize(
    ("text", "fatal", "heeded"),
    [
        ("v=DMARC1", "the tag p=, which holds the policy, is missing", False),
        (f"v=DMARC1; {RUA}", "the tag p=, which holds the policy, is missing", True),
        ("v=DMARC1; rua=nobody", "the tag p=, which holds the policy, is missing", False),
        ("v=DMARC1; p=all", "p=all is not a policy", False),
        (f"v=DMARC1; p=; {RUA}", "p= is not a policy", True),
        ("v=DMARC1; p=none; sp=all", "sp=all is not a policy", False),
        (f"v=DMARC1; p=reject; np=all; {RUA}", "np=all is not a policy", True),
        ("v=dmarc1; p=none", "written exactly like this", False),
        ("p=none; v=DMARC1", "has to come first", False),
        ("v=DMARC1; p=none; p=reject", "the tag p= appears twice", False),
    ],
)
def test_without_a_valid_policy_only_reports_are_sent_if_anything(
    text: str, fatal: str, heeded: bool
) -> None:
    policy = parse(text)
    assert fatal in policy.fatal
    assert (policy.heeded, policy.in_effect("reject")) == (heeded, "none")


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        (";", "nothing between two semicolons"),
        ("rf:afrf", "'rf:afrf' is not a tag"),
        ("adkim=strict", "adkim=strict counts as adkim=r"),
        ("t=1", "t=1 counts as t=n"),
        ("psd=x", "psd=x counts as psd=u"),
        ("ruf=mailto:a@example.com; fo=2", "fo=2 counts as fo=0"),
        ("ruf=mailto:a@example.com; fo=0:1:d:s", "fo=0:1:d:s counts as fo=0"),
        ("ruf=mailto:a@example.com; fo=d:d", "fo=d:d counts as fo=0"),
        ("pct=", "pct= is ignored"),
        ("pct=150", "pct=150 is ignored"),
        ("x=y", "do not know x="),
        ("p=reject", "p= appears twice"),
        ("ADKIM=s", "ADKIM= is written in capitals"),
        ("é=1", "not a valid tag name"),
    ],
)
def test_other_mistakes_cost_the_piece_alone(piece: str, words: str) -> None:
    policy = parse(f"v=DMARC1; p=reject; {piece}; {RUA}")
    assert (policy.fatal, policy.holds, len(policy.reports)) == ("", "reject", 1)
    assert words in " ".join(policy.flaws)


@pytest.mark.parametrize(
    "tags",
    ["p=none;", "P=NONE", "adkim=S; p=none", "p=none; fo=0:d:s; fo2=1", "p=none; rf=afrf; ri=86400; pct=100"],
)
def test_order_case_and_obsolete_tags_are_no_mistake(tags: str) -> None:
    assert (parse(f"v=DMARC1; {tags}").fatal, parse(f"v=DMARC1; {tags}").policy) == ("", "none")


def test_right_are_every_list_of_options_for_failure_reports_and_any_order() -> None:
    for options in ("0", "1", "d", "s", "1:d:s", "d:s", "s:0:d", "D:1"):
        assert not parse(f"v=DMARC1; p=none; ruf=mailto:a@example.com; fo={options}").flaws, options
    flaws = parse("v=DMARC1; sp=reject; p=reject").flaws
    assert len(flaws) == 1 and "p= does not come right after v=" in flaws[0]


def test_a_policy_starts_with_its_version() -> None:
    for text in (
        "v=DMARC1; p=none",
        "v=DMARC1;p=none;",
        "v = DMARC1 ;p=none",
        "v=DMARC1",
        "V=DMARC1; p=none",
    ):
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


# --- put together ------------------------------------------------------------------------------------------
def test_an_address_for_reports_takes_the_place_of_another() -> None:
    record = with_reports("v=DMARC1; rua=x; p=none", "a@b.example")
    assert record == "v=DMARC1; p=none; rua=mailto:a@b.example"


@pytest.mark.parametrize(
    ("tags", "record"),
    [
        (f"p=none; {RUA}; fo=1", f"p=quarantine; {RUA}; fo=1"),
        ("p=none; sp=reject; np=none", "p=quarantine; sp=reject"),
        ("p=reject; t=y; pct=20; rf=afrf; ri=1; psd=y; adkim=s", "p=quarantine; adkim=s"),
        ("p=none; psd=n; adkim=q; fo=9; x=y", "p=quarantine; psd=n; x=y"),
        (
            "p=none; rua=a@b.example, mailto:c@d.example!5m,mailto:,mailto: e@f.example",
            "p=quarantine; rua=mailto:a@b.example,mailto:c@d.example,mailto:e@f.example",
        ),
    ],
)
def test_with_another_policy_all_stays_that_does_not_weaken_it(tags: str, record: str) -> None:
    assert with_policy(parse(f"v=DMARC1; {tags}"), "quarantine") == f"v=DMARC1; {record}"


def test_two_lists_of_addresses_become_one() -> None:
    policy = parse(f"v=DMARC1; p=reject; {RUA}; rua=mailto:b@example.com")
    assert (policy.fatal, cleaned(policy)) == ("", f"v=DMARC1; p=reject; {RUA},mailto:b@example.com")


def test_cleaned_a_record_keeps_its_policies() -> None:
    policy = parse(f"v=DMARC1; sp=quarantine;; p=reject; np=none; t=y; pct=3; {RUA}; hello")
    assert cleaned(policy) == f"v=DMARC1; p=reject; sp=quarantine; np=none; {RUA}"
    assert not parse(cleaned(policy)).flaws
