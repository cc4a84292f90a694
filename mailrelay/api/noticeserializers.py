"""Bodies that alert managers and backup jobs post: how they are parsed, and their part of the OpenAPI schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, cast

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.fields import empty

from mailrelay.notices.alerts import group_notice, rule_notice
from mailrelay.notices.backups import BackupReport
from quazzar import words
from quazzar.api.fields import Text
from quazzar.api.serializers import StrictSerializer

_STATES = ("firing", "resolved")
_OUTCOMES = ("success", "failure")
_LARGEST_SIZE = 2**63 - 1
_MOST_WRONG_ALERTS = 10
_MOST_ALERTS = 1000
_REQUIRED = "This field is required."
_NO_TEXT = "This must be text."


# --- fields ------------------------------------------------------------------------------------------------
class OneLine(Text):
    """A line of text without control characters."""

    default_error_messages = {  # as DRF declares it
        "invalid": _NO_TEXT,
        "null": _REQUIRED,
        "blank": "This must not be empty.",
        "max_length": "This can have at most {max_length} characters.",
        "lines": "This must be a single line without control characters.",
    }

    def to_internal_value(self, data: Any) -> str:
        """Return the line, without spaces around it."""
        if isinstance(data, str) and not words.printable(data):
            self.fail("lines")
        return super().to_internal_value(data)


class Lines(serializers.CharField):
    """A text of any length; what a mail cannot show is left out."""

    default_error_messages = {"invalid": _NO_TEXT}

    def __init__(self) -> None:
        super().__init__(required=False, allow_blank=True, allow_null=True)

    def to_internal_value(self, data: Any) -> str:
        """Return the text without control characters, cut at 10,000 characters."""
        if not isinstance(data, str):
            self.fail("invalid")
        return words.lines(data)


class _Choice(serializers.ChoiceField):
    """One of some words."""

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        message = f"This must be one of {', '.join(choices)}."
        super().__init__(choices, error_messages={"invalid_choice": message, "null": _REQUIRED}, **kwargs)


def _in_place(*choices: str) -> Any:
    """Described inline: an enumeration would become a component, whose name would clash with others.

    By a pattern, which leaves it to the type whether the field may be null.
    """
    return extend_schema_field({"type": "string", "pattern": f"^({'|'.join(choices)})$"})


@_in_place(*_STATES)
class State(_Choice):
    """Whether an alert is firing or resolved."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(_STATES, **kwargs)


@_in_place(*_OUTCOMES)
class Outcome(_Choice):
    """How a backup ended."""

    def __init__(self) -> None:
        super().__init__(_OUTCOMES)


class Count(serializers.IntegerField):
    """A whole number, not negative, that fits into 64 bits."""

    default_error_messages = {"invalid": "This must be a whole number of at least 0."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        """Return the number; a boolean, a fraction or text is refused."""
        if isinstance(data, bool) or not isinstance(data, int) or not 0 <= data <= _LARGEST_SIZE:
            self.fail("invalid")
        return data


@extend_schema_field({"type": ["string", "object"]})
class Details(serializers.Field[Any, Any, Any, Any]):
    """A text, or an object of anything."""

    default_error_messages = {"invalid": "This must be text or an object."}

    def to_internal_value(self, data: Any) -> str | dict[str, Any]:
        """Return the text, or the object as it is."""
        if isinstance(data, dict):
            return data
        if not isinstance(data, str):
            self.fail("invalid")
        return words.lines(data)


@extend_schema_field({"type": "string"})
class _Value(serializers.Field[str, Any, str, Any]):
    """The value of a label. Some senders write numbers and booleans."""

    default_error_messages = {"invalid": _NO_TEXT}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool):
            return "true" if data else "false"
        if not isinstance(data, str | int | float):
            self.fail("invalid")
        return str(data)


class Labels(serializers.DictField):
    """An object of texts."""

    child = _Value()


