"""Bases of what the API takes: a field that is not known is refused, not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

UNKNOWN = "Unknown field."


class Strict(serializers.Serializer[Any]):
    """What both bases share."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = (
            {name: [UNKNOWN] for name in data if name not in self.fields} if isinstance(data, Mapping) else {}
        )
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            if unknown and isinstance(exc.detail, dict):
                exc.detail.update(unknown)
            raise
        if unknown:
            raise serializers.ValidationError(unknown)
        return value


class NoBody(serializers.Serializer[Any]):
    """For an action that needs no body: whatever is sent is ignored."""


class StrictSerializer(Strict):
    """Refuses unknown fields. Known read-only ones are ignored: what was read can be sent back."""


class StrictModelSerializer(Strict, serializers.ModelSerializer[Any]):
    """The same for a model."""
