"""Findings as the API shows them."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from quazzar.models import FindingChange
from quazzar.monitoring.doctor import Area, Level
from quazzar.monitoring.readings import Reading


class ReadingSerializer(serializers.Serializer[Any]):
    """The latest result of a check."""

    name = serializers.CharField()
    area = serializers.ChoiceField(source="check.area", choices=[area.value for area in Area])
    level = serializers.ChoiceField(
        choices=[level.value for level in Level],
        help_text="`unknown`: it was ok, but its next check is overdue.",
    )
    is_idle = serializers.BooleanField(
        source="finding.is_idle",
        help_text="Whether it is `ok` because there is nothing to check: what it is about is not in use.",
    )
    sentence = serializers.CharField(source="finding.sentence")
    advice = serializers.CharField(
        source="finding.advice", help_text="What to do; empty if there is nothing to do."
    )
    since = serializers.DateTimeField(allow_null=True, help_text="Since when the check has had this level.")
    checked_at = serializers.DateTimeField(allow_null=True)
    is_old = serializers.BooleanField(help_text="Whether the next check is overdue.")
    page = serializers.SerializerMethodField(help_text="The console page where you can fix it, or null.")

    @extend_schema_field({"type": ["string", "null"]})
    def get_page(self, reading: Reading) -> str | None:
        """Return the page's path."""
        return reverse(reading.check.page) if reading.check.page else None


class HealthSerializer(serializers.Serializer[Any]):
    """The level of the worst check, and all checks, worst first."""

    level = serializers.ChoiceField(choices=[level.value for level in Level])
    checks = ReadingSerializer(many=True)


class ChangeSerializer(serializers.ModelSerializer[FindingChange]):
    """Something new that a check found."""

    name = serializers.CharField(source="check_name")
    level = serializers.CharField(help_text="ok, warning or failed.")

    class Meta:
        model = FindingChange
        fields = ("name", "level", "sentence", "at")
