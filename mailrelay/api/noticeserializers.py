"""Alert and backup bodies as the OpenAPI description shows them; what is read is decided by alerts and backups."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field
from rest_framework import serializers

from mailrelay.api.serializers import Text
from quazzar.api.serializers import StrictSerializer


def _one_of(*words: str) -> Any:
    """Described in place: an enumeration would become a component, and its name clash with others'."""
    return extend_schema_field({"type": "string", "anyOf": [{"const": word} for word in words]})


@_one_of("firing", "resolved")
class StateField(serializers.CharField):
    """Whether an alert is on or over."""


@_one_of("success", "failure")
class OutcomeField(serializers.CharField):
    """How a backup ended."""


class LabelsField(serializers.DictField):
    """An object of texts."""

    child = Text(allow_blank=True)


class AlertSerializer(serializers.Serializer[Any]):
    """One alert of Alertmanager's or Grafana's webhook; other fields are allowed."""

    status = StateField()
    labels = LabelsField()
    annotations = LabelsField(required=False, allow_null=True)
    startsAt = serializers.DateTimeField(required=False)
    endsAt = serializers.DateTimeField(required=False)
    generatorURL = serializers.CharField(required=False, allow_blank=True)
    fingerprint = serializers.CharField(required=False, allow_blank=True)


class AlertGroupSerializer(serializers.Serializer[Any]):
    """Alertmanager's webhook body, version 4; Grafana's has more fields, which are allowed."""

    version = serializers.CharField(required=False)
    groupKey = serializers.CharField(required=False)
    truncatedAlerts = serializers.IntegerField(required=False, min_value=0)
    status = StateField(required=False)
    receiver = serializers.CharField(required=False)
    groupLabels = LabelsField(required=False)
    commonLabels = LabelsField(required=False)
    commonAnnotations = LabelsField(required=False)
    externalURL = serializers.CharField(required=False, allow_blank=True)
    alerts = AlertSerializer(many=True, allow_empty=False)


@extend_schema_field({"type": ["string", "object", "null"]})
class DetailsField(serializers.JSONField):
    """A text, or an object of anything."""


class SimpleAlertSerializer(StrictSerializer):
    """One rule that fires, or is over."""

    rule = serializers.CharField(max_length=200)
    severity = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=64)
    state = StateField(required=False)
    summary = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    details = DetailsField(required=False)


class BackupReportSerializer(StrictSerializer):
    """How one run of a backup job ended."""

    job = serializers.CharField(max_length=200)
    status = OutcomeField()
    started_at = serializers.DateTimeField(required=False, allow_null=True)
    finished_at = serializers.DateTimeField(required=False, allow_null=True)
    size_bytes = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    message = serializers.CharField(required=False, allow_blank=True, allow_null=True)


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
_SIMPLE = {
    "rule": "Disk full",
    "severity": "critical",
    "state": "firing",
    "summary": "92 % of /var",
    "details": {"device": "/dev/sda1"},
}
_BACKUP = {
    "job": "nightly",
    "status": "failure",
    "started_at": "2026-11-03T04:00:00Z",
    "finished_at": "2026-11-03T04:03:11Z",
    "size_bytes": 1048576,
    "message": "No space left on device",
}
ALERT_EXAMPLES = [
    OpenApiExample("Alertmanager", _GROUP, request_only=True),
    OpenApiExample("A rule of one's own", _SIMPLE, request_only=True),
]
BACKUP_EXAMPLES = [OpenApiExample("A finished backup", _BACKUP, request_only=True)]
