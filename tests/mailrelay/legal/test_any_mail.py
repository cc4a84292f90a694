"""Generated mails, of any structure, say the same before and after."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import MIMEPart

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrelay.legal.conversion import Offer
from tests.mailrelay.legal.judge import EIGHT, EVERYTHING, SEVEN, converted, lines, read

CHARSETS = ("utf-8", "iso-8859-1", "windows-1251", "utf-16")
#: Letters that each of these charsets has in some way, or that only UTF-8 has.
LATIN, CYRILLIC = "abc ÄÖüßé.=-_?", "abc ПривётЖ.=-_?"
NAMES = (
    st.text("abc ÄÖü,;<>@().\"'=?_", min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda name: name and "=?" not in name and "  " not in name)
)


@dataclass(frozen=True)
class Text:
    """A text, in a charset and a transfer encoding."""

    text: str
    charset: str
    encoding: str
    is_declared: bool


@dataclass(frozen=True)
class File:
    """A file, by its bytes."""

    content: bytes
    encoding: str


@dataclass(frozen=True)
class Mail:
    """A mail inside the mail."""

    subject: str
    part: object


@dataclass(frozen=True)
class Parts:
    """A multipart."""

    parts: list[object]


@st.composite
def texts(draw: st.DrawFn) -> Text:
    charset = draw(st.sampled_from(CHARSETS))
    letters = CYRILLIC if charset == "windows-1251" else LATIN
    text = draw(
        st.lists(
            st.text(letters, max_size=40) | st.text(letters[:8], min_size=1000, max_size=1100), max_size=4
        )
    )
    encoding = draw(st.sampled_from(["8bit", "binary", "", "7bit", "base64", "quoted-printable"]))
    if charset == "utf-16":
        encoding = "base64"
    is_declared = charset != "utf-8" or encoding in ("base64", "quoted-printable") or draw(st.booleans())
    return Text("\n".join(text), charset, encoding, is_declared)


FILES = st.builds(
    File,
    st.binary(max_size=80) | st.binary(min_size=1000, max_size=1200),
    st.sampled_from(["binary", "base64"]),
).filter(lambda file: not file.content.endswith(b"\r") and b"--" not in file.content)
LEAVES = texts() | FILES
STRUCTURES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Parts, st.lists(inner, min_size=1, max_size=3))
        | st.builds(
            Mail, st.text(LATIN, max_size=20).map(str.strip).filter(lambda text: "=?" not in text), inner
        )
    ),
    max_leaves=5,
)


def written(part: object, eol: bytes, path: str = "b") -> bytes:
    """The part as a careless program writes it: header and body."""
    match part:
        case Text():
            data = part.text.replace("\n", eol.decode()).encode(part.charset)
            kind = f"text/plain; charset={part.charset}" if part.is_declared else "text/plain"
        case File():
            data, kind = part.content, "application/octet-stream"
        case Mail():
            data = f"Subject: {part.subject}\n".encode().replace(b"\n", eol) + written(
                part.part, eol, path + "m"
            )
            return b"Content-Type: message/rfc822" + eol + eol + data
        case Parts():
            boundary = f"=_{path}".encode()
            pieces = [
                b"--" + boundary + eol + written(one, eol, f"{path}{n}") for n, one in enumerate(part.parts)
            ]
            opening = b'Content-Type: multipart/mixed; boundary="%s"' % boundary
            return opening + eol + eol + eol.join([*pieces, b"--" + boundary + b"--" + eol])
        case _:
            raise AssertionError(part)
    if part.encoding == "base64":
        data = base64.b64encode(data)
    elif part.encoding == "quoted-printable":
        data = b"".join(b"=%02X" % byte for byte in data)
    head = f"Content-Type: {kind}\n" + (
        f"Content-Transfer-Encoding: {part.encoding}\n" if part.encoding else ""
    )
    return (head + "\n").encode().replace(b"\n", eol) + data


def leaves(part: object) -> Iterator[Text | File | str]:
    """What a reader finds in it, in order: texts, files, subjects of enclosed mails."""
    match part:
        case Text() | File():
            yield part
        case Mail():
            yield part.subject
            yield from leaves(part.part)
        case Parts():
            for one in part.parts:
                yield from leaves(one)


def found(message: MIMEPart) -> Iterator[MIMEPart | str]:
    if message.get_content_type() == "message/rfc822":
        (inner,) = message.iter_parts() if message.is_multipart() else (message.get_content(),)
        yield str(inner["Subject"] or "")
        yield from found(inner)
    elif message.is_multipart():
        for part in message.iter_parts():
            yield from found(part)
    else:
        yield message


def payload(message: MIMEPart) -> bytes:
    data = message.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


@pytest.mark.slow
@settings(max_examples=60)
@given(STRUCTURES, st.sampled_from([SEVEN, EIGHT, EVERYTHING]), st.sampled_from([b"\n", b"\r\n"]), NAMES)
def test_a_mail_of_any_structure_says_the_same_afterwards(
    structure: object, offer: Offer, eol: bytes, name: str
) -> None:
    quoted = name.replace("\\", "").replace('"', '\\"')
    data = f'To: "{quoted}" <a@example.com>\n'.encode().replace(b"\n", eol) + written(structure, eol)
    message = read(converted(data, offer))
    (person,) = message["To"].addresses
    assert (person.display_name, person.addr_spec) == (name, "a@example.com")
    for wanted, part in zip(leaves(structure), found(message), strict=True):
        if isinstance(wanted, str):
            assert part == wanted
            continue
        assert isinstance(part, MIMEPart)
        if isinstance(wanted, File):
            assert part.get_content_type() == "application/octet-stream"
            assert payload(part) == wanted.content
        else:
            charset = part.get_content_charset() or "us-ascii"
            assert lines(payload(part).decode(charset)) == lines(wanted.text)
    for part in message.walk():
        declared = (part["Content-Transfer-Encoding"] or "7bit").lower()
        if part.is_multipart():
            assert declared in ("7bit", "8bit")
        assert declared != "binary"
