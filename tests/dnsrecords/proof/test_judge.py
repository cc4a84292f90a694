"""A mail that arrived: all green from a right set-up, and red where exactly one thing is wrong."""

from __future__ import annotations

import random
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from dnsrecords.answers import Outcome
from dnsrecords.proof.judging import arrived
from dnsrecords.proof.judging.verdict import At, Check, Mark, Verdict
from tests.dnsrecords.proof.setups import IP, MX, NONCE, Setup, key, without, zone
from tests.tiers import fewer


def bad(verdict: Verdict) -> list[tuple[At, str]]:
    """Station and key of everything that is red."""
    return [
        (station.key, check.key)
        for station in verdict.stations
        for check in station.checks
        if check.mark is Mark.BAD
    ]


def check(verdict: Verdict, key_: str) -> Check:
    """The check with this key."""
    return next(each for station in verdict.stations for each in station.checks if each.key == key_)


def test_everything_is_green_on_a_right_setup() -> None:
    verdict = Setup().judged()
    assert verdict.mark is Mark.OK, [each for station in verdict.stations for each in station.checks]
    assert verdict.sentence == "The mail arrived in 3 s, and every check on its way passed."
    assert [station.key for station in verdict.stations] == [
        At.NODE,
        At.SENDER,
        At.DOOR,
        At.IDENTITY,
        At.MAILBOX,
    ]
    assert verdict.stations[2].tls == "TLS 1.3" and verdict.stations[2].ip == IP


def test_a_verdict_survives_its_row() -> None:
    verdict = Setup().judged()
    assert Verdict.from_json(verdict.to_json()) == verdict


