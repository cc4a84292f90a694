"""Mail: addresses, raw messages, MIME, what servers answer, sendmail's command line, reports."""

from __future__ import annotations

import email
import email.policy
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any, cast

from mailrelay.bounces import reading
from mailrelay.diagnosis import explain
from mailrelay.expected import schedules, signatures
from mailrelay.legal import conversion, entities, transfer
from mailrelay.mail import (
    addresses,
    addresslists,
    charsets,
    content,
    emails,
    encodedwords,
    headerfields,
    mime,
    parameters,
    payload,
    rawmail,
    tidying,
)
from mailrelay.mail.emails import Attachment, Email
from mailrelay.sendmail import options
from mailrelay.smtp import wire
from quazzar import words
from quazzar.errors import DeliveryError, InvalidEmail
from tests.fuzz.target import parts, target, text

MAIL = (
    b"From: Ada <ada@example.com>\r\nTo: =?utf-8?q?B=C3=B6b?= <bob@example.org>, team: eve@example.net;\r\n"
    b'Subject: Backup\r\n of nas\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--\r\n"
)
DSN = (
    b"From: MAILER-DAEMON@mx.example.net\nTo: node@example.com\nSubject: Undelivered\nMIME-Version: 1.0\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nSorry.\n--x\n"
    b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; a@b.c\n"
    b"Action: failed\nStatus: 5.1.1\n\n--x--\n"
)
ADDRESS = ("ada@example.com", '"a b"@example.org', "jürgen@bücher.example", "a@[127.0.0.1]", "a@b@c", "")
#: What ends a header line for some reader.
_BREAK = re.compile(r"[\r\n\x00]")


