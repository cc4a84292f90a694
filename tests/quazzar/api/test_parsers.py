"""JSON bodies: what is read, and why another is not."""

from __future__ import annotations

import io

import pytest
from rest_framework.exceptions import ParseError

from quazzar.api.parsers import StrictJSONParser


def test_json_in_utf8_is_read() -> None:
    assert StrictJSONParser().parse(io.BytesIO('{"a": ["ü", "\\ud83d\\ude00"]}'.encode())) == {
        "a": ["ü", "😀"]
    }


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
            "The body is not valid JSON: it has a number that is too long, or a constant that JSON does not have.",
        ),
        (
            b"1" * 5000,
            "The body is not valid JSON: it has a number that is too long, or a constant that JSON does not have.",
        ),
        (b"[" * 100_000, "The body is nested too deeply."),
        (b'"\\ud800"', "The body holds half of a character (a lone surrogate)."),
    ],
)
def test_what_is_not_json_is_refused_in_words_of_our_own(body: bytes, sentence: str) -> None:
    with pytest.raises(ParseError) as refused:
        StrictJSONParser().parse(io.BytesIO(body))
    assert str(refused.value.detail) == sentence
