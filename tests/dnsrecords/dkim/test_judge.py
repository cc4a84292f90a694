"""DKIM key records: RFC 6376 §3.6.1, and the comparison with the key that signs."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Answer, Outcome
from dnsrecords.dkim import judge
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, key_pair, record_of

KEY, OTHER = key_pair()[0], key_pair(2)[0]
BARE = base64.b64encode(bytes(range(32))).decode()
NAME = "quazzar._domainkey.example.com"


def verdict(*values: str, key: str = KEY, cname: str = "") -> Verdict:
    outcome = Outcome.FOUND if values else Outcome.NXDOMAIN
    return judge.judge(record_of(facts_of(key=key), "dkim"), Answer(NAME, "TXT", outcome, values, 300, cname))


# --- taken apart -------------------------------------------------------------------------------------------
def test_the_tags_of_a_key_are_read() -> None:
    parsed = judge.parse("v=DKIM1; h=sha256 : sha1; k=rsa; n=a note; p=AAAA; s=email:*; t=y:s; x=unknown")
    assert parsed.hashes == ("sha256", "sha1")
    assert parsed.services == ("email", "*")
    assert parsed.flags == ("y", "s")
    assert (parsed.key_type, parsed.key, parsed.errors, parsed.testing, parsed.revoked) == (
        "rsa", "AAAA", (), True, False
    )  # fmt: skip


def test_only_the_key_has_to_be_there() -> None:
    parsed = judge.parse("p=AAAA")
    assert (parsed.key_type, parsed.services, parsed.hashes, parsed.flags) == ("rsa", ("*",), (), ())
    assert not parsed.errors


def test_white_space_in_the_key_means_nothing() -> None:
    assert judge.parse("v=DKIM1; p=AA AA\t\r\n BB BB").key == "AAAABBBB"


def test_an_empty_key_is_a_revoked_one_and_a_missing_one_an_error() -> None:
    assert judge.parse("v=DKIM1; p=").revoked
    assert not judge.parse("v=DKIM1; p=").errors
    assert not judge.parse("v=DKIM1").revoked
    assert judge.parse("v=DKIM1").errors == ("the tag p=, which holds the key, is missing",)


@pytest.mark.parametrize(
    "text", ["v=dkim1; p=AAAA", "v=DKIM2; p=AAAA", "v=; p=AAAA", "p=AAAA; v=DKIM1", "p=A*A", "p=A"]
)
def test_what_verifiers_ignore_has_an_error(text: str) -> None:
    assert judge.parse(text).errors


@given(st.text(max_size=60), st.sampled_from(["", "v=DKIM1; ", "p=", "v=DKIM1; k=rsa; p="]))
def test_any_text_can_be_taken_apart_and_judged(text: str, start: str) -> None:
    judge.parse(start + text)
    judged = verdict(start + text)
    assert judged.status is Status.MISMATCH
    assert judged.message.endswith(".")


# --- the comparison ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [
        f"v=DKIM1; k=rsa; p={KEY}",
        f"v=DKIM1; p={KEY}",
        f"p={KEY}",
        f"v=DKIM1;k=rsa;p={KEY};",
        f" v = DKIM1 ; k = rsa ; p = {KEY[:100]} {KEY[100:]} ",
        f"v=DKIM1; h=sha256; s=email; t=s; n=ours; p={KEY}",
        f"v=DKIM1; h=sha1:sha256; s=*; x=y; p={KEY}",
    ],
)
def test_the_key_that_signs_is_right_however_it_is_written(value: str) -> None:
    assert verdict(value) == Verdict(Status.OK, found=(value,))


def test_a_key_of_ed25519_has_to_say_so() -> None:
    assert verdict(f"v=DKIM1; k=ed25519; p={BARE}", key=BARE).ok
    judged = verdict(f"v=DKIM1; p={BARE}", key=BARE)
    assert judged.status is Status.MISMATCH
    assert "no k=, which means rsa" in judged.message


def test_what_a_stranger_published_stays_in_its_line() -> None:
    for tags in ("k=r\nsa", "h=sha\r\n9", "s=\x1b[2J"):
        assert verdict(f"v=DKIM1; {tags}; p={KEY}").message.isprintable()


def test_nothing_published_is_missing() -> None:
    judged = verdict()
    assert judged.status is Status.MISSING
    assert NAME in judged.message and "this domain's mail" in judged.message


def test_of_a_key_that_need_not_sign_yet_no_more_is_said_than_is_true() -> None:
    record = replace(record_of(facts_of(), "dkim"), id="dkim_next", name=f"next.{NAME}", required=False)
    judged = judge.judge(record, Answer(record.name, "TXT", Outcome.NXDOMAIN))
    assert (judged.status, "this domain's mail" in judged.message) == (Status.MISSING, False)
    assert record.name in judged.message


def test_a_cname_is_right_where_it_leads_to_the_key() -> None:
    assert verdict(f"p={KEY}", cname="keys.example.net").ok
    assert verdict(cname="keys.example.net").status is Status.MISSING


def test_two_keys_under_one_selector_are_wrong_though_one_is_right() -> None:
    assert verdict(f"p={KEY}", f"p={OTHER}").status is Status.MISMATCH


def test_a_private_key_is_told_apart_from_a_wrong_one() -> None:
    assert "PRIVATE" in verdict(f"v=DKIM1; p={key_pair()[1]}").message
    assert "PRIVATE" in verdict(f"v=DKIM1; p={key_pair(2)[1]}").message
    assert "PRIVATE" not in verdict(f"v=DKIM1; p={OTHER}").message


def test_another_selector_is_judged_by_its_own_key() -> None:
    facts = replace(facts_of(), extra_keys=(("q2", OTHER),))
    record = record_of(facts, "dkim_q2")
    assert judge.judge(record, Answer(record.name, "TXT", Outcome.FOUND, (f"p={OTHER}",))).ok
    assert not judge.judge(record, Answer(record.name, "TXT", Outcome.FOUND, (f"p={KEY}",))).ok