WRONG: dict[str, tuple[dict[str, Any], At, str, str]] = {
    "SPF lets another address send": (
        {"zone": zone() | {"sender.example TXT": "v=spf1 ip4:198.51.100.7 -all"}},
        At.IDENTITY,
        "spf",
        f"SPF does not let {IP} send for sender.example (fail).",
    ),
    "no SPF record": (
        {"zone": without("sender.example TXT")},
        At.IDENTITY,
        "spf",
        "sender.example has no SPF record",
    ),
    "two SPF records": (
        {"zone": zone() | {"sender.example TXT": ("v=spf1 -all", "v=spf1 +all")}},
        At.IDENTITY,
        "spf",
        "The SPF record of sender.example is invalid: sender.example has 2 SPF records.",
    ),
    "no DKIM key": (
        {"zone": without("quazzar._domainkey.sender.example TXT")},
        At.IDENTITY,
        "dkim",
        "quazzar._domainkey.sender.example does not exist in DNS.",
    ),
    "a revoked DKIM key": (
        {"zone": zone() | {"quazzar._domainkey.sender.example TXT": "v=DKIM1; p="}},
        At.IDENTITY,
        "dkim",
        "is revoked (empty p=)",
    ),
    "a mail that was changed on the way": (
        {"changed": b"-- \r\nan advertisement\r\n"},
        At.IDENTITY,
        "dkim",
        "the content was changed after it was signed",
    ),
    "no signature": ({"signer": ""}, At.IDENTITY, "dkim", "The mail carries no DKIM signature."),
    "nothing agrees with From": (
        {
            "sender": "bounces@provider.example",
            "signer": "provider.example",
            "zone": zone()
            | {
                "provider.example TXT": f"v=spf1 ip4:{IP} -all",
                "quazzar._domainkey.provider.example TXT": f"v=DKIM1; p={key()[1]}",
                "_dmarc.provider.example TXT": "v=DMARC1; p=none",
            },
        },
        At.IDENTITY,
        "alignment",
        "What was proven is provider.example, but the mail says it is from sender.example.",
    ),
    "strict alignment with a subdomain": (
        {
            "sender": "node@sub.sender.example",
            "signer": "sub.sender.example",
            "zone": zone()
            | {
                "sub.sender.example TXT": f"v=spf1 ip4:{IP} -all",
                "quazzar._domainkey.sub.sender.example TXT": f"v=DKIM1; p={key()[1]}",
                "_dmarc.sender.example TXT": "v=DMARC1; p=reject; adkim=s; aspf=s",
            },
        },
        At.IDENTITY,
        "alignment",
        "What was proven is sub.sender.example, but the mail says it is from sender.example.",
    ),
    "no DMARC policy": (
        {"zone": without("_dmarc.sender.example TXT")},
        At.IDENTITY,
        "dmarc",
        "sender.example has no DMARC policy.",
    ),
    "two DMARC policies": (
        {"zone": zone() | {"_dmarc.sender.example TXT": ("v=DMARC1; p=none", "v=DMARC1; p=reject")}},
        At.IDENTITY,
        "dmarc",
        "sender.example has 2 DMARC records",
    ),
    "a DMARC record without a policy": (
        {"zone": zone() | {"_dmarc.sender.example TXT": "v=DMARC1; rua=mailto:a@sender.example"}},
        At.IDENTITY,
        "dmarc",
        "the tag p=, which holds the policy, is missing",
    ),
    "no reverse name": (
        {"zone": without("5.113.0.203.in-addr.arpa PTR")},
        At.DOOR,
        "ptr",
        f"{IP}, your server's address, has no reverse name",
    ),
    "a reverse name that leads elsewhere": (
        {"zone": zone() | {"5.113.0.203.in-addr.arpa PTR": "5.pool.example"}},
        At.DOOR,
        "ptr",
        f"has the reverse name 5.pool.example, but that name does not lead back to {IP}.",
    ),
    "no TLS": (
        {"protocol": "ESMTP", "tls": ""},
        At.DOOR,
        "tls",
        "went from your mail server to mx.receiver.example without encryption.",
    ),
    "a clock that is ahead": (
        {"clock": timedelta(hours=3)},
        At.NODE,
        "clock",
        "This node's clock is 2 h ahead of mx.receiver.example.",
    ),
    "a clock that is behind": (
        {"clock": timedelta(minutes=-20)},
        At.NODE,
        "clock",
        "This node's clock is at least 19 min behind mx.receiver.example.",
    ),
    "a blocklisted address": (
        {"listed": (IP,)},
        At.DOOR,
        "blocklists",
        f"{IP} is on the blocklist Spamhaus ZEN: seen sending spam.",
    ),
    "a spam filter that is not convinced": (
        {"extra": "X-Spam-Status: Yes, score=7.2 required=5.0\r\n"},
        At.MAILBOX,
        "spam",
        "considers the mail spam (7.2 of 5.0 points).",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_thing_is_red_at_its_station_and_nothing_else(name: str) -> None:
    changes, station, key_, sentence = WRONG[name]
    verdict = Setup(**changes).judged()
    assert bad(verdict) == [(station, key_)]
    assert sentence in verdict.sentence
    assert verdict.advice


def test_a_server_whose_clock_is_wrong_is_told_by_another_one_there() -> None:
    setup = Setup(clock=timedelta(hours=3))
    inside = "Received: from {} by imap.receiver.example (Dovecot) with LMTP id 9; {}\r\n"
    right = setup.sent().at
    assert right is not None
    for at, mark in (
        (right, Mark.OK),
        (right - timedelta(hours=3), Mark.BAD),
        (right + timedelta(hours=1), Mark.BAD),
    ):
        field = inside.format(MX, format_datetime(at))
        mail = arrived.read(field.encode() + setup.raw())
        found = check(setup.judged_as(mail), "clock")
        assert found.mark is mark, found
    assert Setup().judged().mark is Mark.OK


def test_one_proof_of_the_sender_is_enough_for_alignment() -> None:
    verdict = Setup(zone=without("quazzar._domainkey.sender.example TXT")).judged()
    assert check(verdict, "alignment").mark is Mark.OK
    assert check(verdict, "dmarc").mark is Mark.OK


def test_a_policy_of_none_is_a_warning_and_no_failure() -> None:
    verdict = Setup(zone=zone() | {"_dmarc.sender.example TXT": "v=DMARC1; p=none"}).judged()
    assert verdict.mark is Mark.WARNING
    assert "is none" in verdict.sentence


@pytest.mark.parametrize(
    ("name", "key_"),
    [
        ("sender.example TXT", "spf"),
        ("quazzar._domainkey.sender.example TXT", "dkim"),
        ("_dmarc.sender.example TXT", "dmarc"),
        ("5.113.0.203.in-addr.arpa PTR", "ptr"),
    ],
)
def test_name_servers_that_are_silent_prove_nothing_and_refute_nothing(name: str, key_: str) -> None:
    verdict = Setup(zone={**zone(), name: Outcome.TIMEOUT}).judged()
    assert check(verdict, key_).mark is Mark.UNKNOWN
    assert not bad(verdict)


def test_an_address_behind_translation_is_not_judged() -> None:
    verdict = Setup(ip="172.18.0.1").judged()
    assert check(verdict, "address").mark is Mark.UNKNOWN
    assert "172.18.0.1, a private address," in check(verdict, "address").sentence
    assert check(verdict, "spf").mark is Mark.UNKNOWN
    assert check(verdict, "alignment").mark is Mark.OK, "the signature still proves the sender"


def test_the_receiving_server_may_come_to_another_result() -> None:
    field = "Authentication-Results: mx.receiver.example; spf=pass; dkim=fail; dmarc={}\r\n"
    agrees = Setup(extra=field.format("pass")).judged()
    assert check(agrees, "receiver").mark is Mark.OK
    differs = Setup(extra=field.format("fail")).judged()
    assert check(differs, "receiver").mark is Mark.WARNING
    assert "mx.receiver.example came to another result: dmarc=fail." in check(differs, "receiver").sentence


# --- a header that somebody pasted -------------------------------------------------------------------------
BODY = f"Proof {NONCE}\r\n".encode()


def head(setup: Setup) -> str:
    """The header alone, as people copy it."""
    return setup.raw().partition(b"\r\n\r\n")[0].decode()


def test_a_pasted_header_is_judged_like_the_mail_itself() -> None:
    setup = Setup()
    pasted = f"Original message\n\n{head(setup)}\n".replace("\r\n", "\n")
    mail = arrived.pasted(pasted, BODY)
    assert mail.nonce == NONCE
    assert setup.judged_as(mail).mark is Mark.OK


def test_of_a_header_alone_a_broken_signature_says_nothing_unless_the_receiving_server_does() -> None:
    setup = Setup()
    mail = arrived.pasted(head(setup), b"something else\r\n")
    assert check(setup.judged_as(mail), "dkim").mark is Mark.UNKNOWN
    for said, mark in (("pass", Mark.OK), ("fail", Mark.BAD)):
        setup = Setup(extra=f"Authentication-Results: mx.receiver.example; dkim={said}\r\n")
        mail = arrived.pasted(head(setup), b"something else\r\n")
        assert check(setup.judged_as(mail), "dkim").mark is mark


def test_no_text_that_somebody_pastes_breaks_anything() -> None:
    whole = head(Setup())
    for text in (
        "",
        "\0",
        "Received:",
        "Received: ;;;(((",
        whole[::-1],
        whole[:200],
        "a: b\n" * 2_000,
        "\n\n\n x",
    ):
        assert Setup().judged_as(arrived.pasted(text)).sentence


def test_a_hostile_header_is_read_in_no_time() -> None:
    """Each of these once took a time that grew with the square of its length."""
    big = 190_000
    for text in (
        "Received: x\n" + " a\n" * (big // 3),
        "Received: " + "(;" * (big // 2),
        "From: " + "a@" * (big // 2),
    ):
        mail = arrived.pasted(text)
        assert len(mail.fields) == 1
    assert len(arrived.pasted("Received: from a by b; ;\n" * 9_000).fields) == 400


def test_what_is_not_known_beside_a_proven_sender_is_said_and_no_failure() -> None:
    verdict = Setup(ip="172.18.0.1").judged()
    assert verdict.proves_sender
    assert verdict.sentence.startswith(
        "The mail arrived in 3 s, and its sender is proven. Not known: The receiving"
    )
    unproven = Setup(ip="172.18.0.1", signer="").judged()
    assert not unproven.proves_sender


def test_a_mail_that_was_damaged_anyhow_is_judged() -> None:
    """Everybody who knows the number of a proof can send anything with it."""
    setup, chance = Setup(), random.Random(7)
    whole = setup.raw()
    for _ in range(fewer(200, 10_000)):
        mail = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(mail))
            if chance.random() < 0.5:
                del mail[at : at + chance.randint(1, 40)]
            else:
                mail[at:at] = chance.choice((b";", b"(", b"\r\n", b"\0", b"\xff", b"d=", b"[", b"9" * 30))
        assert setup.judged_as(arrived.read(bytes(mail))).sentence
        assert setup.judged_as(arrived.pasted(bytes(mail).decode("utf-8", "replace"))).sentence
