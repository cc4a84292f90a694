"""What is said about the MTA-STS policy that others get."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dnsrecords.answers import Answer, Outcome
from dnsrecords.kinds.registry import kind_of
from dnsrecords.mtasts.policy import Fetched, Trouble, policy_id, served_policy
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, record_of

POLICY = served_policy("mail.example.com", "testing")
FACTS = replace(facts_of(), mta_sts=policy_id(POLICY))
RIGHT = Fetched(status=200, kind="text/plain", text=POLICY)
OK = Verdict(Status.OK, found=("v=STSv1; id=1",))


def judged(fetched: Fetched | None, verdict: Verdict = OK, record_id: str = "mta_sts") -> Verdict:
    record = record_of(FACTS, record_id)
    return kind_of(record).confirm(record, FACTS, verdict, lambda: fetched)


def test_the_policy_of_this_node_is_right_whatever_ends_its_lines() -> None:
    for text in (POLICY, POLICY.replace("\n", "\r\n"), POLICY.rstrip("\n")):
        assert judged(replace(RIGHT, text=text)) == OK


@pytest.mark.parametrize(
    ("fetched", "words"),
    [
        (Fetched(Trouble.NO_ADDRESS), "mta-sts.example.com has no address"),
        (Fetched(Trouble.TLS, "the certificate has expired"), "fails (the certificate has expired), so"),
        (Fetched(Trouble.GARBLED), "is not a web server"),
        (replace(RIGHT, status=301), "with a redirect (301)"),
        (replace(RIGHT, status=404), "with 404 instead of the policy"),
        (replace(RIGHT, kind="text/html"), "something other than plain text"),
        (replace(RIGHT, text=POLICY.replace("testing", "enforce")), "a policy other than this node's"),
        (replace(RIGHT, text=""), "not a valid policy"),
    ],
)
def test_a_policy_that_senders_do_not_use_is_a_mismatch(fetched: Fetched, words: str) -> None:
    wrong = judged(fetched)
    assert (wrong.status, wrong.found) == (Status.MISMATCH, OK.found)
    assert wrong.message.startswith("The record is correct. But ")
    assert words in wrong.message and wrong.message.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "max_age: 604800\nmx: mail.example.com\nmode: testing\nversion: STSv1",
        "version:STSv1\r\nmode:testing\r\nmx:MAIL.example.com\r\nmax_age:86400\r\n",
        "version: STSv1\nmode: testing\nmx: old.example\nmx: *.example.com\nmax_age: 99999999\nx: y",
        "version:STSv1\r\nmode:\ttesting \nmx:  \t*.example.com\nmax_age: 604800 \nmore:some  words",
        "version: STSv1\nmode: testing\nmode: enforce\nmx: mail.example.com\nmax_age: 604800\n",
    ],
)
def test_a_policy_with_the_same_meaning_for_this_host_is_right_however_it_is_written(text: str) -> None:
    assert judged(replace(RIGHT, text=text)) == OK


def policy_text(mode: str, *hosts: str, max_age: str = "604800") -> str:
    return "\n".join(
        ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {max_age}"]
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (policy_text("enforce", "mx.old.example"), "names mx.old.example and not mail.example.com, so senders that"),
        (policy_text("enforce", "*.mail.example.com"), "refuse to deliver mail here"),
        (policy_text("enforce", "*.com"), "refuse to deliver mail here"),
        (policy_text("testing", "mx.old.example"), "report each delivery as a failure"),
        (policy_text("enforce", "mail.example.com"), "its mode is enforce instead of testing"),
        (policy_text("none"), "its mode is none"),
        (policy_text("none", "mx.old.example"), "its mode is none"),
    ],
)  # fmt: skip
def test_a_valid_policy_with_another_meaning_says_what_senders_do(text: str, words: str) -> None:
    wrong = judged(replace(RIGHT, text=text))
    assert wrong.status is Status.MISMATCH
    assert words in wrong.message
    assert "do not use the policy" not in wrong.message
    assert ("at once" in wrong.message) is ("enforce" in text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (POLICY.replace("STSv1", "STSv2"), "its version is 'STSv2'"),
        (POLICY.replace("version: STSv1\n", ""), "version: is missing"),
        (POLICY.replace("testing", "Testing"), "its mode is 'Testing'"),
        (POLICY.replace("mode: testing\n", ""), "mode: is missing"),
        (POLICY.replace("604800", "a week"), "its max_age is 'a week'"),
        (POLICY.replace("604800", "-1"), "its max_age is '-1'"),
        (POLICY.replace("604800", "12345678901"), "its max_age"),
        (POLICY.replace("max_age: 604800\n", ""), "max_age: is missing"),
        (POLICY.replace("mx: mail.example.com\n", ""), "mx: is missing"),
        (POLICY.replace("mail.example.com", "10 mail.example.com"), "is not a host name"),
        (POLICY.replace("mail.example.com", "mail.*.com"), "is not a host name"),
        (POLICY.replace("mail.example.com", "*.*.example.com"), "is not a host name"),
        (POLICY.replace("mail.example.com", "mail.example-"), "is not a host name"),
        (POLICY.replace("mail.example.com", ""), "mx: has no value"),
        (f"{POLICY}more:", "more: has no value"),
        (f"{POLICY}_more: x", "is not in the form"),
        ("", "is not in the form"),
        (POLICY.replace("mode: testing", "mode testing"), "the line 'mode testing'"),
        (f"<html>{POLICY}", "the line '<html>version: STSv1'"),
        (f"\ufeff{POLICY}", "is not in the form"),
        (POLICY.replace("\n", "\n\n"), "the line ''"),
    ],
)
def test_what_is_no_valid_policy_is_not_used(text: str, words: str) -> None:
    wrong = judged(replace(RIGHT, text=text))
    assert wrong.status is Status.MISMATCH
    assert words in wrong.message
    assert "senders do not use the policy" in wrong.message


def test_a_policy_that_is_soon_forgotten_is_remarked_on() -> None:
    right = judged(replace(RIGHT, text=policy_text("testing", "mail.example.com", max_age="0")))
    assert right.ok
    assert "forget after 0 seconds" in right.message


def test_a_policy_that_refuses_mail_is_told_before_the_wrong_id() -> None:
    changed = Verdict(Status.MISMATCH, "The id is 1, but it has changed since.", ("v=STSv1; id=1",))
    wrong = judged(replace(RIGHT, text=policy_text("enforce", "mx.old.example")), changed)
    assert wrong.message.index("refuse to deliver") < wrong.message.index("The id is 1")
    assert judged(RIGHT, changed) == changed


@pytest.mark.parametrize(
    "fetched",
    [*map(Fetched, (Trouble.REFUSED, Trouble.TIMEOUT, Trouble.UNREACHABLE)), replace(RIGHT, status=502)],
)
def test_a_proxy_that_is_down_is_an_error_and_so_no_news_at_once(fetched: Fetched) -> None:
    silent = judged(fetched)
    assert silent.status is Status.ERROR
    assert "example.com" in silent.message and silent.message.endswith(".")


def test_what_is_wrong_in_dns_is_said_first() -> None:
    wrong = Verdict(Status.MISMATCH, "The id is 1.")
    assert judged(Fetched(Trouble.TLS), wrong) == wrong


def test_without_a_try_nothing_is_said() -> None:
    assert judged(None) == OK


def test_a_host_that_leads_elsewhere_is_right_where_the_policy_is() -> None:
    elsewhere = Verdict(Status.MISMATCH, "It leads to proxy.example.net.", ("proxy.example.net",))
    right = judged(RIGHT, elsewhere, "mta_sts_host")
    assert (right.status, right.found) == (Status.OK, elsewhere.found)
    assert judged(replace(RIGHT, status=404), elsewhere, "mta_sts_host") == elsewhere
    assert judged(RIGHT, elsewhere, "tls_rpt") == elsewhere


# --- what this node serves ----------------------------------------------------------------------------------
def test_another_policy_has_another_id() -> None:
    enforced = served_policy("mail.example.com", "enforce")
    assert POLICY == "version: STSv1\nmode: testing\nmx: mail.example.com\nmax_age: 604800\n"
    assert policy_id(POLICY) != policy_id(enforced)
    assert policy_id(POLICY).isalnum() and len(policy_id(POLICY)) <= 32


def test_no_policy_is_served_without_a_hostname_or_when_it_is_off() -> None:
    assert served_policy("mail.example.org", "off") == served_policy("", "enforce") == ""


# --- whether it is fetched ---------------------------------------------------------------------------------
def test_its_host_is_looked_up_only_where_the_record_leads_others_to_it() -> None:
    record = record_of(FACTS, "mta_sts")
    published = Answer(*record.question, Outcome.FOUND, ("v=STSv1; id=1",))
    missing = Answer(*record.question, Outcome.NXDOMAIN)
    hosts = [("mta-sts.example.com", "A"), ("mta-sts.example.com", "AAAA")]
    assert [*kind_of(record).questions(record, FACTS, published)] == hosts
    assert not [*kind_of(record).questions(record, FACTS, missing)]


# --- where this node serves none -----------------------------------------------------------------------------
OLD = "version: STSv1\nmode: enforce\nmx: mx.old.test\nmx: *.old.test\nmax_age: 2592000\n"
RIGHT_MX = Verdict(Status.OK, "A remark.", ("10 mail.example.com",))


def beside(text: str, *, announced: bool = True, verdict: Verdict = RIGHT_MX, **fetched: Any) -> Verdict:
    """The verdict on the MX record while MTA-STS is off here and this policy is found."""
    facts = facts_of()
    record = record_of(facts, "mx")
    answer = replace(RIGHT, text=text, announced=announced, **fetched)
    return kind_of(record).confirm(record, facts, verdict, lambda: answer)


def test_a_policy_of_another_provider_that_is_in_force_is_told_at_the_mx_record() -> None:
    found = beside(OLD)
    assert (found.status, found.found) == (Status.MISMATCH, RIGHT_MX.found)
    for words in (
        "A remark. Senders that use MTA-STS refuse to deliver mail here",
        "names mx.old.test and *.old.test, and not mail.example.com",
        "keep it for 30 days (max_age), even if you delete records (RFC 8461 §3.3)",
        "Switch MTA-STS on for this domain now",
        "mode none",
    ):
        assert words in found.message


def test_without_its_record_only_those_who_fetched_it_before_refuse() -> None:
    found = beside(OLD, announced=False)
    assert found.status is Status.OK
    assert "_mta-sts.example.com is gone" in found.message and "up to 30 days" in found.message


def test_a_policy_that_names_this_host_asks_for_a_certificate() -> None:
    found = beside(OLD.replace("*.old.test", "*.example.com"))
    assert found.status is Status.OK and "certificate for that name" in found.message


@pytest.mark.parametrize(
    "fetched",
    [
        {"text": OLD.replace("enforce", "testing")},
        {"text": OLD.replace("enforce", "none")},
        {"text": OLD, "status": 404},
        {"text": OLD, "kind": "text/html"},
        {"text": "<html>"},
        {"text": OLD, "trouble": Trouble.TIMEOUT},
        {"text": OLD, "status": 301},
    ],
)
def test_what_keeps_no_mail_away_is_not_mentioned(fetched: dict[str, Any]) -> None:
    for announced in (True, False):
        assert beside(**fetched, announced=announced) == RIGHT_MX


def test_what_is_wrong_with_the_mx_record_itself_is_told_first_and_alone() -> None:
    wrong = Verdict(Status.MISSING, "There is none.")
    assert beside(OLD, verdict=wrong) == wrong


def test_where_this_node_serves_a_policy_the_mx_record_says_nothing_of_it() -> None:
    record = record_of(FACTS, "mx")
    fetched = replace(RIGHT, text=OLD)
    assert kind_of(record).confirm(record, FACTS, RIGHT_MX, lambda: fetched) == RIGHT_MX
