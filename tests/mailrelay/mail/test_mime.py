"""Rendered mails, read back by the standard library's parser."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrelay.mail import emails, mime
from mailrelay.mail.emails import Attachment, Email

DATE = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
MESSAGE_ID = "<7a1c0a1e-0000-4000-8000-000000000000@example.org>"
LONG = "x" * 5000


def render(default_name: str = "", **fields: Any) -> mime.Rendered:
    """A mail that the boundary takes, rendered, with what holds for every mail checked."""
    mail = Email(**{"to": ["ops@example.com"], **fields})
    emails.check(mail)
    emails.recipients(mail)
    options: dict[str, Any] = {"message_id": MESSAGE_ID, "date": DATE, "default_from": "node@example.org"}
    rendered = mime.render(mail, **options, default_name=default_name)
    assert mime.render(mail, **options, default_name=default_name) == rendered
    assert_sendable(rendered)
    return rendered


def assert_sendable(rendered: mime.Rendered) -> None:
    """CRLF only, short lines, seven bits (but for SMTPUTF8's header), a header of fields, and an end."""
    lines = rendered.data.split(b"\r\n")
    assert lines[-1] == b""
    assert not re.search(rb"[\r\n\x00]", b"".join(lines))
    assert max(map(len, lines)) <= 998
    head, _, body = rendered.data.partition(b"\r\n\r\n")
    assert body.isascii() and (rendered.utf8 or head.isascii())
    for line in head.split(b"\r\n"):
        assert re.match(rb"[!-9;-~]+: ?|[ \t]+[^ \t]", line), line


def parse(rendered: mime.Rendered) -> EmailMessage:
    """The mail as a reader sees it, without a single defect."""
    message = email.message_from_bytes(rendered.data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
        assert not [defect for value in part.values() for defect in value.defects]
    return message


def body(message: EmailMessage, kind: str) -> str:
    """A text of the mail with LF."""
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode().replace("\r\n", "\n")


def canonical(text: str) -> str:
    """What a text becomes on its way: every line end the same."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029")
HEADER = (
    st.text(CHARACTERS, max_size=300) | st.text(" \tab=?_utf8q.", max_size=200) | st.text("é🚀 ", max_size=90)
)
BODY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=300) | st.lists(
    st.sampled_from(
        [".", "..", "From me", "\n", "\r\n", "\r", " ", "\t", "=", "=3D", "--", "é", LONG, "\x0b", "\u2028"]
    )
).map("".join)
NAME = st.text(CHARACTERS, min_size=1, max_size=120) | st.text(' ",.()@:;\\=?ab', min_size=1, max_size=30)


def same(read: object, text: str) -> bool:
    """Whether a header field says the text; runs of blanks at its ends carry nothing."""
    return str(read) == text.strip()


@settings(deadline=None)
@given(HEADER, HEADER)
def test_header_fields_are_read_as_they_were_written(subject: str, value: str) -> None:
    message = parse(render(subject=subject, headers={"X-Job": value}))
    assert same(message["subject"], subject)
    assert same(message["x-job"], value)


@pytest.mark.slow
@settings(deadline=None)
@given(BODY, BODY)
def test_texts_are_read_as_they_were_written(text: str, html: str) -> None:
    message = parse(render(text=text, html=html))
    if html and text:
        assert body(message, "plain") == canonical(text)
    if html:
        expected = canonical(html)
        actual = body(message, "html")
    else:
        expected, actual = canonical(text), body(message, "plain")
    assert actual == expected or (actual == expected + "\n" and not (text and html))


@settings(deadline=None)
@given(NAME)
def test_a_display_name_is_read_as_it_was_written(name: str) -> None:
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '" <ops@example.com>'
    rendered = render(to=[quoted, "b@example.com"], from_address=quoted, reply_to=quoted)
    assert [address.addr_spec for address in parse(rendered)["to"].addresses] == [
        "ops@example.com",
        "b@example.com",
    ]
    # Python's newer parser puts spaces between the encoded words of a name; its older one follows RFC 2047.
    message = email.message_from_bytes(rendered.data)
    for field in ("to", "from", "reply-to"):
        written, address = getaddresses([re.sub(r"\r\n", "", message[field])])[0]
        actual = str(make_header(decode_header(written)))
        assert (actual, address) == (re.sub(" +", " ", name).strip(), "ops@example.com")


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(CHARACTERS, min_size=1, max_size=255).filter(str.strip), st.binary(max_size=200))
def test_an_attachment_is_read_as_it_was_written(filename: str, content: bytes) -> None:
    file = Attachment(filename=filename, content=content, content_type="application/x-thing")
    (part,) = parse(render(text="see file", attachments=[file])).iter_attachments()
    assert part["content-disposition"].params["filename"] == filename
    assert (part.get_content(), part.get_content_type()) == (content, "application/x-thing")


def test_the_common_mail_is_exactly_this() -> None:
    rendered = render(subject="Disk 92 %", text="line one\n.\nline two")
    assert rendered.data == (
        b"From: node@example.org\r\nTo: ops@example.com\r\nSubject: Disk 92 %\r\n"
        b"Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: " + MESSAGE_ID.encode() + b"\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n\r\nline one\r\n.\r\nline two\r\n"
    )
    assert (rendered.sender, rendered.utf8) == ("node@example.org", False)


def test_the_date_is_when_it_was_queued_in_utc() -> None:
    east = DATE.astimezone(timezone(timedelta(hours=9)))
    mail = Email(to=["ops@example.com"])
    rendered = mime.render(mail, message_id=MESSAGE_ID, date=east, default_from="n@b.c")
    assert parse(rendered)["date"].datetime == DATE.replace(microsecond=0)


def test_the_blind_copy_is_nowhere_in_the_mail() -> None:
    rendered = render(cc=["Cc <cc@example.com>"], bcc=["Secret <secret@example.com>"], html="<p>x", text="x")
    assert b"secret" not in rendered.data.lower() and b"bcc" not in rendered.data.lower()
    assert str(parse(rendered)["cc"]) == "Cc <cc@example.com>"


def test_a_mail_of_blind_copies_alone_shows_no_recipient() -> None:
    rendered = render(to=[], bcc=["secret@example.com"])
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in rendered.data
    assert b"secret" not in rendered.data
    assert "to" not in parse(render(to=[], cc=["cc@example.com"]))


def test_the_relays_name_is_used_for_its_own_address_only() -> None:
    assert str(parse(render("Quazzar, Node"))["from"]) == '"Quazzar, Node" <node@example.org>'
    assert str(parse(render("Node", from_address="me@b.c"))["from"]) == "me@b.c"
    assert str(parse(render("Node", from_address="Me <me@b.c>"))["from"]) == "Me <me@b.c>"
    assert render("Node", from_address="Me <me@b.c>").sender == "me@b.c"


def test_a_relay_name_with_line_ends_cannot_write_a_header() -> None:
    message = parse(render("a\r\nBcc: x@y.z\u2028b\x85c\x00d\ud800"))
    assert message["from"].addresses[0].display_name == "a Bcc: x@y.z b c d"
    assert "bcc" not in message


def filled(value: Any, text: str) -> Any:
    """The fields with the text in place of {}."""
    if isinstance(value, dict):
        return {filled(name, text): filled(part, text) for name, part in value.items()}
    return [filled(part, text) for part in value] if isinstance(value, list) else value.replace("{}", text)


def test_even_unchecked_no_field_writes_a_header_of_its_own(subtests: pytest.Subtests) -> None:
    for end in ["\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\ud800"]:
        for fields in [
            {"subject": "a{}b"},
            {"headers": {"X-A": "a{}b"}},
            {"headers": {"X-A{}B": "a"}},
            {"to": ["a{} <a@b.c>"]},
            {"cc": ["a@b.c{}"]},
            {"reply_to": "a{}@b.c"},
            {"from_address": "{}a@b.c"},
        ]:
            mail = Email(**{"to": ["ops@example.com"], **filled(fields, f"{end}Bcc: x@y.z{end}")})
            with subtests.test(end=end, fields=fields), pytest.raises(ValueError):
                mime.render(mail, message_id=MESSAGE_ID, date=DATE, default_from="node@example.org")


def test_a_message_id_or_content_type_with_a_line_end_is_refused() -> None:
    mail = Email(to=["ops@example.com"])
    with pytest.raises(ValueError):
        mime.render(mail, message_id="<a@b>\r\nBcc: x@y.z", date=DATE, default_from="n@b.c")
    mail = Email(
        to=["a@b.c"], attachments=[Attachment(filename="a", content=b"", content_type="a/b\r\nX: y")]
    )
    with pytest.raises(ValueError):
        mime.render(mail, message_id=MESSAGE_ID, date=DATE, default_from="n@b.c")


def test_every_mail_has_a_message_id_of_its_own_at_the_senders_domain() -> None:
    first, second = mime.new_message_id("node@example.org"), mime.new_message_id("node@example.org")
    assert first != second and re.fullmatch(r"<[0-9a-f-]{36}@example\.org>", first)
    assert mime.new_message_id("").endswith("@localhost>")
    assert mime.new_message_id("a@" + ".".join(["d" * 60] * 4)).isascii()


@pytest.mark.slow
def test_an_endless_subject_is_folded_and_read_whole(subtests: pytest.Subtests) -> None:
    for subject in [
        "a: " * 900,
        "word " * 900,
        "=" * 900,
        "x" * 990,
        "é" * 3000,
        LONG,
        "🚀" * 2000,
        ": " * 999,
    ]:
        with subtests.test(subject=subject):
            assert str(parse(render(subject=subject))["subject"]) == subject.strip()


def test_what_looks_like_an_encoded_word_is_text() -> None:
    trick = "=?utf-8?b?RnJlZSBtb25leQ==?="
    message = parse(render(subject=trick, to=[f"{trick} <a@b.c>"], text=trick))
    assert str(message["subject"]) == trick
    assert message["to"].addresses[0].display_name == trick


@pytest.mark.slow
def test_many_recipients_are_folded_and_all_there() -> None:
    people = [
        f'"Team {number}, night" <user{number}@department-{number}.example.com>' for number in range(499)
    ]
    rendered = render(to=people, cc=["Jürgen Ü. <j@münchen.de>"])
    people_read = parse(rendered)["to"].addresses
    assert [str(person) for person in people_read] == people
    assert max(map(len, rendered.data.split(b"\r\n"))) <= 78


def test_an_idn_domain_is_written_as_its_a_label() -> None:
    rendered = render(to=["Jürgen 🚀 <j@MÜNCHEN.de>"], from_address="x@bücher.example")
    assert parse(rendered)["to"].addresses[0].addr_spec == "j@xn--mnchen-3ya.de"
    assert (rendered.sender, rendered.utf8) == ("x@xn--bcher-kva.example", False)


def test_a_local_part_beyond_ascii_asks_for_smtputf8(subtests: pytest.Subtests) -> None:
    for where in ["to", "cc", "bcc", "from_address"]:
        with subtests.test(where=where):
            value = 'Jürgen "J" <jürgen@example.com>'
            fields: dict[str, Any] = {where: value if where == "from_address" else [value]}
            rendered = render(subject="é", **fields)
            assert rendered.utf8
            assert ("jürgen@example.com".encode() in rendered.data) == (where != "bcc")


def test_plain_text_comes_before_html() -> None:
    message = parse(render(text="plain", html="<p>rich</p>"))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_texts_and_files_together_are_an_alternative_inside_a_mixed_mail() -> None:
    files = [Attachment(filename=name, content=b"x") for name in ("a.bin", "b.bin")]
    message = parse(render(text="plain", html="<p>rich</p>", attachments=files))
    kinds = [part.get_content_type() for part in message.walk()]
    binary = "application/octet-stream"
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", binary, binary]
    assert [part.get_filename() for part in message.iter_attachments()] == ["a.bin", "b.bin"]


@pytest.mark.parametrize(
    "fields", [{}, {"html": "<p>x</p>"}, {"attachments": [Attachment(filename="a", content=b"")]}]
)
def test_an_empty_text_is_a_mail_too(fields: dict[str, Any]) -> None:
    message = parse(render(text="", **fields))
    assert message.get_body() is not None
    assert [part.get_content() for part in message.iter_attachments()] == [
        b"" for _ in fields.get("attachments", [])
    ]


def test_the_transfer_encoding_fits_the_text(subtests: pytest.Subtests) -> None:
    for text, encoding in [
        ("plain\n", "7bit"),
        ("", "7bit"),
        ("\x0c\x1b tabs\t \n", "7bit"),
        ("x" * 900, "7bit"),
        ("x" * 901, "quoted-printable"),
        ("Größe 92 %\n" * 9, "quoted-printable"),
        ("a  \n é \t\n.\nlast ", "quoted-printable"),
        ("привет", "base64"),
        ("漢字" * 40, "base64"),
        ("🚀", "base64"),
    ]:
        with subtests.test(text=text, encoding=encoding):
            message = parse(render(text=text))
            assert message["content-transfer-encoding"] == encoding
            assert body(message, "plain").rstrip("\n") == text.rstrip("\n")


def test_a_text_that_knows_the_boundary_does_not_end_its_part() -> None:
    actual = re.search(rb'boundary="(=_[0-9a-f]+)', render(text="a", html="b").data)
    assert actual is not None
    trick = f"a\n--{actual[1].decode()}a--\n--{actual[1].decode()}m\nContent-Type: text/html\n\nevil"
    file = Attachment(filename="a.eml", content=trick.encode(), content_type="message/rfc822")
    message = parse(render(text=trick, html=trick, attachments=[file]))
    assert (body(message, "plain"), body(message, "html")) == (trick, trick)
    assert [part.get_content() for part in message.iter_attachments()] == [trick.encode()]


def test_two_mails_have_different_boundaries() -> None:
    mail = Email(to=["a@b.c"], text="a", html="b")
    actual = {
        mime.render(mail, message_id=f"<{number}@b.c>", date=DATE, default_from="n@b.c").data.split(
            b"boundary="
        )[1][:36]
        for number in range(3)
    }
    assert len(actual) == 3


def test_a_file_keeps_its_bytes_whatever_its_type(subtests: pytest.Subtests) -> None:
    for kind in ["text/csv", "text/csv; charset=utf-8", "text/html", "image/png", "APPLICATION/PDF"]:
        with subtests.test(kind=kind):
            content = "a;b\r\n1;é\n2;\r".encode() + bytes(range(256))
            (part,) = parse(
                render(attachments=[Attachment(filename="x.dat", content=content, content_type=kind)])
            ).iter_attachments()
            assert part.get_payload(decode=True) == content
            assert part.get_content_type() == kind.lower().partition(";")[0]
            assert part.get_content_disposition() == "attachment"


def test_an_attached_mail_is_a_mail_when_it_can_be_and_a_file_when_not() -> None:
    plain = b"Subject: inner\nTo: a@b.c\n\nhello\n"
    (part,) = parse(render(attachments=[_mail(plain)])).iter_attachments()
    assert part.get_content_type() == "message/rfc822"
    assert part.get_content()["subject"] == "inner"
    for content in (plain + "é".encode(), plain + b"x" * 2000, plain + b"\0"):
        (part,) = parse(render(attachments=[_mail(content)])).iter_attachments()
        assert (part.get_content_type(), part.get_content()) == ("application/octet-stream", content)


def _mail(content: bytes) -> Attachment:
    return Attachment(filename="inner.eml", content=content, content_type="message/rfc822")


def test_a_mail_of_ours_can_be_attached_to_another() -> None:
    inner = render(
        text="Größe", html="<p>Größe</p>", attachments=[Attachment(filename="é.txt", content=b"x")]
    ).data
    outer = Email(to=["a@b.c"], text="see", attachments=[_mail(inner)])
    message = parse(mime.render(outer, message_id="<other@b.c>", date=DATE, default_from="n@b.c"))
    (part,) = message.iter_attachments()
    assert [file.get_filename() for file in part.get_content().iter_attachments()] == ["é.txt"]


def test_a_filename_is_read_as_it_was_written(subtests: pytest.Subtests) -> None:
    for filename in [
        "report.pdf",
        'a "quoted" b.txt',
        "back\\slash.txt",
        "Übersicht 2026.pdf",
        "a=b;c.txt",
        "100%.txt",
        "=?utf-8?q?x?=.txt",
        "..",
        "a/b.txt",
        "🚀" * 255,
        "f" * 255,
        "it's.txt",
        "*0*=x",
        "a  b.txt",
    ]:
        with subtests.test(filename=filename):
            (part,) = parse(
                render(attachments=[Attachment(filename=filename, content=b"x")])
            ).iter_attachments()
            assert part.get_filename() == filename


def test_the_reply_address_is_written() -> None:
    message = parse(render(reply_to='"Doe, John" <j@example.com>'))
    assert message["reply-to"].addresses[0].display_name == "Doe, John"
    assert "reply-to" not in parse(render())


def test_the_parameters_of_a_content_type_are_kept() -> None:
    kind = 'text/calendar; charset=utf-8; method=REQUEST; x-title="Größe; a \\"b\\""'
    invitation = Attachment(filename="invite.ics", content=b"BEGIN:VCALENDAR\r\n", content_type=kind)
    rendered = render(attachments=[invitation])
    (part,) = parse(rendered).iter_attachments()
    assert dict(part["Content-Type"].params) == {
        "charset": "utf-8",
        "method": "REQUEST",
        "x-title": 'Größe; a "b"',
    }
    assert part.get_payload(decode=True) == b"BEGIN:VCALENDAR\r\n"
    assert_sendable(rendered)


def test_a_structured_field_of_the_caller_holds_no_encoded_words() -> None:
    link = "<https://example.com/u?t=" + "a" * 880 + ">"
    fields = {"List-Unsubscribe": link, "List-Help": "<https://example.com/?q=?utf8=1>", "References": ""}
    rendered = render(headers=fields)
    assert b"=?utf-8?b?" not in rendered.data
    assert parse(rendered)["List-Unsubscribe"] == link
    assert b"References" not in rendered.data
    assert_sendable(rendered)