class _Dangers(HTMLParser):
    """What of a page runs, or loads something of others."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "form", "base", "meta", "link", "svg", "math"}:
            self.found.append(tag)
        for name, value in attrs:
            # Browsers ignore tabs and line ends anywhere, and blanks before it. Without a colon it is no scheme.
            scheme, colon, _ = (
                re.sub(r"[\t\r\n]", "", value or "")
                .lstrip("".join(map(chr, range(33))))
                .lower()
                .partition(":")
            )
            if name.startswith("on") or name in ("srcdoc", "formaction"):
                self.found.append(name)
            if name in ("href", "src", "action") and colon and scheme in ("javascript", "vbscript"):
                self.found.append(f"{name}={value}")


def dangers(html: str) -> list[str]:
    """What of this HTML runs, or loads something of others."""
    parser = _Dangers()
    parser.feed(html)
    parser.close()
    return parser.found


@target(*ADDRESS, refuses=(ValueError,))
def address(data: bytes) -> None:
    """An address is one line, stays itself, and ends no SMTP command."""
    found = addresses.normalise(text(data))
    assert addresses.normalise(found) == found
    assert not _BREAK.search(found)
    assert wire.rcpt_command(found).count(b"\r\n") == 1
    assert addresses.split(f'"A, b" <{found}>') == ("A, b", found)


@target("example.com", "BÜCHER.example", "xn--bcher-kva.example", "a..b", refuses=(ValueError,))
def ascii_domain(data: bytes) -> None:
    """A domain becomes lower-case labels of letters, digits and hyphens, once and for all."""
    found = addresses.ascii_domain(text(data))
    assert found.isascii() and found == found.lower()
    assert addresses.ascii_domain(found) == found


@target(MAIL, DSN)
def bounce(data: bytes) -> None:
    """A report has outcomes with addresses that are short enough to be stored; any other mail is none."""
    report = reading.read(data)
    for one in report.outcomes if report else ():
        assert len(one.recipient) <= 320 and len(one.said) <= 500 and len(one.status) <= 12
        assert one.recipient == one.recipient.lower()


@target("Ada <ada@example.com>, team: b@c.d, e@f.g;, (x) y@z", '"a, b" <c@d>', "<", refuses=(ValueError,))
def address_list(data: bytes) -> None:
    """A list of addresses is read from any text; what is written of it is read back as the same."""
    given = text(data)
    for entry in addresslists.entries(given):
        assert entry is not None
    found = addresslists.parse(given)
    assert len(found) <= len(given)
    addresslists.decoded(given)
    written = addresslists.rewritten(given)
    assert not _BREAK.search(written)
    assert [each.address for each in addresslists.parse(written)] == [
        addresses.normalise(each.address) for each in found
    ]


@target(MAIL, DSN, b"Subject: x\n\nhello", b"\xff\x00", refuses=(InvalidEmail,))
def raw_mail(data: bytes) -> None:
    """A complete mail is taken apart and put together unchanged; tidied, it has the same body and is stable."""
    mail = rawmail.parse(data)
    assert rawmail.parse(mail.as_bytes()) == mail
    rawmail.recipients(mail)
    for tidy in (tidying.without_surplus, tidying.with_understood_addresses):
        tidied = tidy(mail)
        assert tidied.body == mail.body
        assert tidy(tidied) == tidied
    done = rawmail.completed(mail, date="Mon, 30 Nov 2026 04:00:00 +0000", message_id="<1@example.com>")
    assert rawmail.parse(done.as_bytes()).body == mail.body


@target(MAIL, DSN, refuses=(InvalidEmail,))
def read_mail(data: bytes) -> None:
    """What the queue reads of a mail."""
    mail = rawmail.read(data)
    assert payload.load(payload.from_raw(mail.as_bytes())) == mail.as_bytes()


@target(
    b"\xff".join([b"Subject", b"hello", MAIL]),
    b"\xff".join([b"To", b"a@b.c\r\nBcc: x@y.z", MAIL]),
    refuses=(InvalidEmail,),
)
def added_field(data: bytes) -> None:
    """A field that is added is one field."""
    name, value, *rest = [*data.split(b"\xff", 2), b"", b""][:3]
    mail = rawmail.parse(rest[0])
    header = re.sub("[^A-Za-z-]", "", text(name)) or "X"
    more = mail.with_field(header, text(value))
    assert len(rawmail.parse(more.as_bytes()).fields) <= len(mail.fields) + 1


@target(MAIL, DSN)
def preview(data: bytes) -> None:
    """The preview of a mail holds nothing that runs, and reads any bytes."""
    for remote in (False, True):
        found = content.read(data, remote=remote)
        assert not dangers(found.html)


@target("<p onclick=x>hi<script>y</script><a href='javascript:z'>", "<svg/onload=1>", "<img src=cid:a>")
def cleaned_html(data: bytes) -> None:
    """HTML of a stranger, cleaned: cleaning again changes nothing."""
    once, _ = content.cleaned(text(data), {})
    assert not dangers(once)
    twice, _ = content.cleaned(once, {})
    assert content.cleaned(twice, {})[0] == twice


@target(MAIL, DSN, b"Subject: \xc3\xa4\r\n\r\n.\r\n", refuses=(conversion.Unsendable,))
def legal_mail(data: bytes) -> None:
    """What is sent is legal: CRLF alone, lines within 998 octets, ASCII unless the server took more."""
    crlf = mime.crlf(data)
    for offer in (conversion.Offer(), conversion.Offer(eight_bit=True), conversion.Offer(True, True)):
        sent = conversion.legalise(crlf, offer)
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", sent.data)
        assert max(map(len, sent.data.split(b"\r\n"))) <= 998
        assert offer.eight_bit or sent.data.isascii()
        assert conversion.legalise(sent.data, offer, utf8=sent.utf8).data == sent.data


@target(MAIL, DSN)
def entity(data: bytes) -> None:
    """The parts of a mail, read by our own parser, are written as they were."""
    found = entities.parse(mime.crlf(data))
    assert entities.parse(found.as_bytes()).as_bytes() == found.as_bytes()
    assert found.kind and isinstance(found.charset, str)
    if boundary := found.parameter("boundary"):
        entities.split(found.body, boundary.encode("utf-8", "replace"))


@target(b"base64\xffaGk=", b"quoted-printable\xff=C3=A4=\r\n", b"7bit\xffx")
def transfer_encoding(data: bytes) -> None:
    """Encoded content is decoded whatever it is; what we encode comes back."""
    name, _, body = data.partition(b"\xff")
    transfer.decoded(body, text(name))
    assert transfer.decoded(transfer.as_base64(body), "base64") == body
    lines = mime.crlf(body)
    assert transfer.decoded(transfer.as_quoted_printable(lines), "quoted-printable") == lines
    assert transfer.as_quoted_printable(lines).isascii()


@target("Subject\xffhello wörld", "To\xffAda <a@b.c>", "X-Long\xff" + "x" * 300, refuses=(ValueError,))
def header_field(data: bytes) -> None:
    """A header field that is written is one field, whose lines fit."""
    name, value = parts(data, 2)
    name = re.sub("[^A-Za-z-]", "", name) or "X"
    headerfields.check(name, value)
    written = headerfields.written(name, value)
    for line in re.split(r"\r\n|\r|\n", written.removesuffix("\r\n"))[1:]:
        assert line[:1] in (" ", "\t"), written
    assert "\x00" not in written


@target("=?utf-8?q?a=C3=A4?= x", "=?utf-8?b?w6Q=?=", "=?x?y?z?=")
def encoded_word(data: bytes) -> None:
    """Encoded words are read from anything; what we encode comes back."""
    given = text(data)
    encodedwords.decoded(given)
    if encodedwords.is_writable(given):
        word = encodedwords.encoded(given)
        assert word.isascii() and not _BREAK.search(word.replace("\r\n ", ""))


@target('text/plain; charset="utf-8"; x*0=a; x*1=b', "a/b; filename*=utf-8''%c3%a4", ";;=")
def parameter(data: bytes) -> None:
    """Parameters of Content-Type and Content-Disposition are read from anything, and written in one line."""
    given = text(data)
    parameters.parse(given)
    parameters.get(given, "charset")
    charsets.decode(data, parameters.get(given, "charset"))
    assert parameters.get(parameters.with_parameter("text/plain", "charset", "utf-8"), "charset") == "utf-8"
    parameters.rewritten(given)


@target(b"utf-8\xffhello", b"utf-16\xff\xff\xfeh\x00", b"punycode\xffa-", b"idna\xffxn--")
def charset(data: bytes) -> None:
    """Bytes become text, whatever charset is declared."""
    declared, _, body = data.partition(b"\xff")
    assert isinstance(charsets.decode(body, text(declared)), str)
    charsets.is_wide(text(declared))


@target(
    "Hi\xffada@example.com\xffnote.txt\xffbody",
    'a\r\nBcc: x@y.z\xffb@c.d\xff"\xff.',
    refuses=(ValueError, InvalidEmail),
)
def rendered_mail(data: bytes) -> None:
    """A mail made of any texts has the header fields that it should have, and no more."""
    subject, to, filename, body = parts(data, 4)
    files = [Attachment(filename=filename, content=body.encode())] if filename else []
    mail = Email(to=[to], subject=subject, text=body, attachments=files)
    emails.check(mail)
    sent = mime.render(
        mail, message_id="<1@example.com>", date=mime.now(), default_from="node@example.com"
    ).data
    found = email.message_from_bytes(sent, policy=email.policy.compat32)
    assert set(map(str.lower, found.keys())) <= {
        "from", "to", "subject", "date", "message-id", "mime-version", "content-type",
        "content-transfer-encoding", "auto-submitted", "reply-to", "cc",
    }  # fmt: skip
    assert max(map(len, sent.split(b"\r\n"))) <= 998


@target(
    payload.from_email(Email(to=["a@b.c"], subject="x", text="y")),
    payload.from_raw(MAIL),
    refuses=(ValueError,),
)
def stored_payload(data: bytes) -> None:
    """The body of a queue row that was altered is refused with the one error."""
    payload.load(data)


@target("-t\xff-i\xff-f\xffa@b.c", "-oi\xff-odq\xffx@y.z", "-bs", "-F\xffAda", refuses=(options.UsageError,))
def sendmail_options(data: bytes) -> None:
    """The command line of a program that calls sendmail."""
    arguments = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\xff")]
    found = options.parse([argument.replace("\x00", "") for argument in arguments])
    assert isinstance(found.null_sender, bool) and isinstance(found.only_queue_run, bool)


@target("mx.example\nSIZE 100\nAUTH PLAIN LOGIN\nLIMITS RCPTMAX=5", "250 x", "552 too many recipients > 10")
def server_reply(data: bytes) -> None:
    """What a mail server answers: its extensions, its limits, and the hint for the operator."""
    given = wire.printable(data)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", given)
    features = wire.features(given)
    assert all(name == name.lower() for name in features)
    assert wire.recipient_limit(features.get("limits", "")) >= 0
    wire.too_many(452, given, rcpt=True)
    assert 1 <= wire.most_recipients(given, 50) <= 50
    wire.answer(data.split(b"\n"))


_RELAY = cast(
    "explain.RelayLike",
    SimpleNamespace(provider="custom", host="mx.example.com", port=587, security="starttls", username="node"),
)


@target("550 5.7.1 Relaying denied", "535 5.7.8 Username and Password not accepted", "421 try later \x1b[2J")
def reply_hint(data: bytes) -> None:
    """The operator gets a sentence for any reply."""
    given = wire.printable(data)
    for stage in ("auth", "sender", "recipient", "data"):
        found = explain.explain(DeliveryError(given or "x", stage=stage, smtp_code=550), _RELAY)
        assert found.hint == found.hint.strip() and found.message


@target("Backup of nas on Monday 2026-11-30\xffcron@example.com", "a\xffb")
def signature(data: bytes) -> None:
    """How a recurring report is recognised."""
    subject, sender = parts(data, 2)
    found = signatures.of_mail(sender, subject)
    assert found.key and signatures.constant(subject) is not None
    signatures.title_of(sender, subject)


@target(
    '{"kind": "daily", "at": "02:04"}',
    '{"kind": "monthly", "week": "last", "weekday": "sunday", "at": "00:00"}',
    '{"kind": "every", "minutes": 90}',
    refuses=(ValueError,),
)
def schedule(data: bytes) -> None:
    """A schedule is kept in its one form."""
    given: Any = json.loads(data)
    if not isinstance(given, dict):
        return
    found = schedules.from_json(given)
    assert schedules.from_json(dict(schedules.as_json(found))) == found
    assert schedules.describe(found)


@target(
    "2026-11-30T04:00:00Z",
    "2026-11-30T04:00:00.123456789+02:00",
    "0001-01-01T00:00:00Z",
    refuses=(ValueError,),
)
def moment(data: bytes) -> None:
    """A time that somebody sends."""
    given = text(data)
    words.read_time(given)
    found = words.parse_time(given)
    assert found.tzinfo is not None


@target("a\x00b\r\nc\u2028d", "x" * 600)
def one_line(data: bytes) -> None:
    """Foreign text in our sentences is one line of printable characters."""
    found = words.one_line(text(data))
    assert len(found.splitlines()) <= 1 and len(found) <= 500
    assert "\x00" not in words.lines(text(data))
