"""The rules for a mail on the wire, and how a mail program reads it."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

from mailrelay.legal.conversion import Legal, Offer, legalise

SEVEN, EIGHT = Offer(), Offer(eight_bit=True)
EVERYTHING = Offer(eight_bit=True, utf8=True)
_ENCODED_WORD = re.compile(rb"=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=")


def converted(data: bytes, offer: Offer = SEVEN, *, utf8: bool = False) -> Legal:
    """The mail as it is sent; it is legal, and converting it again changes nothing."""
    legal = legalise(data, offer, utf8=utf8)
    assert_legal(legal, offer)
    assert legalise(legal.data, offer, utf8=utf8) == legal
    return legal


def assert_legal(mail: Legal, offer: Offer) -> None:
    """RFC 5322 §2.1.1 and §2.2, RFC 5321 §4.5.3.1.6, RFC 6152 §3, RFC 6531 §3.4."""
    assert not (mail.eight_bit and not offer.eight_bit)
    assert not (mail.utf8 and not offer.utf8)
    assert mail.eight_bit or mail.data.isascii()
    assert b"\0" not in mail.data
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", mail.data)
    assert max(map(len, mail.data.split(b"\r\n"))) <= 998
    head = mail.data.partition(b"\r\n\r\n")[0]
    assert mail.utf8 or head.isascii()
    for line in [] if mail.data.startswith(b"\r\n") else head.split(b"\r\n"):
        assert line.strip(b" \t"), head
        assert re.match(rb"[ \t]|[!-9;-~]+:", line), line
    # RFC 2047 §2: an encoded word has at most 75 characters, and its line at most 76.
    for word in _ENCODED_WORD.findall(head):
        assert len(word) <= 75


def read(mail: Legal) -> EmailMessage:
    """The mail as a mail program reads it."""
    return message_from_bytes(mail.data, policy=policy.default)


def lines(text: str) -> list[str]:
    """Its lines, whatever ends them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
