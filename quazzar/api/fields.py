"""Serializer fields that take a JSON value as it is, and no other type for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from rest_framework import serializers

#: The largest id that a row can have. A larger one is no row, and SQLite refuses to look for it.
LARGEST_ID = 2**63 - 1


def utc(time: datetime) -> str:
    """The time as DRF's DateTimeField writes it, in a twentieth of the time: the product's time zone is always UTC."""
    return time.isoformat().removesuffix("+00:00") + "Z"


def judged_by(rule: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a validator that leaves the verdict, and its sentence, to a rule of the domain (quazzar/validation.py)."""

    def validate(value: Any) -> None:
        try:
            rule(value)
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc

    return validate


class Text(serializers.CharField):
    """A JSON string; a number is not taken for one."""

    def to_internal_value(self, data: Any) -> str:
        """Return the string; any other JSON type is refused."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Line(Text):
    """A string that is kept exactly as sent, so that a rule can refuse a line break at either end, too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class Secret(Text):
    """A string that goes in and never comes out: it reads as "".

    Absent or empty on a write keeps the stored one; null removes it.
    """

    def __init__(self, **kwargs: Any) -> None:
        options = {"required": False, "allow_blank": True, "allow_null": True, "trim_whitespace": False}
        super().__init__(**{**options, "style": {"input_type": "password"}, **kwargs})

    def get_attribute(self, instance: Any) -> str:
        """Return "", without opening what is stored."""
        return ""


class Whole(serializers.IntegerField):
    """A JSON number without a fraction; neither a string of digits nor a boolean is taken for one."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number; a boolean, a fraction or text is refused."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Id(Whole):
    """The id of a row."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


class YesNo(serializers.BooleanField):
    """``true`` or ``false``; no other word or number is taken for one."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean; any other JSON type is refused."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
