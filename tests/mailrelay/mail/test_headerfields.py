"""Each kind of header field in ASCII: encoded words only where RFC 2047 §5 has them, and as its §2 has them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.mail import headerfields

LONG = "<https://example.com/u?t=" + "a" * 880 + ">"
#: Name, text, what is written (unfolded).
STRUCTURED = [
    ("List-Unsubscribe", LONG, LONG),
    ("List-Unsubscribe", "<https://example.com/?q=?utf8=1>", "<https://example.com/?q=?utf8=1>"),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click", "List-Unsubscribe=One-Click"),
    ("List-Archive", "<https://example.com/ä>", "<https://example.com/%C3%A4>"),
    ("List-Post", "NO (Ankündigungen)", "NO (=?utf-8?b?QW5rw7xuZGlndW5nZW4=?=)"),
    ("list-help", "<mailto:hilfe@bücher.example>", "<mailto:hilfe@xn--bcher-kva.example>"),
    ("List-Id", '"Bücher" <b.example.com>', "=?utf-8?b?QsO8Y2hlcg==?= <b.example.com>"),
    ("References", "<a=?b@x.example> <ä@x.example>", "<a=?b@x.example> <%C3%A4@x.example>"),
    ("In-Reply-To", "<a@bücher.example>", "<a@xn--bcher-kva.example>"),
    ("Message-ID", "<ü@x.example>", "<%C3%BC@x.example>"),
    ("Content-ID", "<ü@x.example>", "<%C3%BC@x.example>"),
    ("Auto-Submitted", "auto-generated (=?)", "auto-generated (=?)"),
    ("Precedence", "bülk", "b%C3%BClk"),
    ("Keywords", "a, Größe, b", "a, =?utf-8?b?R3LDtsOfZQ==?= , b"),
    ("Authentication-Results", "x.example; spf=pass (für x)", "x.example; spf=pass (=?utf-8?b?ZsO8cg==?= x)"),
    ("Received", "from x (ü [192.0.2.1]) by y", "from x (=?utf-8?b?w7w=?= [192.0.2.1]) by y"),
    ("Archived-At", "<https://example.com/=?x?>", "<https://example.com/=?x?>"),
    ("ARC-Seal", "i=1; b=" + "a" * 100, "i=1; b=" + "a" * 68 + " " + "a" * 32),
    ("Disposition-Notification-To", "Jörg <j@x.example>", "=?utf-8?b?SsO2cmc=?= <j@x.example>"),
    ("Errors-To", "a@x.example; b@x.example", "a@x.example, b@x.example"),
]
FREE = [
    ("Subject", "Größe", "=?utf-8?b?R3LDtsOfZQ==?="),
    ("Comments", "a Größe b", "a =?utf-8?b?R3LDtsOfZQ==?= b"),
    ("X-Anything", "ä", "=?utf-8?b?w6Q=?="),
    ("Organization", "ä", "=?utf-8?b?w6Q=?="),
    ("Thread-Topic", "ä", "=?utf-8?b?w6Q=?="),
    ("Content-Description", "ä", "=?utf-8?b?w6Q=?="),
]
NAMES = sorted({name for name, _, _ in STRUCTURED + FREE} | {"X-" + "y" * 74, "To", "Content-Type"})
_WORD = re.compile(r"=\?utf-8\?b\?[A-Za-z0-9+/=]*\?=")


def test_each_field_is_written_as_its_syntax_has_it(subtests: pytest.Subtests) -> None:
    for name, text, wanted in STRUCTURED + FREE:
        with subtests.test(name, text=text):
            lines = headerfields.written(name, text)
            assert lines.replace("\r\n ", " ").removesuffix("\r\n") == f"{name}: {wanted}"
            assert headerfields.is_structured(name) is ((name, text, wanted) in STRUCTURED)


def test_a_line_may_have_998_octets_and_no_more() -> None:
    for name, most in (("List-Unsubscribe", 997), ("References", 997)):
        for length in (980, 990, most):
            lines = headerfields.written(name, "<" + "a" * (length - 2) + ">").split("\r\n")
            assert max(map(len, lines)) <= 998
        with pytest.raises(ValueError, match="fits in no line"):
            headerfields.written(name, "<" + "a" * (most - 1) + ">")


@given(st.sampled_from(NAMES), st.text(max_size=300))
def test_any_text_becomes_lines_in_ascii(name: str, text: str) -> None:
    lines = headerfields.written(name, text).removesuffix("\r\n").split("\r\n")
    assert all(line.strip() for line in lines)
    for line in lines:
        assert line.isascii() or name in ("To", "Errors-To", "Disposition-Notification-To")
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line)
        if _WORD.search(line):
            assert len(line) <= 76 or not headerfields.is_structured(name), line
    for word in _WORD.findall(" ".join(lines)):
        assert len(word) <= 75
