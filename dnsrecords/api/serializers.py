"""How the API shows the records of a domain."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from dnsrecords.checking.report import Report, Row
from dnsrecords.dkim.progress import Ed25519Key, Rotation
from dnsrecords.dmarc.policy import POLICIES
from dnsrecords.dmarc.stages import Step
from dnsrecords.models import DomainOptions, Publisher
from dnsrecords.publishing.rules import ALGORITHMS
from dnsrecords.text import strings as txt
from dnsrecords.verdicts import Status
from mailboxes.api.serializers import ProblemSerializer
from quazzar.api.fields import Text, Whole, YesNo
from quazzar.api.serializers import StrictSerializer

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
    """One record to publish, and the result of its last check."""

    id = serializers.CharField(source="record.id")
    type = serializers.CharField(source="record.type")
    name = serializers.CharField(
        source="record.name", help_text="The fully qualified name, without the final dot."
    )
    relative_name = serializers.CharField(
        help_text=(
            "The name to enter at a registrar that appends the zone. If the zone is unknown: the fully "
            "qualified name, with the final dot."
        )
    )
    value = serializers.CharField(source="to_publish.value")
    strings = serializers.SerializerMethodField(
        help_text="The TXT value, split into strings of at most 255 bytes."
    )
    ttl = serializers.IntegerField(source="record.ttl")
    purpose = serializers.CharField(source="record.purpose")
    required = serializers.BooleanField(source="record.required")  # type: ignore[assignment]
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    found = serializers.ListField(
        child=serializers.CharField(), help_text="The values that are published now."
    )
    message = serializers.CharField(allow_blank=True, help_text="What is wrong, and what to change.")
    advice = serializers.CharField(
        allow_blank=True,
        help_text="The value that the last check suggests instead; empty if it suggests none.",
    )
    propagation = serializers.CharField(allow_blank=True)

    def get_strings(self, row: Row) -> list[str]:
        """Return the strings of a TXT record, 255 octets at most each; nothing for other types."""
        return list(txt.split(row.to_publish.value)) if row.record.type == "TXT" else []


class RotationSerializer(serializers.Serializer[Rotation]):
    """The state of a domain's DKIM key rotation."""

    state = serializers.ChoiceField(choices=["none", "pending", "retiring"])
    selector = serializers.CharField(help_text="Selector of the key that signs.")
    other = serializers.CharField(
        allow_blank=True,
        help_text="Selector of the key that is waiting to be published, or that signed before.",
    )
    since = serializers.DateTimeField(allow_null=True, help_text="When the current key started to sign.")
    keep_until = serializers.DateTimeField(allow_null=True, help_text="Keep the old record until this time.")
    message = serializers.CharField(allow_blank=True, help_text="What to do next.")


class DmarcStageSerializer(serializers.Serializer[Step]):
    """A stage of the path to a strong DMARC policy."""

    policy = serializers.ChoiceField(choices=POLICIES)
    value = serializers.CharField(help_text="The record to publish for this stage.")
    needs = serializers.CharField(help_text="What to have in place first, and what the stage does.")
    reached = serializers.BooleanField(help_text="Whether this policy, or a stronger one, is published.")


class DmarcPathSerializer(serializers.Serializer[Any]):
    """All stages, weakest first."""

    stages = DmarcStageSerializer(many=True)


@extend_schema_serializer(examples=[OpenApiExample("Checked", _EXAMPLE, response_only=True)])
class DomainRecordsSerializer(serializers.Serializer[Report]):
    """A domain's records; exactly four are required."""

    domain = serializers.CharField(source="domain.name")
    checked_at = serializers.DateTimeField(allow_null=True)
    records = DnsRecordSerializer(many=True, source="rows")


class Ed25519Serializer(serializers.Serializer[Ed25519Key]):
    """The state of a domain's Ed25519 key."""

    state = serializers.ChoiceField(choices=["off", "pending", "signing"])
    selector = serializers.CharField(
        allow_blank=True, help_text="Selector of the Ed25519 key; empty if there is none."
    )
    message = serializers.CharField(help_text="What to do next.")


# --- what is chosen ----------------------------------------------------------------------------------------
class OptionsSerializer(StrictSerializer):
    """The options of a domain's records."""

    mta_sts = serializers.ChoiceField(
        choices=DomainOptions.MtaSts.values,
        required=False,
        help_text="Mode of the MTA-STS policy. off: no policy and no records.",
    )
    dmarc = serializers.ChoiceField(
        choices=DomainOptions.Dmarc.values,
        required=False,
        help_text="The DMARC policy to publish. A published one that is stronger is right as well.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Your own name server",
            {
                "server": "ns1.example.com",
                "key_name": "quazzar.",
                "secret": "c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2g=",
            },
            request_only=True,
        )
    ]
)
class PublisherSerializer(StrictSerializer):
    """A primary name server and its TSIG key. Fields that you leave out get their defaults."""

    kind = serializers.ChoiceField(choices=Publisher.Kind.values, required=False)
    server = Text(max_length=253, help_text="Address or name of the zone's primary name server.")
    port = Whole(required=False, default=53)
    zone = Text(
        max_length=253,
        required=False,
        allow_blank=True,
        default="",
        help_text="Empty: a zone with the domain's name.",
    )
    key_name = Text(max_length=253, help_text="Name of the TSIG key.")
    algorithm = serializers.ChoiceField(choices=ALGORITHMS, required=False, default="hmac-sha256")
    secret = Text(
        max_length=1024,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Base64. Always reads as an empty string. Leave it out or empty to keep the saved one.",
    )
    has_secret = serializers.BooleanField(read_only=True)
    configured = serializers.BooleanField(read_only=True)
    published_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_error = ProblemSerializer(read_only=True, allow_null=True)

    def to_representation(self, row: Publisher) -> dict[str, Any]:
        """Return the fields of the name server's key, but never its secret."""
        return {
            "kind": row.kind,
            "server": row.server,
            "port": row.port,
            "zone": row.zone or row.domain.name,
            "key_name": row.key_name,
            "algorithm": row.algorithm,
            "secret": "",
            "has_secret": row.secret is not None,
            "configured": bool(row.server),
            "published_at": row.published_at
            and serializers.DateTimeField().to_representation(row.published_at),
            "last_error": row.last_error,
        }


class PublishSerializer(StrictSerializer):
    """How to publish."""

    replace = YesNo(
        required=False,
        default=False,
        help_text=(
            "Whether to replace records that Quazzar did not publish, where a record cannot be published "
            "beside them."
        ),
    )


class PublishedValueSerializer(serializers.Serializer[Any]):
    """A value in the zone."""

    name = serializers.CharField()
    type = serializers.CharField()
    value = serializers.CharField()


class PublishConflictSerializer(serializers.Serializer[Any]):
    """A record that was left alone."""

    name = serializers.CharField()
    type = serializers.CharField()
    found = serializers.ListField(child=serializers.CharField())
    message = serializers.CharField()


class PublishedSerializer(serializers.Serializer[Any]):
    """What publishing did."""

    published = PublishedValueSerializer(many=True)
    removed = PublishedValueSerializer(many=True)
    unchanged = serializers.IntegerField(help_text="Number of records that needed no change.")
    conflicts = PublishConflictSerializer(many=True)
