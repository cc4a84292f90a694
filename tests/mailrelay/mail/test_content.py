"""A complete mail taken apart for people: texts, cleaned HTML, pictures, files, header."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.mail import content
from mailrelay.mail.emails import Attachment, Email
from mailrelay.mail.mime import now, render

PIXEL = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def clean(html: str, *, remote: bool = False) -> str:
    return content.cleaned(html, {"logo": "data:image/png;base64,AAAA"}, remote=remote)[0]


#: Codecs of Python's that are no charsets.
CODECS = ("idna", "punycode", "undefined", "unicode_escape", "hex", "rot13", '"x\x00y"', "")
NESTED = b"".join(
    b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (depth, depth) for depth in range(3000)
)


@pytest.mark.parametrize(
    ("html", "gone"),
    [
        ("<p>a</p><script>evil()</script>", "evil"),
        ("<p onclick='evil()'>a</p>", "evil"),
        ("<p>a</p><img src=x onerror=evil()>", "evil"),
        ("<a href='javascript:evil()'>a</a>", "evil"),
        ("<a href=' &#106;avascript:evil()'>a</a>", "evil"),
        ("<p>a</p><form action=https://evil.test><input name=x></form>", "evil"),
        ("<base href=https://evil.test><p>a</p>", "evil"),
        ("<meta http-equiv=refresh content='0;https://evil.test'><p>a</p>", "evil"),
        ("<link rel=preconnect href=https://evil.test><p>a</p>", "evil"),
        ("<link rel=stylesheet href=https://evil.test><p>a</p>", "evil"),
        ("<iframe src=https://evil.test></iframe><p>a</p>", "evil"),
        ("<object data=https://evil.test></object><embed src=https://evil.test><p>a</p>", "evil"),
        ("<video src=https://evil.test></video><p>a</p>", "evil"),
        ("<svg><a href=https://evil.test><text>x</text></a></svg><p>a</p>", "<svg"),
        ("<p>a</p><img src=https://evil.test/pixel>", "evil"),
        ("<p>a</p><img srcset='https://evil.test/pixel 2x'>", "evil"),
        ("<p>a</p><img src=//evil.test/pixel>", "evil"),
        ("<p>a</p><img src=/admin/logout/>", "admin"),
        ("<table background=https://evil.test><tr><td>a</table>", "evil"),
    ],
)
def test_what_could_act_is_gone_and_the_text_stays(html: str, gone: str) -> None:
    shown = clean(html)
    assert gone not in shown
    assert "a" in shown


def test_what_is_clean_stays_as_it_is() -> None:
    for html in ("<svg/onload=1>" + "\ufeff" * 3 + "a", "<p>a</p>", "a\ufeffb"):
        once = clean(html)
        assert clean(once) == once


def test_what_makes_a_mail_look_as_it_should_stays() -> None:
    html = '<style>p{color:red}</style><table bgcolor="#eee"><tr><td style="color:red" colspan="2">a</td></tr></table>'
    shown = clean(html)
    for kept in ("p{color:red}", 'bgcolor="#eee"', 'style="color:red"', 'colspan="2"'):
        assert kept in shown
    assert clean('<img src="cid:logo" alt="x">') == '<img src="data:image/png;base64,AAAA" alt="x">'
    assert 'target="_blank"' in clean('<a href="https://example.org">a</a>')


def test_pictures_from_elsewhere_stay_only_when_they_are_asked_for() -> None:
    html = '<img src="https://example.org/a.png">'
    assert content.cleaned(html, {}) == ("<img>", True)
    assert "https://example.org/a.png" in clean(html, remote=True)
    assert content.cleaned("<p style='background:url(https://example.org)'>a", {})[1]
    assert not content.cleaned("<a href='https://example.org'>a</a>", {})[1]


def test_a_mail_of_ours_is_taken_apart_as_it_was_put_together() -> None:
    file = Attachment(filename="Ümlaut.txt", content=b"of the file", content_type="text/plain")
    mail = Email(
        to=["Änne <a@example.com>"], subject="Grüße", text="Schön", html="<p>Schön</p>", attachments=[file]
    )
    data = render(mail, message_id="<1@x>", date=now(), default_from="n@example.com").data
    read = content.read(data)
    assert (read.text.strip(), read.html.strip()) == ("Schön", "<p>Schön</p>")
    assert [(one.name, one.kind, one.data) for one in read.files] == [
        ("Ümlaut.txt", "text/plain", b"of the file")
    ]
    header = dict(read.headers)
    assert (header["Subject"], header["To"], header["Message-ID"]) == (
        "Grüße",
        "Änne <a@example.com>",
        "<1@x>",
    )


def test_a_picture_inside_the_mail_is_put_into_its_html() -> None:
    mail = EmailMessage()
    mail["Subject"] = "x"
    mail.set_content('<img src="cid:logo@x">', subtype="html")
    mail.add_related(PIXEL, "image", "png", cid="<logo@x>", filename="logo.png")
    read = content.read(mail.as_bytes())
    assert "data:image/png;base64," in read.html
    assert [file.name for file in read.files] == ["logo.png"]


def test_an_attached_mail_is_a_file_and_not_looked_into() -> None:
    inner, mail = EmailMessage(), EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inner text")
    mail.set_content("outer text")
    mail.add_attachment(inner)
    read = content.read(mail.as_bytes())
    assert read.text.strip() == "outer text"
    assert b"inner text" in read.files[0].data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Subject: x\n\nna\xefve \xe4", "naïve ä"),
        (b"Content-Type: text/plain; charset=nonsense\n\nabc", "abc"),
        (b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n!!!", ""),
        (b"Content-Type: multipart/mixed; boundary=x\n\nno part at all", ""),
        (b"Content-Type: multipart/mixed\n\nno boundary", ""),
        (b"", ""),
        (b"\x00\xff", ""),
        (b"Content-Type: message/rfc822\n\nContent-Type: multipart/nothing\n\n\xc3\xa4", ""),
        *(
            (f"Content-Type: text/plain; charset={name}\n\nGr\xfc\xdfe".encode("latin-1"), "Grüße")
            for name in CODECS
        ),
        (b"Content-Disposition: inline; filename*=a\x00''x\n\ntext", ""),
    ],
)
def test_a_careless_mail_is_shown_as_far_as_it_can_be(data: bytes, text: str) -> None:
    assert text in content.read(data).text


@pytest.mark.slow
def test_parts_inside_parts_without_end_are_shown_as_text() -> None:
    assert "deep down" in content.read(NESTED + b"\ndeep down").text
    mails = b"Content-Type: message/rfc822\n\n" * 400
    assert "the innermost" in content.read(mails + b"Subject: x\n\nthe innermost").text


def test_a_very_long_text_is_cut() -> None:
    read = content.read(b"Subject: x\n\n" + b"a" * (content.LONGEST + 1))
    assert read.shortened
    assert len(read.text) == content.LONGEST


@given(st.binary(max_size=400))
def test_nothing_makes_it_fail(data: bytes) -> None:
    content.read(data)
    content.read(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + data)
