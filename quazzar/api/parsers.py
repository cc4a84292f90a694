"""JSON bodies, refused with a sentence where Python's parser would fail later or not at all."""

from __future__ import annotations

import io
import json
import re
from codecs import BOM_UTF8
from typing import Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

#: Strings and commas outside them that a body may have. A mail has few, however large; each costs memory.
_MOST_PARTS = 200_000
#: A string, or what begins as one and does not end. Possessive, so that nothing is tried twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


class TooManyParts(APIException):
    """The body is small enough, but its parsed form would not be."""

    status_code = 413
    default_code = "too_large"
    default_detail = f"The body has more than {_MOST_PARTS:,} strings and commas."


class StrictJSONParser(JSONParser):
    """JSON in UTF-8; nesting that exhausts the stack, and halves of characters, are malformed."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The parsed body.

        Raises:
            ParseError: it is not JSON, too deep, or holds a lone surrogate.
            TooManyParts: it has too many keys and values.
        """
        # PowerShell and others write a byte order mark, which RFC 8259, section 8.1 lets a reader ignore.
        raw: bytes = stream.read().removeprefix(BOM_UTF8)
        if _has_too_many_parts(raw):
            raise TooManyParts
        try:
            parsed = super().parse(io.BytesIO(raw), media_type, {"encoding": "utf-8"})
            if b"\\u" in raw:  # the one way in which half a character gets past UTF-8
                json.dumps(parsed, ensure_ascii=False).encode()
        except ParseError as exc:
            raise ParseError(f"The body is not valid JSON: {_reason(exc)}.") from exc
        except RecursionError as exc:
            raise ParseError("The body is nested too deeply.") from exc
        except UnicodeEncodeError as exc:
            raise ParseError("The body contains half a character (a lone surrogate).") from exc
        return parsed


def _has_too_many_parts(raw: bytes) -> bool:
    if raw.count(b'"') + raw.count(b",") <= _MOST_PARTS:
        return False
    parts = end = 0
    for string in _STRING.finditer(raw):
        parts += 1 + raw.count(b",", end, string.start())
        end = string.end()
        if parts > _MOST_PARTS:
            return True
    return parts + raw.count(b",", end) > _MOST_PARTS


def _reason(exc: ParseError) -> str:
    """Where it stops being JSON: Python's own words for it differ between versions."""
    cause = exc.__context__
    if isinstance(cause, json.JSONDecodeError):
        return f"see line {cause.lineno}, column {cause.colno}"
    if isinstance(cause, UnicodeDecodeError):
        return f"byte {cause.start + 1} is not UTF-8"
    return "it contains a number that is too long, or a constant that JSON does not allow"
