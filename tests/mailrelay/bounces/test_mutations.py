"""10,000 reports that were damaged on the way, and hostile ones of a megabyte: none crashes the reader."""

from __future__ import annotations

import random

import pytest

from mailrelay.bounces import parts, reading
from tests.mailrelay.bounces.test_corpus import EXPECTED, raw
from tests.tiers import fewer

#: What means something to one of the parsers.
_TOKENS = [
    *(
        b"\n",
        b"\r\n",
        b"\n\n",
        b"--=_b1\n",
        b"--=_b1--\n",
        b"\0",
        b"\xff\xfe",
        b"<",
        b">",
        b"@",
        b":",
        b";",
        b" ",
    ),
    *(
        b"Final-Recipient: rfc822; ",
        b"Action: ",
        b"Status: 5.",
        b"Content-Type: multipart/mixed; boundary=b\n\n",
    ),
    *(
        b"Content-Transfer-Encoding: base64\n",
        b"charset=utf-16",
        b"utf-8; \\x{D800}",
        b"+FF+0",
        b"550 5.1.1 ",
    ),
    *(b"<!--", b"<style>", b"&#0;", b"\xe3\x83", b"a" * 3000, b"<a@b.c> " * 500, b"(" * 2000),
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 8)):
        at, to = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
        match chance.randrange(5):
            case 0:
                data = data[:at] + chance.choice(_TOKENS) + data[at:]
            case 1:
                data = data[:at] + data[min(to, at + 200) :]
            case 2:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:to] + data[at : min(to, at + 2000)] + data[to:]
            case _:
                data = data[:to] if chance.random() < 0.2 else data[:at] + data[at:].swapcase()
    return data


@pytest.mark.slow
def test_no_mutated_report_crashes_the_reader() -> None:
    chance = random.Random(13)
    originals = [raw(name) for name in EXPECTED]
    read = 0
    number = fewer(2_000, 10_000)
    for _ in range(number):
        data = mutated(chance.choice(originals), chance)
        report = reading.read(data)
        if report is not None:
            read += 1
            assert report.outcomes
            assert all(len(one.said) <= 500 and len(one.recipient) <= 320 for one in report.outcomes)
    assert read > number // 4  # the mutations leave something to read


@pytest.mark.parametrize(
    "body",
    [
        b"--b\n" * 50_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 5_000,
        b"<" * 300_000,
        b"<!--" * 250_000,
        b"<style " * 150_000,
        b"could not be delivered to " * 20_000,
        b"<a@b.example>: 550\n" * 50_000,
        b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\n" * 20_000,
        b"address " * 100_000,
        b"a" * 1_000_000,
        b"x@" * 300_000,
        b"x." * 300_000 + b"@",
    ],
    ids=lambda body: body[:20].decode(),
)
@pytest.mark.parametrize(
    "kind", ["text/plain", "text/html", "multipart/report; boundary=b", "message/delivery-status"]
)
def test_a_megabyte_of_the_same_is_read_to_its_end(body: bytes, kind: str) -> None:
    header = f"From: MAILER-DAEMON@x\nReturn-Path: <>\nSubject: Undelivered mail\nContent-Type: {kind}\n\n"
    report = reading.read(header.encode() + body)
    assert report is None or len(report.outcomes) <= 100


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Content-Type", "References"])
@pytest.mark.parametrize("text", [b'"', b"(", b"()", b"=?utf-8?q?a?= ", b"<a@b.example>, ", b"; a*0=b"])
def test_a_header_field_of_a_megabyte_is_read_to_its_end(name: str, text: bytes) -> None:
    field = name.encode() + b": text/html; " + text * (1_000_000 // len(text))
    data = b"Return-Path: <>\n" + field + b"\nSubject: Undelivered mail\n\n<anna@example.com>: user unknown\n"
    reading.read(data)


def test_of_html_what_nobody_sees_is_left_out() -> None:
    text = "<TITLE>no</title>a<style>no<!-- --></STYLE >b</style>c<!-- no <script> -->d<styled>e</styled><script>f"
    assert parts.plain(text).split() == ["a", "c", "d", "e", "f"]
