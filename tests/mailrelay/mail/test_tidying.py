"""The header of a complete mail, as a submission agent corrects it (RFC 6409 §8)."""

from __future__ import annotations

import pytest

from mailrelay.mail import addresslists, rawmail, tidying
from quazzar.errors import InvalidEmail


def tidied(header: str) -> list[str]:
    """The lines of the header."""
    mail = tidying.without_surplus(rawmail.read(f"{header}\n\nx\n".encode()))
    header = tidying.with_understood_addresses(mail).as_bytes().decode().partition("\n\n")[0]
    return header.replace("\n ", " ").split("\n")


# RFC 5322 §3.4 and Appendix A.
STRICT = (
    "a@example.com",
    "A <a@example.com>, <b@example.com>",
    '"Doe, John" <j@example.com>, "a;b" <c@example.com>',
    '"a@example.com" <b@example.com>',
    '"john doe"@example.com',
    "a@[192.0.2.1], a@[IPv6:2001:db8::1]",
    "Undisclosed recipients:;",
    "undisclosed-recipients: ;",
    "Team: a@example.com, B <b@example.com>;, c@example.com",
    "=?utf-8?q?J=C3=B6rg?= <j@example.com>",
    "a@example.com (Jane (the boss))",
)
LOOSE = {
    "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>": "Pete <pete@silly.test>",
    "A Group(Some people)\t:Chris Jones <c@(Chris's host.)public.example>;": (
        "A Group: Chris Jones <c@public.example>;"
    ),
    "pete @ silly . test": "pete@silly.test",
    "a@example.com; b@example.com": "a@example.com, b@example.com",
    "a@example.com;": "a@example.com",
    "a@example.com,": "a@example.com",
    ", a@example.com,, b@example.com ,": "a@example.com, b@example.com",
    "John Q. Public <j@example.com>": '"John Q. Public" <j@example.com>',
    "a@example.com <b@example.com>": '"a@example.com" <b@example.com>',
    "Doe, John <j@example.com>": None,
    "J. (Doe <j@example.com>": None,
    "<@hop.example,@hop2.example:a@example.com>": "a@example.com",
    "A <a@EXAMPLE.com.>": "A <a@example.com>",
    "a@bücher.example": "a@xn--bcher-kva.example",
    "Jörg <j@example.com>": "=?utf-8?b?SsO2cmc=?= <j@example.com>",
    "Jörg Team: a@example.com; b@example.com": "=?utf-8?b?SsO2cmcgVGVhbQ==?= : a@example.com;, b@example.com",
    "Undisclosed recipients:": "Undisclosed recipients:;",
    "a@example.com b@example.com": None,
    "<a@example.com> <b@example.com>": None,
    "foo..bar@example.com": None,
    "a@b@example.com": None,
    "a@": None,
    "=?utf-8?b?YUBleGFtcGxlLmNvbQ==?=": None,
}


@pytest.mark.parametrize("name", ["To", "Cc", "Reply-To", "From", "Resent-To", "Disposition-Notification-To"])
def test_a_list_of_addresses_leaves_as_rfc_5322_has_it(name: str, subtests: pytest.Subtests) -> None:
    for text in STRICT:
        with subtests.test(text):
            assert addresslists.is_strict(text)
            assert tidied(f"{name}: {text}")[0] == f"{name}: {text}"
    for text, wanted in LOOSE.items():
        with subtests.test(text):
            assert not addresslists.is_strict(text)
            if wanted is None:
                with pytest.raises(InvalidEmail, match=f"^{name} cannot be understood: "):
                    tidied(f"{name}: {text}")
            else:
                assert tidied(f"{name}: {text}")[0] == f"{name}: {wanted}"
                assert addresslists.is_strict(wanted)


@pytest.mark.slow
def test_an_endless_list_is_judged_at_once() -> None:
    for text in (
        "a " * 100_000,
        "a@b, " * 100_000 + "c",
        '"' * 100_001,
        "(" * 100_000,
        "a." * 100_000 + "@",
        "[" * 100_000,
    ):
        assert not addresslists.is_strict(text)


def test_several_fields_of_recipients_are_one() -> None:
    assert tidied(
        "To: A <a@example.com>\nSubject: x\nto: a@example.com; b@example.com\nCc: c@example.com\nCC:\n"
    ) == [
        "To: A <a@example.com>, b@example.com",
        "Subject: x",
        "Cc: c@example.com",
    ]


def test_of_other_fields_that_stand_twice_the_first_that_says_something_stays() -> None:
    assert tidied("Subject:\nSubject: one\nFrom: a@example.com\nSubject: two\nFrom: b@example.com") == [
        "Subject: one",
        "From: a@example.com",
    ]
    assert tidied("X-Note: a\nX-Note: b\nReceived: by a\nReceived: by b") == [
        "X-Note: a",
        "X-Note: b",
        "Received: by a",
        "Received: by b",
    ]


def test_blocks_of_resent_fields_stay_apart() -> None:
    assert tidied("Resent-To: a@example.com\nResent-To: b@example.com;") == [
        "Resent-To: a@example.com",
        "Resent-To: b@example.com",
    ]


@pytest.mark.parametrize(
    "line", ["Cc: ,", "Cc:", "Cc: ;,", "Reply-To: <>", "Subject:", "References: \n ", "X-A:"]
)
def test_an_empty_field_is_left_out(line: str) -> None:
    assert tidied(f"To: a@example.com\n{line}") == ["To: a@example.com"]


@pytest.mark.parametrize("name", ["Return-Path", "Delivered-To", "X-Original-To", "Envelope-To"])
def test_what_servers_write_is_left_out(name: str) -> None:
    assert tidied(f"{name}: <root>\nTo: a@example.com") == ["To: a@example.com"]


def test_a_mail_of_several_authors_has_a_sender() -> None:
    assert tidied("From: A <a@example.com>, b@example.com")[1:] == ["Sender: a@example.com"]
