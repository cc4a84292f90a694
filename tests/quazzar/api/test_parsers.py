"""JSON bodies: what is read, and why another is not."""

from __future__ import annotations

import io
import json

import pytest
from rest_framework.exceptions import ParseError

from quazzar.api.parsers import StrictJSONParser, TooManyParts


def test_json_in_utf8_is_read() -> None:
    assert StrictJSONParser().parse(io.BytesIO('{"a": ["ü", "\\ud83d\\ude00"]}'.encode())) == {
        "a": ["ü", "😀"]
    }


def test_a_byte_order_mark_is_ignored() -> None:
    assert StrictJSONParser().parse(io.BytesIO(b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not valid JSON: see line 1, column 1."),
        (b'{"a": 1,\n "b": }', "The body is not valid JSON: see line 2, column 7."),
        # Python 3.13 has other words for these than 3.11.
        (b"[1,", "The body is not valid JSON: see line 1, column 4."),
        (b'{"a": 01}', "The body is not valid JSON: see line 1, column 8."),
        (b'{"a": "\xff"}', "The body is not valid JSON: byte 8 is not UTF-8."),
        (
            b"[NaN]",
            "The body is not valid JSON: it contains a number that is too long, or a constant that JSON "
            "does not allow.",
        ),
        (
            b"1" * 5000,
            "The body is not valid JSON: it contains a number that is too long, or a constant that JSON "
            "does not allow.",
        ),
        (b"[" * 100_000, "The body is nested too deeply."),
        (b'"\\ud800"', "The body contains half a character (a lone surrogate)."),
    ],
)
def test_what_is_not_json_is_refused_in_words_of_our_own(body: bytes, sentence: str) -> None:
    with pytest.raises(ParseError) as refused:
        StrictJSONParser().parse(io.BytesIO(body))
    assert str(refused.value.detail) == sentence


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b",".join(b'"%d":1' % number for number in range(150_000)) + b"}",
        b"[" + b"1," * 300_000 + b"1]",
        b'{"to": [' + b",".join([b'"a@b.c"'] * 150_000) + b"]}",
        b"[" + b"[]," * 300_000 + b"[]]",
        b'[{"a":' * 250_000,
        b'{"a": "' + b'","' * 150_000,
    ],
    ids=["keys", "numbers", "strings", "lists", "cut off", "no end"],
)
def test_a_body_of_very_many_parts_is_refused_before_they_are_built(body: bytes) -> None:
    with pytest.raises(TooManyParts):
        StrictJSONParser().parse(io.BytesIO(body))


@pytest.mark.parametrize(
    "text",
    [
        "a, b, " * 200_000,
        '"quoted", ' * 100_000,
        "back\\slash, " * 100_000,
        'ends with \\"',
        "ü,\n" * 200_000,
    ],
    ids=["commas", "quotes", "backslashes", "escaped end", "lines"],
)
def test_a_long_text_is_one_part_whatever_is_in_it(text: str) -> None:
    for ensure_ascii in (True, False):
        raw = json.dumps({"text": text}, ensure_ascii=ensure_ascii).encode()
        assert StrictJSONParser().parse(io.BytesIO(raw)) == {"text": text}


@pytest.mark.parametrize(
    "body", [b'{"a": "' + b'\\"' * 300_000, b'"' + b"\\" * 300_001, b'{"a": "' + b"," * 300_000]
)
def test_a_string_without_an_end_is_read_once(body: bytes) -> None:
    """Quadratic, it would take minutes."""
    with pytest.raises(ParseError, match="not valid JSON"):
        StrictJSONParser().parse(io.BytesIO(body))
