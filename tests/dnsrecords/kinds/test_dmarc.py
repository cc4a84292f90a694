"""The DMARC policy that is published, beside the one that is wanted: quarantine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Answer, Outcome
from dnsrecords.kinds.dmarc import Dmarc
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.kinds import cases
from tests.dnsrecords.mistakes import facts_of, line, record_of, text
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
        ("v=DMARC1; p=quarantine; t=y", "v=DMARC1; p=quarantine"),
        ("v=DMARC1; p=quarantine; t=y; pct=5; np=none", "v=DMARC1; p=quarantine"),
        ("v=DMARC1; p=reject; np=none", "v=DMARC1; p=reject"),
        ("v=DMARC1; p=reject; sp=quarantine; t=y", "v=DMARC1; p=reject"),
        ("v=DMARC1; p=reject; sp=quarantine; pct=50", "v=DMARC1; p=reject"),
        ("v=DMARC1; p=none; sp=reject", "v=DMARC1; p=quarantine; sp=reject"),
        (f"v=DMARC1; {RUA}", f"v=DMARC1; p=quarantine; {RUA}"),
        ("v=DMARC1; p=rejected; rua=nobody", f"v=DMARC1; p=quarantine; {RUA}"),
        (f"v=DMARC1; p=reject; np=all; {RUA}", f"v=DMARC1; p=reject; {RUA}"),
        (f"v=dmarc1; p=reject; {RUA}", f"v=DMARC1; p=reject; {RUA}"),
        (f"v=DMARC1 p=reject; {RUA}", f"v=DMARC1; p=reject; {RUA}"),
    ],
)
def test_a_weaker_policy_is_wrong_and_what_else_it_says_is_kept(value: str, advice: str) -> None:
    wrong = verdict(value)
    assert (wrong.status, wrong.advice) == (Status.MISMATCH, advice)
    assert verdict(advice).ok


def test_one_policy_counts_beside_other_text_and_two_do_not() -> None:
    assert verdict("hello", f"v=DMARC1; p=quarantine; {RUA}").ok
    two = verdict(f"v=DMARC1; p=quarantine; {RUA}", f"v=DMARC1; p=reject; t=n; {RUA}")
    assert (two.status, two.advice) == (Status.MISMATCH, f"v=DMARC1; p=reject; {RUA}")


def test_nothing_published_is_missing_also_behind_a_cname() -> None:
    assert verdict().status is verdict(cname="dmarc.example.net").status is Status.MISSING


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("p=reject; t=y", ("p=reject works as quarantine", "RFC 7489")),
        ("p=reject; pct=50", ("pct=50", "apply quarantine to part")),
        ("p=reject; t=y; pct=50", ("t=y", "pct=50")),
        ("p=quarantine; psd=y", ("psd=y", "public suffix")),
    ],
)
def test_what_lowers_a_strong_policy_is_told_and_taken_out(tags: str, words: tuple[str, ...]) -> None:
    right = verdict(f"v=DMARC1; {tags}; {RUA}")
    assert (right.status, right.advice) == (Status.OK, f"v=DMARC1; {tags.partition('; ')[0]}; {RUA}")
    for word in words:
        assert word in right.message


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("p=quarantine; t=y", ("p=quarantine works like none",)),
        ("p=quarantine; t=y; sp=none", ("p=quarantine works like none", "sp=none leaves subdomains")),
        ("p=quarantine; t=y; pct=5", ("t=y", "pct=5")),
        ("p=reject; sp=quarantine; t=y", ("sp=quarantine", "t=y turns into none")),
        ("p=reject; sp=none; np=none", ("sp=none", "np=none")),
        ("p=reject; np=none; psd=y", ("np=none", "psd=y")),
        ("p=quarantine; pct=0", ("receivers that still follow RFC 7489", "pct=0")),
    ],
)
def test_each_tag_that_weakens_a_policy_is_named(tags: str, words: tuple[str, ...]) -> None:
    wrong = verdict(f"v=DMARC1; {tags}; {RUA}")
    assert wrong.status is Status.MISMATCH
    for word in words:
        assert word in wrong.message


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (f"v=DMARC1; p=reject;; {RUA}", "nothing between two semicolons"),
        (f"v=DMARC1; p=reject; {RUA}; rf:afrf", "'rf:afrf' is not a tag"),
        (f"v=DMARC1; P=reject; {RUA}", "P= is written in capitals"),
        (f"v=DMARC1; p=reject; {RUA}; adkim=strict", "adkim=strict counts as adkim=r"),
        (f"v=DMARC1; p=reject; {RUA}; pct=5\n0", "pct=5\ufffd0 is ignored"),
    ],
)
def test_a_small_flaw_is_a_remark_with_a_clean_record(record: str, words: str) -> None:
    right = verdict(record)
    assert (right.status, right.advice) == (Status.OK, f"v=DMARC1; p=reject; {RUA}")
    assert words in right.message


@pytest.mark.parametrize(
    "tag", ["aspf=r\n\x1b[1ms", "fo=1\x00d", "pct=5\n0", "sp=no\rne", "rua=mailto:a\x7f@b"]
)
def test_what_a_stranger_published_is_printable_in_the_remark(tag: str) -> None:
    assert verdict(f"v=DMARC1; p=reject; ruf=mailto:a@example.com; {tag}").message.isprintable()


TWO = "mailto:a@example.com,mailto:b@example.com"


@pytest.mark.parametrize(
    "written",
    [
        f"p=reject, rua={TWO}",
        f"p=reject rua={TWO}",
        f'p="reject"; rua="{TWO}"',
        f"p=reject\trua={TWO.replace(',', ', ')}",
    ],
)
def test_a_semicolon_that_is_missing_costs_neither_policy_nor_reports(written: str) -> None:
    found = verdict(f"v=DMARC1; {written}")
    assert found.status is Status.MISMATCH and "with a semicolon between the tags" in found.message
    assert found.advice == f"v=DMARC1; p=reject; rua={TWO}"


def test_what_copying_left_in_another_tag_does_not_break_the_policy() -> None:
    unseen = "\u00a0".encode().decode("latin-1")
    right = verdict(f"v=DMARC1; p=quarantine; {RUA}{unseen}")
    assert (right.status, right.advice) == (Status.OK, f"v=DMARC1; p=quarantine; {RUA}")
    assert "a character that is not allowed there" in right.message
    assert verdict(f"v=DMARC1; p=quarantine{unseen}; {RUA}").status is Status.MISMATCH
    assert verdict(f'"v=DMARC1; p=none; {RUA}"', f"v=DMARC1; p=quarantine; {RUA}").ok


# --- addresses for reports ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "words", "address"),
    [
        ("dmarc@example.com", "'dmarc@example.com' needs mailto:", "mailto:dmarc@example.com"),
        ("mailto: dmarc@example.com", "'mailto: dmarc@example.com' has a space", "mailto:dmarc@example.com"),
        (
            "mailto:a@example.com mailto:b@example.com",
            "put a comma between",
            "mailto:a@example.com,mailto:b@example.com",
        ),
        ("mailto:nobody", "'mailto:nobody' is not a mail address", "mailto:postmaster@example.com"),
    ],
)
@pytest.mark.parametrize("policy", ["quarantine", "reject"])
def test_an_address_that_gets_no_report_is_told_whatever_the_policy(
    value: str, words: str, address: str, policy: str
) -> None:
    right = verdict(f"v=DMARC1; p={policy}; rua={value}")
    assert (right.status, right.advice) == (Status.OK, f"v=DMARC1; p={policy}; rua={address}")
    assert words in right.message
    assert "There is no address for reports" not in right.message


def test_without_an_address_this_is_told_of_a_strong_policy_too() -> None:
    assert "There is no address for reports (rua=)" in verdict("v=DMARC1; p=reject").message


def test_reports_to_an_organisation_that_has_not_agreed_are_remarked_on() -> None:
    value = "v=DMARC1; p=quarantine; rua=mailto:a@reports.example"
    name = "example.com._report._dmarc.reports.example"
    refused = verdict(value)
    assert refused.ok
    assert name in refused.message
    agreed = lookup_in([text(name, "v=DMARC1;")], "reports.example")
    assert not cases.verdict("dmarc", value, lookup=agreed).message
    record = record_of(cases.FACTS, "dmarc")
    answer = Answer(*record.question, Outcome.FOUND, (value,))
    assert {(name, "TXT"), ("_dmarc.reports.example", "TXT"), ("_dmarc.com", "TXT")} <= {
        *Dmarc().questions(record, cases.FACTS, answer)
    }


def test_an_agreement_that_sends_the_reports_to_another_host_is_none() -> None:
    value = "v=DMARC1; p=quarantine; rua=mailto:a@reports.example"
    name = "example.com._report._dmarc.reports.example"
    for target, works in (("b@reports.example", True), ("b@other.example", False)):
        there = lookup_in([text(name, f"v=DMARC1; rua=mailto:{target}")], "example")
        assert (not cases.verdict("dmarc", value, lookup=there).message) is works


@pytest.mark.parametrize("tag", ["rua", "ruf"])
@pytest.mark.parametrize(
    ("records", "agreed"),
    [
        # One organisation, because it has a record: no consent (RFC 9990 §4).
        ({"o1.test": "v=DMARC1; p=reject"}, True),
        # Without one, each of the names is an organisation by itself.
        ({}, False),
        ({"o1.test": "v=DMARC1; p=reject", "reports.o1.test": "v=DMARC1; p=reject; psd=n"}, False),
        ({"test": "v=DMARC1; p=none; psd=y"}, True),
    ],
)
def test_consent_is_needed_between_organisations_and_names_prove_nothing(
    records: dict[str, str], agreed: bool, tag: str
) -> None:
    facts = facts_of("mail1.o1.test")
    value = f"v=DMARC1; p=quarantine; {tag}=mailto:dmarc@reports.o1.test"
    lines = [text(f"_dmarc.{name}", record) for name, record in records.items()]
    found = cases.verdict("dmarc", value, lookup=lookup_in(lines, "test"), facts=facts)
    assert found.ok
    assert ("has not agreed" not in found.message) is agreed


# --- below another domain ----------------------------------------------------------------------------------
def below(policy: str, *own: str, domain: str = "mail1.o1.test", exists: bool = True) -> Verdict:
    """The verdict on a domain whose organisation, o1.test, has this policy."""
    lines = [text("_dmarc.o1.test", policy), *([line(domain, "MX", "10 mail.o1.test.")] if exists else [])]
    return cases.verdict("dmarc", *own, lookup=lookup_in(lines, "test"), facts=facts_of(domain))


@pytest.mark.parametrize(
    ("policy", "exists", "effect"),
    [
        ("p=reject; sp=reject", True, "reject"),
        ("p=none; sp=quarantine", True, "quarantine"),
        ("p=reject", True, "reject"),
        ("p=none; sp=none; np=reject", False, "reject"),
        ("p=reject; sp=reject; t=y", True, "quarantine"),
    ],
)
def test_without_a_record_the_policy_of_the_organisation_applies(
    policy: str, exists: bool, effect: str
) -> None:
    found = below(f"v=DMARC1; {policy}; rua=mailto:dmarc@o1.test", exists=exists)
    assert (found.status, found.found) == (Status.OK, ())
    assert f"the policy of o1.test applies: {effect}" in found.message
    assert found.advice == f"v=DMARC1; p={effect}; rua=mailto:postmaster@mail1.o1.test"


@pytest.mark.parametrize(
    ("policy", "exists", "words"),
    [
        ("p=reject; sp=none", True, "it has sp=none"),
        ("p=none", True, "it has p=none"),
        ("p=reject; sp=reject; np=none", False, "it has np=none"),
        ("p=reject; sp=quarantine; t=y", True, "sp=quarantine works like none, because of t=y"),
        ("p=quarantine; pct=10", True, "pct=10"),
        ("p=reject; sp=all", True, "sp=all is not a policy"),
    ],
)
def test_where_that_does_not_protect_the_record_is_missing(policy: str, exists: bool, words: str) -> None:
    found = below(f"v=DMARC1; {policy}", exists=exists)
    assert found.status is Status.MISSING
    assert words in found.message


def test_what_older_receivers_do_not_see_is_told() -> None:
    lines = [text("_dmarc.dept.o1.test", "v=DMARC1; p=reject"), line("a.dept.o1.test", "MX", "10 x.o1.test.")]
    found = cases.verdict("dmarc", lookup=lookup_in(lines, "test"), facts=facts_of("a.dept.o1.test"))
    assert found.ok
    assert "RFC 7489 see it only if dept.o1.test is the registered domain" in found.message
    assert "RFC 7489" not in below("v=DMARC1; p=reject").message


def test_a_policy_for_domains_that_do_not_exist_is_not_known_to_older_receivers() -> None:
    found = below("v=DMARC1; p=reject; sp=none; np=reject", exists=False)
    assert found.ok
    assert "do not know np= and apply none" in found.message


def test_a_tag_for_subdomains_counts_in_the_record_of_the_organisation_alone() -> None:
    own = "v=DMARC1; p=quarantine; sp=none; rua=mailto:a@mail1.o1.test"
    found = below("v=DMARC1; p=reject", own)
    assert found.ok
    assert "sp= has no effect here" in found.message
    alone = cases.verdict("dmarc", own, facts=facts_of("mail1.o1.test"))
    assert alone.status is Status.MISMATCH


def test_where_a_parent_does_not_answer_nothing_is_said_of_forgers() -> None:
    def silent(name: str, type_: str) -> Answer:
        return Answer(name, type_, Outcome.TIMEOUT)

    found = cases.verdict("dmarc", lookup=silent, facts=facts_of("mail1.o1.test"))
    assert found.status is Status.MISSING
    assert "anybody" not in found.message
    assert "_dmarc.o1.test could not be looked up" in found.message


def half_silent(policy: str, *own: str, outcome: Outcome = Outcome.SERVFAIL) -> Verdict:
    """As `below`, for a domain two levels down, whose parent's record cannot be looked up."""
    lines = [text("_dmarc.o1.test", policy), line("a.dept.o1.test", "MX", "10 mail.o1.test.")]
    there = lookup_in(lines, "test")

    def lookup(name: str, type_: str) -> Answer:
        return Answer(name, type_, outcome) if name == "_dmarc.dept.o1.test" else there(name, type_)

    return cases.verdict("dmarc", *own, lookup=lookup, facts=facts_of("a.dept.o1.test"))


