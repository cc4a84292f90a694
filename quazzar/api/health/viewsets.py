"""The health of this node, and its history."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from django_filters import CharFilter  # type: ignore[import-untyped]
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from quazzar.api.health.serializers import ChangeSerializer, HealthSerializer
from quazzar.api.lists import StrictFilterSet
from quazzar.api.viewsets import ApiViewSet
from quazzar.models import FindingChange
from quazzar.monitoring import doctor, readings
from quazzar.monitoring.doctor import Level
from quazzar.rights import LOOK_AROUND


class HealthViewSet(ApiViewSet):
    """The health of this node."""

    rights: ClassVar = {"retrieve": LOOK_AROUND}
    serializer_class = HealthSerializer

    def retrieve(self, request: Request) -> Response:
        """The latest results of doctor's checks, worst first. Only those that the caller may see."""
        found = readings.read(request.user)
        worst = readings.worst(found)
        return self.answer({"level": worst.level if worst else Level.UNKNOWN, "checks": found})


class ChangeFilters(StrictFilterSet):
    """Filters of the history."""

    name = CharFilter(field_name="check_name")

    class Meta:
        model = FindingChange
        fields = ("name", "level")


class HealthHistoryViewSet(ListModelMixin, ApiViewSet):
    """The history of the checks: each change, newest first."""

    rights: ClassVar = {"list": LOOK_AROUND}
    queryset = FindingChange.objects.all()
    serializer_class = ChangeSerializer
    filterset_class = ChangeFilters
    search_fields: ClassVar[list[str]] = ["check_name", "sentence"]
    ordering_fields: ClassVar[list[str]] = ["id", "at"]

    def get_queryset(self) -> QuerySet[FindingChange]:
        """Return the changes of the checks that the caller's user may see."""
        user = self.request.user if self.request is not None else None
        names = [check.name for check in doctor.registered() if user is None or check.right(user)]
        return super().get_queryset().filter(check_name__in=names)
