"""JSON bodies, refused with a sentence where Python's parser would fail later or not at all."""

from __future__ import annotations

import io
import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJSONParser(JSONParser):
    """JSON in UTF-8; nesting that exhausts the stack, and halves of characters, are malformed."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The parsed body.

        Raises:
            ParseError: it is not JSON, too deep, or holds a lone surrogate.
        """
        raw: bytes = stream.read()
        try:
            parsed = super().parse(io.BytesIO(raw), media_type, {"encoding": "utf-8"})
            if b"\\u" in raw:  # the one way in which half a character gets past UTF-8
                json.dumps(parsed, ensure_ascii=False).encode()
        except ParseError as exc:
            raise ParseError(f"The body is not valid JSON: {_reason(exc)}.") from exc
        except RecursionError as exc:
            raise ParseError("The body is nested too deeply.") from exc
        except UnicodeEncodeError as exc:
            raise ParseError("The body holds half of a character (a lone surrogate).") from exc
        return parsed


def _reason(exc: ParseError) -> str:
    """Where it stops being JSON: Python's own words for it differ between versions."""
    cause = exc.__context__
    if isinstance(cause, json.JSONDecodeError):
        return f"see line {cause.lineno}, column {cause.colno}"
    if isinstance(cause, UnicodeDecodeError):
        return f"byte {cause.start + 1} is not UTF-8"
    return "it has a number that is too long, or a constant that JSON does not have"