@pytest.mark.parametrize("outcome", [Outcome.SERVFAIL, Outcome.TIMEOUT, Outcome.REFUSED])
@pytest.mark.parametrize("policy", ["p=reject; sp=none", "p=none", "p=reject", "p=reject; np=none; t=y"])
def test_where_a_name_between_does_not_answer_the_policy_that_applies_is_not_known(
    policy: str, outcome: Outcome
) -> None:
    found = half_silent(f"v=DMARC1; {policy}", outcome=outcome)
    assert found.status is Status.ERROR
    assert "policy applies is unknown" in found.message
    assert "_dmarc.dept.o1.test could not be looked up" in found.message and "arrives" not in found.message


def test_a_weak_sp_counts_only_where_the_names_above_are_known() -> None:
    own = "v=DMARC1; p=quarantine; sp=none; rua=mailto:a@a.dept.o1.test"

    def silent(name: str, type_: str) -> Answer:
        return Answer(name, type_, Outcome.TIMEOUT)

    found = cases.verdict("dmarc", own, lookup=silent, facts=facts_of("a.dept.o1.test"))
    assert found.ok
    assert "Whether sp= leaves subdomains open to forgery is unknown" in found.message
    assert "_dmarc.dept.o1.test could not be looked up" in found.message


@given(
    st.text(max_size=60),
    st.sampled_from(["", "v=DMARC1; ", "v=DMARC1; p=quarantine; ", "v=DMARC1; p=none; rua="]),
)
def test_any_text_can_be_judged(value: str, start: str) -> None:
    outcome = verdict(start + value)
    assert outcome.ok or outcome.message.endswith(".")