class Lenient(serializers.Field[Any, Any, Any, Any]):
    """Mixin: a value that cannot be read becomes None, because the alert matters more than its details."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        """Return the value, or None."""
        try:
            return super().run_validation(data)
        except serializers.ValidationError:
            return None


class LenientText(Lenient, Text):
    """A text, or None."""


@_in_place(*_STATES)
class LenientState(Lenient, State):
    """A state, or None."""


@extend_schema_field(
    {
        "type": ["string", "number", "boolean", "object", "array"],
        "description": (
            "A time with its zone (RFC 3339), such as 2026-11-03T04:00:00Z. A time that cannot be read or "
            "makes no sense is ignored."
        ),
        "items": {},
    }
)
class LenientTime(serializers.Field[Any, Any, Any, Any]):
    """A time in any form, or None."""

    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> datetime | None:
        """Return the time in UTC, or None where it cannot be read."""
        return words.read_time(data)


class LenientCount(Lenient, Count):
    """A number, or None."""


class LenientLabels(Lenient, Labels):
    """An object of texts, or None."""


# --- alerts ------------------------------------------------------------------------------------------------
class AlertListSerializer(serializers.ListSerializer[Any]):
    """The alerts of a group."""

    def to_internal_value(self, data: Any) -> Any:
        """Return all alerts.

        Raises:
            ValidationError: some cannot be read; of many only the first few are named.
        """
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError as exc:
            problems = cast("dict[Any, Any]", exc.detail)
            first = islice(problems.items(), _MOST_WRONG_ALERTS)
            raise serializers.ValidationError(dict(first)) from exc


class AlertSerializer(serializers.Serializer[Any]):
    """One alert of Alertmanager's or Grafana's webhook; other fields are allowed."""

    status = State()
    labels = Labels()
    annotations = Labels(required=False, allow_null=True)
    startsAt = LenientTime()
    endsAt = LenientTime()
    generatorURL = LenientText(allow_blank=True)
    fingerprint = LenientText(allow_blank=True)
    dashboardURL = LenientText(allow_blank=True)
    panelURL = LenientText(allow_blank=True)
    silenceURL = LenientText(allow_blank=True)

    class Meta:
        list_serializer_class = AlertListSerializer


_GROUP = {
    "version": "4",
    "groupKey": '{}:{alertname="DiskFull"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "quazzar",
    "groupLabels": {"alertname": "DiskFull"},
    "commonLabels": {"alertname": "DiskFull", "severity": "critical"},
    "commonAnnotations": {"summary": "/var is full"},
    "externalURL": "http://alertmanager.example.com",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "nas", "severity": "critical"},
            "annotations": {"summary": "/var is full"},
            "startsAt": "2026-11-03T12:04:30Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.com/graph",
            "fingerprint": "c0ffee",
        }
    ],
}


class AlertGroupSerializer(serializers.Serializer[Any]):
    """Alertmanager's webhook body, version 4; Grafana's has more fields, which are allowed."""

    version = LenientText()
    groupKey = LenientText()
    truncatedAlerts = LenientCount()
    status = LenientState()
    receiver = LenientText()
    groupLabels = LenientLabels()
    commonLabels = LenientLabels()
    commonAnnotations = LenientLabels()
    externalURL = LenientText(allow_blank=True)
    alerts = AlertSerializer(many=True, allow_empty=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return the values of the fields. A mail shows a hundred alerts, so only the first of very many are read."""
        alerts = data.get("alerts") if isinstance(data, Mapping) else None
        if not isinstance(alerts, list) or len(alerts) <= _MOST_ALERTS:
            return super().to_internal_value(data)
        left_out = len(alerts) - _MOST_ALERTS
        values = super().to_internal_value({**data, "alerts": alerts[:_MOST_ALERTS]})
        return {**values, "truncatedAlerts": (values.get("truncatedAlerts") or 0) + left_out}

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Return the alert group as a notice of the domain code."""
        return {"notice": group_notice(attrs)}


_SIMPLE = {
    "rule": "Disk full",
    "severity": "critical",
    "state": "firing",
    "summary": "92 % of /var",
    "details": {"device": "/dev/sda1"},
}


RULE_EXAMPLE = OpenApiExample("Your own rule", _SIMPLE, request_only=True)
GROUP_EXAMPLE = OpenApiExample("Alertmanager", _GROUP, request_only=True)


@extend_schema_serializer(examples=[RULE_EXAMPLE, GROUP_EXAMPLE])
class SimpleAlertSerializer(StrictSerializer):
    """One rule that fires, or that fires no longer."""

    rule = OneLine(max_length=200)
    severity = OneLine(required=False, allow_blank=True, allow_null=True, max_length=64)
    state = State(required=False, allow_null=True)
    summary = Lines()
    details = Details(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Return the notice; what is null or empty has its default."""
        return {"notice": rule_notice(**{name: value for name, value in attrs.items() if value})}


# --- backups -----------------------------------------------------------------------------------------------
_BACKUP = {
    "job": "nightly",
    "status": "failure",
    "started_at": "2026-11-03T04:00:00Z",
    "finished_at": "2026-11-03T04:03:11Z",
    "size_bytes": 1048576,
    "message": "No space left on device",
}


@extend_schema_serializer(examples=[OpenApiExample("A finished backup", _BACKUP, request_only=True)])
class BackupReportSerializer(StrictSerializer):
    """How one run of a backup job ended."""

    job = OneLine(max_length=200)
    status = Outcome()
    started_at = LenientTime()
    finished_at = LenientTime()
    size_bytes = Count(required=False, allow_null=True)
    message = Lines()

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Return the report.

        An end before the start is left out: the result of a backup matters more than its times.
        """
        start, end = attrs.get("started_at"), attrs.get("finished_at")
        if start and end and end < start:
            attrs["finished_at"] = None
        attrs["succeeded"] = attrs.pop("status") == "success"
        return {"report": BackupReport(**{**attrs, "message": attrs.get("message") or ""})}
