"""A complete mail becomes legal for the server at hand, and says what it said."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.legal import entities, transfer
from mailrelay.legal.conversion import Offer, Unsendable
from mailrelay.mail.mime import crlf
from tests.mailrelay.legal.judge import EIGHT, EVERYTHING, SEVEN, converted, lines, read

OFFERS = (SEVEN, EIGHT, EVERYTHING)
MULTIPART = """\
To: a@example.com
Subject: parts
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="B"

for old programs
--B
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Grüße
--B
Content-Type: multipart/alternative; boundary=BB

--BB

plain
--BB
Content-Type: text/html; charset=iso-8859-1

<p>größer</p>
--BB--
--B
Content-Type: message/rfc822

From: Jörg <j@example.com>
Subject: Größe

Straße
--B--
the end
"""


def test_a_long_line_is_encoded_and_read_whole() -> None:
    mail = converted(b"To: x1@example.com\nSubject: X1\n\n" + b"x" * 1500 + b"\nshort\n")
    message = read(mail)
    assert message.get_content().splitlines() == ["x" * 1500, "short"]
    assert (message["MIME-Version"], message["Content-Type"].content_type) == ("1.0", "text/plain")


def test_a_line_of_998_octets_stays_and_one_of_999_is_encoded() -> None:
    head = b"Subject: x\r\n\r\n"
    assert converted(head + b"x" * 998 + b"\r\n").data == head + b"x" * 998 + b"\r\n"
    assert b"quoted-printable" in converted(head + b"x" * 999 + b"\r\n").data


@pytest.mark.parametrize("offer", OFFERS)
def test_a_legal_mail_stays_byte_for_byte(offer: Offer, subtests: pytest.Subtests) -> None:
    for data in (
        b"To: a@example.com\r\nSubject:  two  spaces\r\n\r\nFrom here\r\n.\r\n..dots \r\n",
        b"Subject: =?iso-8859-1?q?Gr=F6=DFe?=\r\n =?utf-8?b?w7w=?=\r\n\r\n\x1b[1mcolour\x0c\r\n",
        b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n--B\r\n\r\nx\r\n--B--\r\nafter\r\n',
        b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n--B\r\n\r\nbinary x\r\n--B--',
        b"Subject: no line end",
        b"X-Empty:\r\nSubject:\r\n\tfolded\r\n\r\n",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\nend\r\n",
    ):
        with subtests.test(data=data):
            ended = data if b"\r\n\r\n" in data else data + b"\r\n\r\n"
            assert converted(data, offer).data == ended
            assert converted(data.replace(b"\r\n", b"\n"), offer).data == ended


def test_eight_bit_text_stays_where_the_server_takes_it_and_is_encoded_where_not() -> None:
    data = (
        "Subject: B6\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
    ).encode()
    kept, encoded = converted(data, EIGHT), converted(data)
    assert (kept.data, kept.eight_bit) == (data, True)
    assert (encoded.eight_bit, read(encoded).get_content()) == (False, "Grüße\r\n")


@pytest.mark.parametrize("offer", OFFERS)
def test_each_part_of_a_mail_is_converted_by_itself(offer: Offer) -> None:
    mail = converted(MULTIPART.encode(), offer)
    assert mail.eight_bit is offer.eight_bit
    text, alternative, enclosed = read(mail).iter_parts()
    assert lines(text.get_content()) == ["Grüße"]
    assert [lines(part.get_content()) for part in alternative.iter_parts()] == [
        ["plain"],
        ["<p>größer</p>"],
    ] or (
        # The text is in UTF-8 although it says otherwise: that is how it is read, too.
        lines(list(alternative.iter_parts())[1].get_content()) == ["<p>grÃ¶Ã\x9fer</p>"]
    )
    inner = enclosed.get_content()
    assert (inner["Subject"], str(inner["From"])) == ("Größe", "Jörg <j@example.com>")
    assert lines(inner.get_content()) == ["Straße"]
    for part in read(mail).walk():
        if part.is_multipart():
            assert part["Content-Transfer-Encoding"] in (None, "7bit", "8bit")


def test_a_mail_says_truly_what_it_holds(subtests: pytest.Subtests) -> None:
    cases = {
        "nothing is said": (b"\nGr\xc3\xbc\xc3\x9fe\n", "utf-8"),
        "nothing is said, and it is Latin-1": (b"\nGr\xfc\xdfe\n", "windows-1252"),
        "7bit is said": (b"Content-Transfer-Encoding: 7bit\n\nGr\xc3\xbc\xc3\x9fe\n", "utf-8"),
        "ASCII is said": (b"Content-Type: text/plain; charset=us-ascii\n\nGr\xc3\xbc\xc3\x9fe\n", "utf-8"),
        "UTF-8 is said": (b"Content-Type: text/plain; charset=utf-8\n\nGr\xfc\xdfe\n", "windows-1252"),
        "a charset nobody knows": (
            b"Content-Type: text/plain; charset=x-none\n\nGr\xfc\xdfe\n",
            "windows-1252",
        ),
        "an encoding nobody knows": (b"Content-Transfer-Encoding: 8-bit\n\nGr\xc3\xbc\xc3\x9fe\n", "utf-8"),
        "a type without subtype": (b"Content-Type: text\n\nGr\xc3\xbc\xc3\x9fe\n", "utf-8"),
        "base64": (b"Content-Transfer-Encoding: base64\n\nGr\xc3\xbc\xc3\x9fe\n", "utf-8"),
        "binary": (b"Content-Transfer-Encoding: binary\n\nGr\xc3\xbc\xc3\x9fe\n", "utf-8"),
    }
    for name, (rest, charset) in cases.items():
        for offer in OFFERS:
            with subtests.test(name, offer=offer):
                message = read(converted(b"Subject: x\n" + rest, offer))
                assert message.get_content_charset() == charset
                assert lines(message.get_content()) == ["Grüße"]
                assert message["MIME-Version"] == "1.0"
                encoding = "8bit" if offer.eight_bit else "quoted-printable"
                assert message["Content-Transfer-Encoding"] == encoding
                assert not message.defects


def test_the_charset_that_is_declared_is_believed_where_the_bytes_allow_it() -> None:
    data = "Content-Type: text/plain; charset=koi8-r; format=flowed\n\nПривет\n".encode("koi8-r")
    message = read(converted(data))
    assert (message.get_content_charset(), lines(message.get_content())) == ("koi8-r", ["Привет"])
    assert message["Content-Type"].params["format"] == "flowed"


def test_a_log_in_utf8_that_was_cut_inside_a_character_stays_utf8() -> None:
    assert read(converted("\nGröße für Ämter üb\xc3".encode()[:-1])).get_content_charset() == "utf-8"


@pytest.mark.parametrize("offer", OFFERS)
def test_nul_is_encoded(offer: Offer) -> None:
    assert read(converted(b"Subject: N1\n\nbin:\x00\x01x\n", offer)).get_content() == "bin:\x00\x01x\r\n"


def test_a_bare_carriage_return_in_a_text_is_a_line_end_and_makes_no_boundary() -> None:
    assert converted(b"\n10 %\r20 %\r\n").data == b"\r\n10 %\r\n20 %\r\n"
    data = b'Content-Type: multipart/mixed; boundary="B"\n\n--B\n\n10 %\r--B\r\rSubject: x\n--B--\n'
    (part,) = read(converted(data)).iter_parts()
    assert lines(part.get_content()) == ["10 %", "--B", "", "Subject: x"]


FILES = (
    b"\x00\x01\r\x02\n\r\n\xff",
    b"x" * 2000,
    b"a\rb\nc\r\nd",
    "ä,ö\n".encode(),
    b"\r",
    b"\n\n",
    b"plain\n",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["application/pdf", "image/png", "text/csv", "application/json; charset=utf-8"]
)
def test_a_file_keeps_its_bytes(kind: str, subtests: pytest.Subtests) -> None:
    for content in FILES:
        for eol in (b"\n", b"\r\n"):
            head = (
                b'Content-Type: multipart/mixed; boundary="B"\n\n--B\n'
                b'Content-Type: %s\nContent-Disposition: attachment; filename="x"\n'
                b"Content-Transfer-Encoding: binary\n\n"
            ) % kind.encode()
            data = head.replace(b"\n", eol) + content + eol + b"--B--" + eol
            for offer in OFFERS:
                with subtests.test(content=content, eol=eol, offer=offer):
                    (file,) = read(converted(data, offer)).iter_attachments()
                    assert file.get_payload(decode=True) == content
                    assert file.get_filename() == "x"


def test_base64_and_quoted_printable_are_wrapped_where_their_lines_are_too_long(
    subtests: pytest.Subtests,
) -> None:
    content = bytes(range(256)) * 10
    for encoding, text in {
        "base64": base64.b64encode(content),
        "BASE64": base64.b64encode(content),
        "quoted-printable": b"".join(b"=%02X" % byte for byte in content),
    }.items():
        with subtests.test(encoding):
            data = b"Content-Type: image/png\nContent-Transfer-Encoding: %s\n\n%s\n" % (
                encoding.encode(),
                text,
            )
            assert read(converted(data)).get_content().removesuffix(b"\r\n") == content


def test_a_signed_part_goes_out_as_it_is_or_not_at_all() -> None:
    data = (
        'Subject: Größe\nContent-Type: multipart/signed; boundary="B"; protocol="application/pgp-signature"\n\n'
        "--B\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße\n"
        "--B\nContent-Type: application/pgp-signature\n\nsignature\n--B--\n"
    ).encode()
    kept = converted(data, EIGHT)
    assert kept.data.partition(b"\r\n\r\n")[2] == crlf(data).partition(b"\r\n\r\n")[2]
    assert read(kept)["Subject"] == "Größe"
    with pytest.raises(Unsendable, match="is signed"):
        converted(data, SEVEN)
    with pytest.raises(Unsendable, match="is signed"):
        converted(data.replace(b"Gr\xc3\xbc\xc3\x9fe\n--B", b"x" * 999 + b"\n--B"), EIGHT)


def test_an_enclosed_mail_that_cannot_be_converted_becomes_a_file() -> None:
    mail = "To: jörg@example.com\nSubject: x\n\ny\n".encode()
    for offer in OFFERS:
        message = read(converted(b"Content-Type: message/rfc822\n\n" + mail, offer))
        assert (message.get_content_type(), message.get_content()) == ("application/octet-stream", mail)


def test_what_holds_parts_is_not_encoded_as_a_whole() -> None:
    # RFC 2045 §6.4, RFC 2046 §5.2.1.
    inner = "Subject: Größe\n\nStraße\n".encode()
    data = (
        b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(inner)
        + b"\n"
    )
    for offer in OFFERS:
        mail = converted(data, offer)
        (enclosed,) = read(mail).iter_parts()
        assert (enclosed["Subject"], lines(enclosed.get_content())) == ("Größe", ["Straße"])
    data = (
        b'Content-Type: multipart/mixed; boundary="B"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    )
    mail = converted(data + b"--B\r\n\r\na=3Db\r\n--B--\r\n")
    (part,) = read(mail).iter_parts()
    assert (read(mail)["Content-Transfer-Encoding"], part.get_content()) == ("7bit", "a=3Db")


def test_a_multipart_keeps_its_parts_however_its_header_is_written(subtests: pytest.Subtests) -> None:
    heads = [
        'multipart/mixed; boundary*0="a"; boundary*1="b"',  # RFC 2231 §3
        "multipart/mixed; boundary*=us-ascii'en'a%62",  # §4
        "multipart/mixed; boundary*0*=utf-8''a; boundary*1=b",  # §4.1
        "multipart/mixed (parts) ; (here) boundary=ab (end)",  # RFC 2045 §5.1 lets comments stand there
        'multipart/mixed; charset="x(y"; boundary="ab"',
        "MULTIPART/Mixed;\n\tBoundary=ab",
    ]
    parts = "--ab\n\nGrüße\n--ab\nContent-Type: text/html\n\n<p>größer\n--ab--\n"
    for head in heads:
        for offer in OFFERS:
            with subtests.test(head, offer=offer):
                message = read(converted(f"Subject: x\nContent-Type: {head}\n\n{parts}".encode(), offer))
                kinds = re.findall(r"(?m)^Content-Type: ([a-z/]+)", message.as_string().split("--ab", 1)[1])
                assert kinds == ["text/plain", "text/html"]


def test_comments_in_the_header_of_a_text_are_no_part_of_what_it_says() -> None:
    data = "Content-Type: text/plain; charset=iso-8859-1 (Plain text)\n\nGrüße\n".encode("latin-1")
    assert b"\r\n\r\nGr=FC=DFe" in converted(data).data  # RFC 2045 §5.1 has this very example
    data = (
        b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: (was 8bit) quoted-printable\n\n"
    )
    assert lines(read(converted(data + b"Gr=C3=BC " + b"x" * 999 + b"\n")).get_content()) == [
        "Gr\xfc " + "x" * 999
    ]


def test_messages_that_may_not_be_encoded_change_their_type(subtests: pytest.Subtests) -> None:
    # RFC 2045 §6.4 forbids to encode message/…; RFC 6533 has types for reports in UTF-8, which may be.
    text = "Final-Recipient: rfc822; a@example.com\n\nDiagnostic-Code: smtp; Postfach größer\n"
    cases = {
        "delivery-status": ("message/global-delivery-status", text),
        "disposition-notification": ("message/global-disposition-notification", text),
        "global": ("message/global", text),
        "partial; id=x; number=1": ("application/octet-stream", text),
        "external-body; access-type=URL": ("application/octet-stream", text),
        "feedback-report": ("application/octet-stream", text),
    }
    for name, (kind, written) in cases.items():
        with subtests.test(name):
            data = f"Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/{name}\n\n{written}"
            sent = entities.parse(converted(f"Subject: x\n{data}--B--\n".encode()).data)
            pieces = entities.split(sent.body, b"B")
            assert pieces is not None
            part = entities.parse(pieces.parts[0][1])
            assert part.kind == kind
            assert lines(transfer.decoded(part.body, part.encoding).decode()) == lines(written)
            # Where the server takes it, it stays.
            kept = converted(f"Subject: x\n{data}--B--\n".encode(), EIGHT).data
            assert f"message/{name}\r\n".encode() in kept


def test_a_multipart_without_its_boundary_is_text() -> None:
    for head in ("multipart/mixed", "multipart/mixed; boundary=X"):
        message = read(converted(f"Content-Type: {head}\n\nGrüße\n".encode()))
        assert (message.get_content_type(), lines(message.get_content())) == ("text/plain", ["Grüße"])


def test_parts_inside_parts_without_end_are_converted_all_the_same() -> None:
    data = b"".join(
        b'Content-Type: multipart/mixed; boundary="B%d"\n\n--B%d\n' % (depth, depth) for depth in range(200)
    )
    converted(b"Subject: x\n" + data + "\nGrüße\n".encode())


# --- header ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252"])
def test_free_text_beyond_ascii_becomes_encoded_words(charset: str) -> None:
    for offer in OFFERS:
        message = read(
            converted("Subject: Y1 Prüfung: größer\nX-Cron-Env: <ORT=Zürich>\n\nx\n".encode(charset), offer)
        )
        assert message["Subject"] == "Y1 Prüfung: größer"
        assert message["X-Cron-Env"] == "<ORT=Zürich>"


def test_the_header_is_read_in_the_charset_of_the_body_or_in_iso_2022_jp() -> None:
    russian = "Subject: Привет\nContent-Type: text/plain; charset=koi8-r\n\nПривет\n".encode("koi8-r")
    assert read(converted(russian))["Subject"] == "Привет"
    japanese = b"Subject: " + "こんにちは".encode("iso-2022-jp") + b"\n\nx\n"
    assert read(converted(japanese))["Subject"] == "こんにちは"


def test_encoded_words_that_are_there_stay_beside_new_ones() -> None:
    written = "Subject: =?utf-8?q?a=C3=BC?= größe =?iso-8859-1?q?b=FC?= x =?utf-8?q?c?=\n\nx\n"
    mail = converted(written.encode())
    assert read(mail)["Subject"] == "aü größe bü x c"
    assert b"=?iso-8859-1?q?b=FC?=" in mail.data


def test_addresses_are_written_with_encoded_names_and_a_labels() -> None:
    message = read(
        converted('To: Jörg Müller <j@Zürich.example>, "Doe, J" <d@x.org>, k@x.org (Käthe)\n\nx\n'.encode())
    )
    assert [(a.display_name, a.addr_spec) for a in message["To"].addresses] == [
        ("Jörg Müller", "j@xn--zrich-kva.example"),
        ("Doe, J", "d@x.org"),
        ("Käthe", "k@x.org"),
    ]


def test_a_group_stays_a_group() -> None:
    mail = converted("Cc: Köche: a@x.org, Bär <b@x.org>;, c@x.org\n\nx\n".encode())
    group, single = read(mail)["Cc"].groups
    assert (group.display_name, [a.addr_spec for a in group.addresses]) == ("Köche", ["a@x.org", "b@x.org"])
    assert single.addresses[0].addr_spec == "c@x.org"


def test_an_address_that_needs_smtputf8_gets_it_or_is_refused_in_our_own_words() -> None:
    data = "To: jörg@example.com\nSubject: Größe\n\nx\n".encode()
    mail = converted(data, EVERYTHING)
    assert mail.utf8
    assert "To: jörg@example.com\r\n".encode() in mail.data
    for offer in (SEVEN, EIGHT):
        with pytest.raises(Unsendable, match="before the @") as caught:
            converted(data, offer)
        assert caught.value.needs_utf8
        with pytest.raises(Unsendable, match="before the @"):
            converted(b"Subject: x\n\nx\n", offer, utf8=True)


def test_a_header_in_utf8_stays_where_smtputf8_is_needed_anyway() -> None:
    data = crlf("To: jörg@example.com\nSubject: Größe\n\nx\n".encode())
    mail = converted(data, EVERYTHING, utf8=True)
    assert (mail.data, mail.utf8) == (data, True)
    assert read(converted(b"Subject: Gr\xf6\xdfe\n\nx\n", EVERYTHING, utf8=True))["Subject"] == "Größe"


STRUCTURED = {
    "List-Unsubscribe: <https://exämple.com/ü?x=ä>": "<https://ex%C3%A4mple.com/%C3%BC?x=%C3%A4>",
    "References: <a@zürich.example> <b@x.org>": "<a@xn--zrich-kva.example> <b@x.org>",
    "In-Reply-To: <ä@x.org>": "<%C3%A4@x.org>",
    "Received: from zürich.example by x.org; Sun, 1 Nov 2026 00:00:00 +0000": (
        "from xn--zrich-kva.example by x.org; Sun, 1 Nov 2026 00:00:00 +0000"
    ),
    "Date: Sun, 1 Nov 2026 00:00:00 +0000 (Märzzeit)": "Sun, 1 Nov 2026 00:00:00 +0000 (=?utf-8?b?TcOkcnp6ZWl0?=)",
    "List-Id: Küche <k.example.com>": "=?utf-8?b?S8O8Y2hl?= <k.example.com>",
    "Auto-Submitted: auto-generated (für dich)": "auto-generated (=?utf-8?b?ZsO8cg==?= dich)",
}


def test_structured_fields_hold_encoded_words_in_comments_and_phrases_only(subtests: pytest.Subtests) -> None:
    for line, wanted in STRUCTURED.items():
        with subtests.test(line):
            head = converted(f"{line}\n\nx\n".encode()).data.partition(b"\r\n\r\n")[0]
            assert head.replace(b"\r\n ", b" ").partition(b": ")[2].decode() == wanted


def test_parameters_beyond_ascii_are_percent_encoded() -> None:
    name = "Prüfung " * 12 + ".txt"
    data = f'Content-Type: application/pdf; name="{name}"\nContent-Disposition: attachment; filename="{name}"\n\nx\n'
    message = read(converted(data.encode()))
    assert message.get_filename() == name
    assert message["Content-Type"].params["name"] == name
    assert b"=?" not in converted(data.encode()).data


def test_a_field_without_a_place_to_fold_is_folded_where_it_may_be_or_refused(
    subtests: pytest.Subtests,
) -> None:
    kept = {
        "Subject": "x" * 1500,
        "References": "".join(f"<{number}@example.com>" for number in range(100)),
        "DKIM-Signature": "v=1; d=example.com; b=" + "Ab1+/" * 400,
        "To": ",".join(f"box{number}@example.com" for number in range(100)),
        "X-Spaces": "a" + " " * 2000 + "b",
    }
    for name, value in kept.items():
        with subtests.test(name):
            mail = converted(f"{name}: {value}\n\nx\n".encode())
            said = str(read(mail)[name]) if name != "References" else mail.data.decode()
            assert "".join(said.split()).find("".join(value.split())[-200:]) >= 0
    for name in ("List-Unsubscribe", "Message-ID", "In-Reply-To"):
        with subtests.test(name), pytest.raises(Unsendable, match=f"header field {name} fits in no line"):
            converted(f"{name}: <{'x' * 1500}>\n\nx\n".encode())


@pytest.mark.parametrize(
    "raw", ["host\rname", "host\0name", "host\r\n \r\n name", "host\x0bname", "host\n\t\n name"]
)
def test_control_characters_and_blank_lines_inside_a_field_are_spaces(raw: str) -> None:
    mail = converted(f"Subject: {raw}\nTo: a@x.org\n\nb\n".encode())
    message = read(mail)
    assert message["Subject"].split() == ["host", "name"]
    assert message.keys() == ["Subject", "To"]


def test_space_before_a_colon_goes() -> None:
    assert converted(b"Subject : x\nTo\t: a@x.org\n\nb\n").data == b"Subject: x\r\nTo: a@x.org\r\n\r\nb\r\n"


# --- any mail ----------------------------------------------------------------------------------------------
WORDS = st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1), max_size=8)
BODIES = st.text(st.characters(codec="utf-8", exclude_characters="\r\x1a\x85\u2028\u2029"))


@given(st.binary(max_size=300), st.sampled_from(OFFERS))
def test_any_bytes_become_legal_or_are_refused(data: bytes, offer: Offer) -> None:
    try:
        converted(data, offer)
    except Unsendable:
        pass


@given(
    st.lists(
        st.sampled_from([b"Subject", b"To", b"Content-Type", b"X-A", b"Received", b"List-Id"]), max_size=3
    ),
    st.lists(st.binary(max_size=40), min_size=3, max_size=3),
    st.sampled_from(OFFERS),
)
def test_any_field_becomes_legal_or_is_refused(names: list[bytes], values: list[bytes], offer: Offer) -> None:
    head = b"".join(name + b": " + value + b"\n" for name, value in zip(names, values, strict=False))
    try:
        converted(head + b"\n\xff\n", offer)
    except Unsendable:
        pass


@pytest.mark.slow
@given(WORDS, BODIES, st.sampled_from(OFFERS), st.sampled_from([b"\n", b"\r\n"]), st.integers(0, 3))
def test_subject_and_text_are_read_as_they_were_written(
    words: list[str], text: str, offer: Offer, eol: bytes, depth: int
) -> None:
    subject = " ".join(words)
    part = f"Content-Type: text/plain; charset=utf-8\n\n{text}".encode()
    for level in range(depth):
        part = f'Content-Type: multipart/mixed; boundary="b{level}"\n\n--b{level}\n'.encode() + part
        part += f"\n--b{level}--\n".encode()
    if any(f"--b{level}" in text for level in range(depth)) or "=?" in subject:
        return
    data = f"Subject: {subject}\n".encode() + part
    message = read(converted(data.replace(b"\n", eol), offer))
    assert str(message["Subject"]) == subject
    *_, leaf = message.walk()
    assert lines(leaf.get_payload(decode=True).decode()) == lines(text)  # type: ignore[union-attr]
