"""/api/mail/expected: reports that arrive regularly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from mailrelay.expected import changes, schedules
from mailrelay.models import ExpectedReport
from quazzar.api.fields import Line, Whole
from quazzar.api.idempotency import idempotent
from quazzar.api.serializers import NoBody, StrictSerializer
from quazzar.api.viewsets import ApiViewSet, UpdateRowMixin, rights_of_rows
from quazzar.rights import CHANGE_EXPECTED, SEE_EXPECTED

_LONGEST = 200
_DAY_NAMES = [day.lower() for day in schedules.DAYS]
_SCHEDULE = {
    "type": ["object", "null"],
    "properties": {
        "kind": {"type": "string", "enum": [*schedules.KINDS]},
        "minutes": {"type": ["integer", "null"], "minimum": 1, "maximum": schedules.MOST_MINUTES},
        "at": {"type": ["string", "null"], "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
        "days": {"type": ["array", "null"], "items": {"type": "string", "enum": _DAY_NAMES}},
        "day": {"type": ["integer", "null"], "minimum": 1, "maximum": 31},
        "week": {"type": ["string", "null"], "enum": [*schedules.WEEKS, None]},
        "weekday": {"type": ["string", "null"], "enum": [*_DAY_NAMES, None]},
    },
    "required": ["kind"],
    "description": (
        "A schedule. every: minutes since the last report. daily and weekdays: at. weekly: days and at. "
        "monthly: at, with day (31 means the last day) or with week and weekday. Times are in the node's "
        "time zone."
    ),
}


@extend_schema_field(_SCHEDULE)
class ScheduleField(serializers.Field[Any, Any, Any, Any]):
    """A schedule as it is stored."""

    default_error_messages = {
        "invalid": "This must be an object with the key kind.",
        "unknown": "Unknown keys: {names}.",
    }

    def to_internal_value(self, data: Any) -> dict[str, object]:
        """Return the schedule in its own form; anything else is refused with a sentence."""
        if not isinstance(data, dict):
            self.fail("invalid")
        unknown = [str(name) for name in data if name not in _SCHEDULE["properties"]]
        if unknown:
            self.fail("unknown", names=", ".join(unknown[:5]))
        try:
            return schedules.as_json(schedules.from_json(data))
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc

    def to_representation(self, value: Any) -> Any:
        """Return it as it is stored."""
        return value


class ArrivalSerializer(serializers.Serializer[Any]):
    """One report that arrived."""

    at = serializers.SerializerMethodField()
    ok = serializers.SerializerMethodField(help_text="false if the report said that the job failed.")

    @extend_schema_field({"type": "string", "format": "date-time"})
    def get_at(self, arrival: list[Any]) -> str:
        """The time of arrival as ISO 8601 in UTC, to the second."""
        return datetime.fromtimestamp(arrival[0], UTC).isoformat().replace("+00:00", "Z")

    @extend_schema_field({"type": "boolean"})
    def get_ok(self, arrival: list[Any]) -> bool:
        """Whether it went well."""
        return bool(arrival[1])


class _ReportSerializer(StrictSerializer):
    """A report and its state."""

    id = serializers.IntegerField(read_only=True)
    # An address, or the name of an API key.
    source = serializers.CharField(read_only=True)  # type: ignore[assignment]  # DRF's own attribute is another thing
    state = serializers.ChoiceField(
        choices=ExpectedReport.State.values,
        read_only=True,
        help_text="Reports that are learning, proposed, ignored or paused are not watched.",
    )
    since = serializers.DateTimeField(read_only=True)
    schedule = ScheduleField()
    schedule_text = serializers.SerializerMethodField()
    confidence = serializers.FloatField(
        read_only=True,
        allow_null=True,
        help_text="How well the reports fit a learned schedule, from 0 to 1; null if you set the schedule.",
    )
    last_at = serializers.DateTimeField(read_only=True, allow_null=True)
    due_at = serializers.DateTimeField(read_only=True, allow_null=True)
    late_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="The time after which the report is late."
    )
    arrivals = ArrivalSerializer(
        many=True, read_only=True, help_text="The latest reports, at most 60, oldest first."
    )
    created_at = serializers.DateTimeField(read_only=True)

    @extend_schema_field({"type": "string"})
    def get_schedule_text(self, row: ExpectedReport) -> str:
        """In words, such as: daily about 02:04."""
        return schedules.describe(schedules.from_json(row.schedule)) if row.schedule else ""


class _Tolerance(Whole):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="tolerance", min_value=1, max_value=changes.MOST_TOLERANCE, **kwargs)


_DECLARED = {
    "name": "photos",
    "schedule": {"kind": "daily", "at": "02:00"},
    "tolerance_minutes": 60,
    "kind": "backup",
    "match": "photos",
}


@extend_schema_serializer(examples=[OpenApiExample("Before it first comes", _DECLARED, request_only=True)])
class ExpectedReportSerializer(_ReportSerializer):
    """A report to watch before it first arrives."""

    name = Line(max_length=_LONGEST)
    kind = serializers.ChoiceField(choices=ExpectedReport.Kind.values, default=ExpectedReport.Kind.ANY)
    match = Line(
        max_length=_LONGEST,
        source="title",
        required=False,
        allow_blank=True,
        help_text=(
            "Text that the job, alert or subject contains, in upper or lower case. The name, if you leave "
            "it out. You cannot change it later."
        ),
    )
    tolerance_minutes = _Tolerance(
        required=False,
        help_text="How late the report may be, in minutes. Leave it out to use a value that suits the schedule.",
    )
    muted_until = serializers.DateTimeField(read_only=True, allow_null=True)


class ExpectedReportChangeSerializer(_ReportSerializer):
    """The fields of a report that can be changed."""

    name = Line(max_length=_LONGEST)
    kind = serializers.CharField(read_only=True)
    match = serializers.CharField(source="title", read_only=True)
    tolerance_minutes = _Tolerance(default=20)
    muted_until = serializers.DateTimeField(
        allow_null=True,
        default=None,
        help_text="Until this time, no mail is sent about the report. null: not muted.",
    )


class ExpectedReportViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateRowMixin, DestroyModelMixin, ApiViewSet
):
    """Reports that arrive regularly: those that Quazzar noticed and those that it watches."""

    rights: ClassVar = {
        **rights_of_rows(SEE_EXPECTED, CHANGE_EXPECTED, CHANGE_EXPECTED, CHANGE_EXPECTED),
        "watch": CHANGE_EXPECTED,
        "ignore": CHANGE_EXPECTED,
        "pause": CHANGE_EXPECTED,
    }
    queryset = ExpectedReport.objects.all()
    serializer_class = ExpectedReportSerializer
    change_serializer_class = ExpectedReportChangeSerializer
    filterset_fields: ClassVar[list[str]] = ["state", "kind"]
    search_fields: ClassVar[list[str]] = ["name", "title", "source"]
    ordering_fields: ClassVar[list[str]] = ["id", "name", "state", "last_at", "due_at"]

    @idempotent(atomic=True)
    def create(self, request: Request) -> Response:
        """Starts to watch a report, before it first arrives or once Quazzar knows it."""
        return super().create(request)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Declare the report: it is matched by ``title``, or by its name where that is missing."""
        values = dict(serializer.validated_data)
        values["match"] = values.pop("title", "")
        serializer.instance = changes.declare(values)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """The settings are name, schedule, tolerance, and until when the report is muted."""
        serializer.instance = changes.change(self.row_id, dict(serializer.validated_data))

    def perform_destroy(self, instance: ExpectedReport) -> None:
        """Deletes the report. If it arrives again, Quazzar learns it from the beginning."""
        changes.remove(instance.pk)

    @extend_schema(responses=ExpectedReportSerializer)
    @action(detail=True, methods=["post"], serializer_class=NoBody, answer_class=ExpectedReportSerializer)
    def watch(self, request: Request, pk: int) -> Response:
        """Starts to watch a report that was proposed, ignored or paused."""
        return self.answer(changes.watch(self.row_id))

    @extend_schema(responses=ExpectedReportSerializer)
    @action(detail=True, methods=["post"], serializer_class=NoBody, answer_class=ExpectedReportSerializer)
    def ignore(self, request: Request, pk: int) -> Response:
        """Ignores the report: it is not proposed again."""
        return self.answer(changes.ignore(self.row_id))

    @extend_schema(responses=ExpectedReportSerializer)
    @action(detail=True, methods=["post"], serializer_class=NoBody, answer_class=ExpectedReportSerializer)
    def pause(self, request: Request, pk: int) -> Response:
        """Pauses the report until you watch it again."""
        return self.answer(changes.pause(self.row_id))
