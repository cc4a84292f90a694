"""A complete message taken apart, completed, put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.mail import rawmail
from quazzar.errors import InvalidEmail

CRON = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@node> backup\n\nall good\n"


def names(data: bytes) -> list[str]:
    return [field.name for field in rawmail.parse(data).fields]


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_a_message_comes_out_as_it_went_in(eol: bytes) -> None:
    data = CRON.replace(b"\n", eol) + b"caf\xe9 \x00 \xff" + eol
    mail = rawmail.parse(data)
    assert mail.as_bytes() == data
    assert mail.get("subject") == "Cron <root@node> backup"


@given(st.binary(max_size=200))
def test_any_body_is_kept_byte_for_byte(body: bytes) -> None:
    mail = rawmail.parse(b"Subject: x\n\n" + body)
    assert (mail.body, mail.as_bytes()) == (body, b"Subject: x\n\n" + body)


@given(st.binary(max_size=200))
def test_any_input_is_read_or_refused(data: bytes) -> None:
    try:
        mail = rawmail.parse(data)
    except InvalidEmail:
        return
    assert rawmail.parse(mail.as_bytes()) == mail


def test_an_mbox_separator_is_dropped() -> None:
    assert rawmail.parse(b"From root Mon Nov 22 10:00:00 2026\n" + CRON).as_bytes() == CRON


def test_a_line_that_is_no_field_ends_the_header() -> None:
    mail = rawmail.parse(b"Subject: x\nhello there\nTo: nobody@example.com\n")
    assert names(mail.as_bytes()) == ["subject"]
    assert mail.as_bytes() == b"Subject: x\n\nhello there\nTo: nobody@example.com\n"


def test_a_message_without_a_header_is_all_body() -> None:
    mail = rawmail.parse(b"disk failing\n")
    assert (mail.fields, mail.as_bytes()) == ((), b"\ndisk failing\n")


def test_a_header_without_a_line_end_gets_one() -> None:
    assert rawmail.parse(b"Subject: x").as_bytes() == b"Subject: x\n\n"


def test_folded_fields_read_as_one_line_and_stay_folded() -> None:
    data = b"To: a@example.com,\r\n\tb@example.com\r\nSubject : x\r\n\r\n"
    mail = rawmail.parse(data)
    assert mail.get("to") == "a@example.com,\tb@example.com"
    assert mail.get("subject") == "x"
    assert mail.as_bytes() == data


@pytest.mark.parametrize(
    "header", [b"Subject: a\rBcc: b@example.com\n", b"Subject: a\x00\n", b"Subject: a\r\r\n"]
)
def test_nul_and_stray_carriage_returns_in_the_header_are_refused(header: bytes) -> None:
    with pytest.raises(InvalidEmail):
        rawmail.parse(header + b"\nbody\n")


def test_nul_and_stray_carriage_returns_in_the_body_are_let_through() -> None:
    assert rawmail.parse(b"Subject: a\n\na\x00\rb").body == b"a\x00\rb"


@pytest.mark.parametrize(("raw", "text"), [(b"M\xc3\xbcll", "Müll"), (b"M\xfcll", "Müll")])
def test_eight_bit_text_is_read_as_utf8_or_latin1(raw: bytes, text: str) -> None:
    assert rawmail.parse(b"Subject: " + raw + b"\n\n").get("subject") == text


def test_recipients_are_those_of_to_cc_and_bcc() -> None:
    mail = rawmail.parse(
        b"To: a@example.com\nCc: B <b@example.com>\nBcc: c@example.com\nTo: d@example.com\n\n"
    )
    assert [mailbox.address[0] for mailbox in rawmail.recipients(mail)] == ["a", "d", "b", "c"]


def test_a_mail_sent_on_goes_to_those_it_was_sent_on_to() -> None:
    mail = rawmail.parse(b"Resent-To: a@example.com\nResent-Bcc: b@example.com\nTo: c@example.com\n\n")
    assert [mailbox.address[0] for mailbox in rawmail.recipients(mail)] == ["a", "b"]


def test_blind_recipients_are_removed_with_all_their_lines() -> None:
    data = b"BCC: a@example.com,\n  b@example.com\nResent-Bcc: c@example.com\n" + CRON
    done = rawmail.completed(rawmail.parse(data), date="D", message_id="<m>").as_bytes()
    assert b"example.com" not in done


def test_missing_fields_are_added_and_present_ones_stay() -> None:
    bare = rawmail.completed(rawmail.parse(b"hello\n"), date="D", message_id="<m>")
    assert bare.as_bytes() == b"Date: D\nMessage-ID: <m>\nTo: undisclosed-recipients:;\n\nhello\n"
    data = b"Message-Id: <mine>\r\nCc: a@example.com\r\nDate: then\r\n\r\nhello\r\n"
    assert rawmail.completed(rawmail.parse(data), date="D", message_id="<m>").as_bytes() == data


def test_an_empty_field_counts_as_missing() -> None:
    mail = rawmail.completed(rawmail.parse(b"Message-ID:\nTo: a@example.com\n\n"), date="D", message_id="<m>")
    assert mail.texts("message-id") == ["<m>"]


def test_a_field_is_replaced_in_its_place_and_only_once() -> None:
    mail = rawmail.parse(b"From: a\nSubject: x\nFROM: b\n\n").with_field("From", "c@example.com")
    assert mail.as_bytes() == b"From: c@example.com\nSubject: x\n\n"


def test_a_long_list_is_folded_between_its_addresses() -> None:
    text = ", ".join(f"box{number}@example.com" for number in range(9))
    mail = rawmail.parse(b"Subject: x\r\n\r\n").with_field("To", text)
    assert max(map(len, mail.as_bytes().splitlines())) < 78
    assert len(rawmail.parse(mail.as_bytes()).mailboxes("to")) == 9


@pytest.mark.parametrize("text", ["a\nBcc: b", "a\rb", "a\x00"])
def test_a_new_field_cannot_begin_another(text: str) -> None:
    with pytest.raises(InvalidEmail):
        rawmail.parse(CRON).with_field("Subject", text)


# --- what careless programs write --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "subject", "body"),
    [
        (b"To: a@example.com\nSubject: host\rname\n\nb\n", "host name", b"b\n"),
        (b"To: a@example.com\nSubject: host\0name\n\nb\n", "host name", b"b\n"),
        (b"To: a@example.com\r\r\nSubject: N4\r\r\n\r\r\nbody\r\r\n", "N4", b"body\r\n"),
        (b"To: a@example.com\nSubject: N4\r\r\n\nbody\r\r\n", "N4", b"body\r\r\n"),
        (b"\nTo: a@example.com\nSubject: x\n\nb\n", "x", b"b\n"),
        (b"\r\n \t\r\n\nTo: a@example.com\r\nSubject: x\r\n\r\nb\n", "x", b"b\n"),
        (b"\xef\xbb\xbfTo: a@example.com\nSubject: x\n\nb\n", "x", b"b\n"),
        (b"From root Mon Nov 22 10:00:00 2026\nTo: a@example.com\nSubject: a\rb\n\nb\n", "a b", b"b\n"),
    ],
)
def test_a_careless_header_is_read_as_it_was_meant(data: bytes, subject: str, body: bytes) -> None:
    mail = rawmail.read(data)
    assert (mail.get("to"), mail.get("subject"), mail.body) == ("a@example.com", subject, body)
    assert rawmail.read(mail.as_bytes()) == mail


@pytest.mark.parametrize(
    "data", [b"Subject: a\rBcc: b@example.com\n\nx\n", b"Subject: a\0\rBcc: b@example.com\r\r\n\r\r\nx"]
)
def test_nothing_becomes_a_field_that_was_none(data: bytes) -> None:
    mail = rawmail.read(data)
    assert [field.name for field in mail.fields] == ["subject"]
    assert b"\nBcc" not in mail.as_bytes()
    assert b"\rBcc" not in mail.as_bytes()


@pytest.mark.parametrize("data", [b"\nall good\n", b"\nError: disk\n\nSubject to change: x\n", b"\n\n"])
def test_a_blank_line_before_a_text_begins_the_body(data: bytes) -> None:
    assert rawmail.read(data).fields == ()


@given(st.binary(max_size=200))
def test_any_input_of_a_careless_program_is_read(data: bytes) -> None:
    mail = rawmail.read(data)
    head = mail.as_bytes().removesuffix(mail.body)
    assert b"\0" not in head
    assert b"\r" not in head.replace(b"\r\n", b"")


def test_the_header_is_read_in_the_charset_of_the_body() -> None:
    data = "Subject: Привет\nContent-Type: text/plain;\n charset=koi8-r\n\nПривет\n".encode("koi8-r")
    assert rawmail.parse(data).get("subject") == "Привет"
