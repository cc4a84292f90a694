"""How the API shows the records of a domain."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from dnsrecords.checking.report import Report, Row
from dnsrecords.dkim.progress import Rotation
from dnsrecords.dmarc.policy import POLICIES
from dnsrecords.dmarc.stages import Step
from dnsrecords.names import relative_name
from dnsrecords.text import strings as txt
from dnsrecords.verdicts import Status

_EXAMPLE = {
    "domain": "example.com",
    "checked_at": "2026-11-22T12:00:00Z",
    "records": [
        {
            "id": "mx",
            "type": "MX",
            "name": "example.com",
            "relative_name": "@",
            "value": "10 mail.example.com.",
            "strings": [],
            "ttl": 3600,
            "purpose": "Tells other mail servers to deliver the mail for example.com to this node.",
            "required": True,
            "status": "ok",
            "found": ["10 mail.example.com"],
            "message": "",
            "advice": "",
            "propagation": "seen on 2 of 2 name servers",
        }
    ],
}


class DnsRecordSerializer(serializers.Serializer[Row]):
    """One record to publish, and how it stood when it was last looked up."""

    id = serializers.CharField(source="record.id")
    type = serializers.CharField(source="record.type")
    name = serializers.CharField(source="record.name", help_text="Absolute, without a final dot.")
    relative_name = serializers.SerializerMethodField(help_text="As registrars want it that add the zone.")
    value = serializers.CharField(source="record.value")
    strings = serializers.SerializerMethodField(help_text="A TXT value in pieces of at most 255 bytes.")
    ttl = serializers.IntegerField(source="record.ttl")
    purpose = serializers.CharField(source="record.purpose")
    required = serializers.BooleanField(source="record.required")  # type: ignore[assignment]
    status = serializers.ChoiceField(choices=[each.value for each in Status])
    found = serializers.ListField(child=serializers.CharField(), help_text="What is published there.")
    message = serializers.CharField(allow_blank=True, help_text="What is wrong, and what to change.")
    advice = serializers.CharField(
        allow_blank=True, help_text="What to paste instead of value, if not empty."
    )
    propagation = serializers.CharField(allow_blank=True)

    def get_relative_name(self, row: Row) -> str:
        """``@`` for the domain itself."""
        return relative_name(row.record.name, self.context["domain"])

    def get_strings(self, row: Row) -> list[str]:
        """Only of TXT."""
        return list(txt.split(row.record.value)) if row.record.type == "TXT" else []


class RotationSerializer(serializers.Serializer[Rotation]):
    """Where a domain's DKIM key is on its way."""

    state = serializers.ChoiceField(choices=["none", "pending", "retiring"])
    selector = serializers.CharField(help_text="Of the key that signs.")
    other = serializers.CharField(
        allow_blank=True, help_text="Of the key that waits to be published, or that signed before."
    )
    since = serializers.DateTimeField(allow_null=True, help_text="When the present key took over.")
    keep_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then the old record has to stay."
    )
    message = serializers.CharField(allow_blank=True, help_text="What to do next.")


class DmarcStageSerializer(serializers.Serializer[Step]):
    """A stage of the path to a strong DMARC policy."""

    policy = serializers.ChoiceField(choices=POLICIES)
    value = serializers.CharField(help_text="The record to publish for it.")
    needs = serializers.CharField(help_text="What has to be so first, and what it does.")
    reached = serializers.BooleanField(help_text="It, or a stronger one, is published.")


class DmarcPathSerializer(serializers.Serializer[Any]):
    """All stages, the weakest first."""

    stages = DmarcStageSerializer(many=True)


@extend_schema_serializer(examples=[OpenApiExample("Checked", _EXAMPLE, response_only=True)])
class DomainRecordsSerializer(serializers.Serializer[Report]):
    """A domain's records; exactly four are required."""

    domain = serializers.CharField()
    checked_at = serializers.DateTimeField(allow_null=True)
    records = DnsRecordSerializer(many=True)

    def to_representation(self, report: Report) -> dict[str, Any]:
        """The records know which domain they are relative to."""
        rows = DnsRecordSerializer(many=True, instance=[*report.rows], context={"domain": report.domain.name})  # type: ignore[arg-type]
        checked_at = report.checked_at
        return {
            "domain": report.domain.name,
            "checked_at": checked_at and serializers.DateTimeField().to_representation(checked_at),
            "records": rows.data,
        }
