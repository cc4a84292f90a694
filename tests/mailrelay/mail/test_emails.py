"""What a caller may ask to be sent."""

from __future__ import annotations

from typing import Any

import pytest

from mailrelay.mail import emails
from mailrelay.mail.emails import Attachment, Email
from quazzar.errors import InvalidEmail

LINE_ENDS = ["\r", "\n", "\r\n", "\x00", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def refused(**fields: Any) -> str:
    """The field that the refusal names."""
    email = Email(**{"to": ["ops@example.com"], **fields})
    with pytest.raises(InvalidEmail) as caught:
        emails.check(email)
        emails.recipients(email)
    assert caught.value.message.endswith((".", "…"))
    return caught.value.field


def accepted(**fields: Any) -> list[str]:
    """The envelope recipients."""
    email = Email(**{"to": ["ops@example.com"], **fields})
    emails.check(email)
    return emails.recipients(email)


def test_everybody_is_an_envelope_recipient_once() -> None:
    to, cc, bcc = ["Ops <ops@EXAMPLE.com>", "a@b.c"], ("ops@example.com",), "secret@b.c"
    assert accepted(to=to, cc=cc, bcc=bcc) == ["ops@example.com", "a@b.c", "secret@b.c"]


def test_a_single_string_is_one_recipient() -> None:
    assert accepted(to="ops@example.com") == ["ops@example.com"]


def test_a_mail_needs_a_recipient_and_takes_no_more_than_the_limit() -> None:
    many = [f"u{number}@example.com" for number in range(emails.MAX_RECIPIENTS)]
    assert refused(to=[]) == "to"
    assert refused(to=many, bcc=["one-more@example.com"]) == "to"
    assert len(accepted(to=many)) == emails.MAX_RECIPIENTS


def test_a_recipient_that_is_no_address_is_named_by_its_field(subtests: pytest.Subtests) -> None:
    for name in ["to", "cc", "bcc"]:
        for text in ["", "ops", "a@b.c, d@e.f", "a@b.c\r\nBcc: x@y.z", "\ud800@b.c", "A\n <a@b.c>"]:
            with subtests.test(name=name, text=text):
                assert refused(**{name: [text]}) == name


@pytest.mark.parametrize("name", ["from_address", "reply_to"])
def test_the_other_addresses_are_checked_and_may_be_empty(name: str) -> None:
    assert refused(**{name: "a@b.c\r\nBcc: x@y.z"}) == name
    assert refused(**{name: "a@b.c, d@e.f"}) == name
    assert accepted(**{name: ""}) and accepted(**{name: '"Doe, John" <j@example.com>'})


def test_no_header_field_takes_a_control_character(subtests: pytest.Subtests) -> None:
    for char in [*LINE_ENDS, "\x01", "\x1b", "\x7f", "\x80", "\ud83d"]:
        with subtests.test(char=char):
            value = f"a{char}Bcc: x@y.z"
            assert refused(subject=value) == "subject"
            assert refused(headers={"X-Job": value}) == "headers"
            assert refused(headers={f"X-{char}": "a"}) == "headers"
            assert refused(attachments=[Attachment(filename=value, content=b"")]) == "attachments"
            assert (
                refused(attachments=[Attachment(filename="a", content=b"", content_type=f"a/b{char}")])
                == "attachments"
            )


def test_a_header_field_takes_every_other_text(subtests: pytest.Subtests) -> None:
    for text in [
        "",
        "Disk 92 %",
        "Fête 🚀 👩‍👩‍👧",
        "a\tb",
        "  spaces ",
        "a\u00a0b",
        "\u202eabc",
        "=?utf-8?q?x?=",
    ]:
        with subtests.test(text=text):
            assert accepted(subject=text, headers={"X-Job": text})


def test_a_header_that_is_no_name_or_is_ours_is_refused(subtests: pytest.Subtests) -> None:
    for name in [
        "",
        "X Job",
        "X:",
        "Jöb",
        "X-" + "a" * 80,
        "Bcc",
        "bcc",
        "FROM",
        "Content-Type",
        "content-x",
        "Subject",
        "Message-ID",
        "Resent-Bcc",
        "Received",
        "MIME-Version",
        "Sender",
        "Return-Path",
        "DKIM-Signature",
    ]:
        with subtests.test(name=name):
            assert refused(headers={name: "value"}) == "headers"


def test_a_header_of_the_callers_own_is_accepted(subtests: pytest.Subtests) -> None:
    for headers in [
        {"X-Job": "nightly"},
        {"List-Unsubscribe": "<https://example.com/u>"},
        {"In-Reply-To": "<a@b>"},
        {"X": ""},
    ]:
        with subtests.test(headers=headers):
            assert accepted(headers=headers)


@pytest.mark.parametrize("name", ["text", "html"])
def test_a_text_takes_any_character_but_nul_and_half_ones(name: str) -> None:
    assert refused(**{name: "a\x00b"}) == name
    assert refused(**{name: "a\udc00b"}) == name
    assert accepted(**{name: "a\r\n.\r\nb\n\r\x0b\x85\u2028🚀"})


def test_a_content_type_is_accepted(subtests: pytest.Subtests) -> None:
    for kind in [
        "application/pdf",
        "image/svg+xml",
        "text/csv",
        "text/csv; charset=utf-8",
        "text/calendar; charset=utf-8; method=REQUEST",  # RFC 6047 §2.4
        'application/x; a="b; \\"c\\" ö";d = e',
        'a/b; name="x"',
        "message/rfc822",
    ]:
        with subtests.test(kind=kind):
            assert accepted(attachments=[Attachment(filename="a", content=b"x", content_type=kind)])


def test_what_is_no_content_type_is_refused(subtests: pytest.Subtests) -> None:
    for kind in [
        "",
        "pdf",
        "a/",
        "/b",
        "a/b/c",
        "a b/c",
        "a/b;",
        "a/b; c",
        'a/b; c="d',
        "a/b; c=d=e",
        "a/b; c=d e=f",
        'a/b; c="\u2028"',
        "a/b; c=" + "d" * 500,
        "a/b; charset=a b",
        "multipart/mixed",
        "Multipart/X",
        "a/" + "b" * 200,
        "té/x",
    ]:
        with subtests.test(kind=kind):
            assert (
                refused(attachments=[Attachment(filename="a", content=b"x", content_type=kind)])
                == "attachments"
            )


def test_a_filename_is_needed_and_has_a_limit() -> None:
    assert refused(attachments=[Attachment(filename=" ", content=b"x")]) == "attachments"
    assert refused(attachments=[Attachment(filename="f" * 256, content=b"x")]) == "attachments"
    assert accepted(attachments=[Attachment(filename="é" * 255, content=b"x")])


def test_the_limit_counts_bytes_of_everything_together() -> None:
    third = emails.MAX_BYTES // 3
    fits = Attachment(filename="a", content=bytes(third))
    assert accepted(text="t" * third, html="h" * third, attachments=[fits])
    assert refused(text="t" * third, html="h" * (third + 10), attachments=[fits]) == "attachments"
    assert refused(text="漢" * (third + 1)) == "attachments"


def test_nothing_of_the_content_is_in_the_repr() -> None:
    email = Email(
        to=["a@b.c"], text="hush", html="hush", attachments=[Attachment(filename="a", content=b"hush")]
    )
    assert "hush" not in repr(email)
