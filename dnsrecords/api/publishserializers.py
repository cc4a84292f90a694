"""How the API shows and takes the name server that a domain's records are published at."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dnsrecords.models import Publisher
from dnsrecords.publishing.rules import ALGORITHMS
from quazzar.api.serializers import StrictSerializer


class PublisherSerializer(StrictSerializer):
    """A primary name server and its TSIG key; what is left out has its default."""

    kind = serializers.ChoiceField(choices=Publisher.Kind.values, required=False)
    server = serializers.CharField(max_length=253, help_text="Address or name of the zone's primary.")
    port = serializers.IntegerField(required=False, default=53)
    zone = serializers.CharField(
        max_length=253, required=False, allow_blank=True, default="", help_text="Empty: the domain's own."
    )
    key_name = serializers.CharField(max_length=253, help_text="Of the TSIG key.")
    algorithm = serializers.ChoiceField(choices=ALGORITHMS, required=False, default="hmac-sha256")
    secret = serializers.CharField(
        max_length=1024, required=False, allow_blank=True, trim_whitespace=False,
        help_text="Base64. Always read as the empty text; absent or empty keeps it.",
    )  # fmt: skip
    has_secret = serializers.BooleanField(read_only=True)
    configured = serializers.BooleanField(read_only=True)
    published_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_error = serializers.SerializerMethodField()

    @extend_schema_field({"type": ["object", "null"], "properties": {
        "code": {"type": "string"}, "message": {"type": "string"}, "hint": {"type": "string"},
    }})  # fmt: skip
    def get_last_error(self, row: Publisher) -> dict[str, str] | None:
        """Of the last attempt."""
        error: dict[str, str] | None = row.last_error
        return error

    def to_representation(self, row: Publisher) -> dict[str, Any]:
        """Never the secret."""
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

    replace = serializers.BooleanField(
        required=False, default=False, help_text="What is not ours gives way, where a record needs its place."
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
    unchanged = serializers.IntegerField(help_text="Records that were right as they were.")
    conflicts = PublishConflictSerializer(many=True)
