"""Bases of the serializers of bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

UNKNOWN = "Unknown field."


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields. Known read-only ones are ignored: what was read can be sent back."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the values of the fields.

        Raises:
            ValidationError: a field is wrong or unknown; each has its sentences.
        """
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
