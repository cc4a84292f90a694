"""What is said of the MTA-STS policy that others get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrecords.answers import Answer, Outcome
from dnsrecords.mtasts import policy as stspolicy
from dnsrecords.mtasts.policy import Fetched, Trouble
from dnsrecords.records import build as records
from dnsrecords.records.build import Record
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of

POLICY = records.mta_sts_policy("mail.example.com", mode="testing")
FACTS = replace(facts_of(), mta_sts=records.mta_sts_id(POLICY))
RIGHT = Fetched(status=200, kind="text/plain", text=POLICY)
OK = Verdict(Status.OK, found=("v=STSv1; id=1",))


def record_of(record_id: str = "mta_sts") -> Record:
    return next(each for each in records.recommended(FACTS) if each.id == record_id)


def judged(fetched: Fetched | None, verdict: Verdict = OK, record_id: str = "mta_sts") -> Verdict:
    return stspolicy.judge(record_of(record_id), verdict, FACTS, fetched)


@pytest.mark.parametrize("text", [POLICY, POLICY.replace("\n", "\r\n"), POLICY.rstrip("\n")])
def test_the_policy_of_this_node_is_right_whatever_ends_its_lines(text: str) -> None:
    assert judged(replace(RIGHT, text=text)) == OK


@pytest.mark.parametrize(
    ("fetched", "words"),
    [
        (Fetched(Trouble.NO_ADDRESS), "mta-sts.example.com has no address"),
        (Fetched(Trouble.TLS, "the certificate has expired"), "fails (the certificate has expired), so"),
        (Fetched(Trouble.GARBLED), "is no web server"),
        (replace(RIGHT, status=301), "with a redirect (301)"),
        (replace(RIGHT, status=404), "with 404 instead of the policy"),
        (replace(RIGHT, kind="text/html"), "something else than a text"),
        (replace(RIGHT, text=POLICY.replace("testing", "enforce")), "another policy than this node's"),
        (replace(RIGHT, text=""), "another policy than this node's"),
    ],
)
def test_a_policy_that_senders_do_not_use_is_a_mismatch(fetched: Fetched, words: str) -> None:
    found = judged(fetched)
    assert (found.status, found.found) == (Status.MISMATCH, OK.found)
    assert found.message.startswith("The record is right. But ")
    assert words in found.message and found.message.endswith(".")


@pytest.mark.parametrize(
    "fetched",
    [*map(Fetched, (Trouble.REFUSED, Trouble.TIMEOUT, Trouble.UNREACHABLE)), replace(RIGHT, status=502)],
)
def test_a_proxy_that_is_down_is_an_error_and_so_no_news_at_once(fetched: Fetched) -> None:
    found = judged(fetched)
    assert found.status is Status.ERROR
    assert "example.com" in found.message and found.message.endswith(".")


def test_what_is_wrong_in_dns_is_said_first() -> None:
    wrong = Verdict(Status.MISMATCH, "The id is 1.")
    assert judged(Fetched(Trouble.TLS), wrong) == wrong


def test_without_a_try_nothing_is_said() -> None:
    assert judged(None) == OK


def test_a_host_that_leads_elsewhere_is_right_where_the_policy_is() -> None:
    elsewhere = Verdict(Status.MISMATCH, "It leads to proxy.example.net.", ("proxy.example.net",))
    found = judged(RIGHT, elsewhere, "mta_sts_host")
    assert (found.status, found.found) == (Status.OK, elsewhere.found)
    assert judged(replace(RIGHT, status=404), elsewhere, "mta_sts_host") == elsewhere
    assert judged(RIGHT, elsewhere, "tls_rpt") == elsewhere


# --- whether it is fetched ---------------------------------------------------------------------------------
def test_it_is_fetched_only_where_the_record_leads_others_to_it() -> None:
    name = ("_mta-sts.example.com", "TXT")
    published = {name: Answer(*name, Outcome.FOUND, ("v=STSv1; id=1",))}
    hosts = (("mta-sts.example.com", "A"), ("mta-sts.example.com", "AAAA"))
    assert stspolicy.questions(FACTS, published) == hosts
    assert not stspolicy.questions(FACTS, {name: Answer(*name, Outcome.NXDOMAIN)})
    assert not stspolicy.questions(FACTS, {})
    assert not stspolicy.questions(facts_of(), published)
