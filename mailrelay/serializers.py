"""What the API takes and shows. Shape only: whether a value may be is decided by the domain functions."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mailrelay.emails import Attachment, Email
from mailrelay.models import Message, RelaySettings
from quazzar.api.serializers import StrictModelSerializer, StrictSerializer


class RelaySerializer(StrictModelSerializer):
    """The relay settings; the password goes in and never comes out."""

    provider = serializers.ChoiceField(choices=RelaySettings.Provider.choices, required=False)
    host = serializers.CharField(required=False, allow_blank=True)
    port = serializers.IntegerField(required=False)
    security = serializers.ChoiceField(choices=RelaySettings.Security.choices, required=False)
    username = serializers.CharField(required=False, allow_blank=True, max_length=320)
    password = serializers.SerializerMethodField(
        help_text="Always empty when read. Write: empty keeps, null removes."
    )
    has_password = serializers.SerializerMethodField()
    password_state = serializers.ChoiceField(choices=["none", "saved", "unreadable"], read_only=True)
    from_address = serializers.CharField(required=False, allow_blank=True)
    from_name = serializers.CharField(required=False, allow_blank=True, max_length=200)
    alert_recipients = serializers.ListField(child=serializers.CharField(), required=False)
    backup_recipients = serializers.ListField(child=serializers.CharField(), required=False)
    configured = serializers.BooleanField(read_only=True)
    updated_at = serializers.SerializerMethodField()

    class Meta:
        model = RelaySettings
        fields = (
            "provider", "host", "port", "security", "username", "password", "has_password", "password_state",
            "from_address", "from_name", "alert_recipients", "backup_recipients", "notify_backup_success",
            "configured", "updated_at",
        )  # fmt: skip

    def get_password(self, row: RelaySettings) -> str:
        """Never the password."""
        return ""

    def get_has_password(self, row: RelaySettings) -> bool:
        """Whether one is stored, readable or not."""
        return row.password is not None

    @extend_schema_field({"type": ["string", "null"], "format": "date-time"})
    def get_updated_at(self, row: RelaySettings) -> str | None:
        """Null while nothing was ever saved."""
        return (
            None if row.updated_at is None else serializers.DateTimeField().to_representation(row.updated_at)
        )


class RelayWriteSerializer(RelaySerializer):
    """The same, as it is written."""

    password = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, trim_whitespace=False, max_length=4096,
        style={"input_type": "password"}, write_only=True,
    )  # type: ignore[assignment]  # fmt: skip
    notify_backup_success = serializers.BooleanField(required=False)


class RegionSerializer(serializers.Serializer[Any]):
    """A region of a provider."""

    id = serializers.CharField()
    name = serializers.CharField()
    host = serializers.CharField()


class PresetSerializer(serializers.Serializer[Any]):
    """A provider whose host and port are known."""

    id = serializers.CharField()
    name = serializers.CharField()
    host = serializers.CharField(allow_blank=True)
    port = serializers.IntegerField()
    security = serializers.CharField()
    regions = RegionSerializer(many=True, required=False)


class RelayTestSerializer(StrictSerializer):
    """Where the test mail goes."""

    to = serializers.CharField(max_length=320)


class RelayTestResultSerializer(serializers.Serializer[Any]):
    """How far the test mail came."""

    ok = serializers.BooleanField()
    stage = serializers.CharField()
    code = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)
    transcript = serializers.ListField(child=serializers.CharField())
    duration_ms = serializers.IntegerField()


class LastErrorSerializer(serializers.Serializer[Any]):
    """The latest failure of a message."""

    stage = serializers.CharField()
    code = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()


class RecipientSerializer(serializers.Serializer[Any]):
    """One envelope recipient."""

    address = serializers.CharField()
    status = serializers.ChoiceField(choices=["pending", "sent", "failed"])
    code = serializers.IntegerField(allow_null=True)
    message = serializers.CharField(allow_blank=True)


class MessageSerializer(serializers.ModelSerializer[Message]):
    """A message of the queue, without its body."""

    last_error = LastErrorSerializer(allow_null=True, read_only=True)
    to = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Message
        fields = (
            "id", "status", "attempts", "next_attempt_at", "to", "subject", "source", "message_id", "last_error",
            "created_at", "sent_at",
        )  # fmt: skip
        read_only_fields = fields


class MessageDetailSerializer(MessageSerializer):
    """The same, with the state of each recipient."""

    recipients = serializers.SerializerMethodField()

    class Meta(MessageSerializer.Meta):
        fields = (*MessageSerializer.Meta.fields, "recipients")
        read_only_fields = fields

    @extend_schema_field(RecipientSerializer(many=True))
    def get_recipients(self, row: Message) -> list[dict[str, Any]]:
        """Who has it: what was still pending when the message was sent has arrived."""
        sent = row.status == Message.Status.SENT
        return [
            {
                "address": one["address"],
                "status": "sent" if sent and one["status"] == "pending" else one["status"],
                "code": one.get("code"),
                "message": one.get("message", ""),
            }
            for one in row.recipients
        ]


class AttachmentSerializer(StrictSerializer):
    """A file that goes with a mail."""

    filename = serializers.CharField(max_length=255)
    content_type = serializers.CharField(required=False, default="application/octet-stream", max_length=255)
    content_base64 = serializers.CharField(allow_blank=True, trim_whitespace=False)

    def validate_content_base64(self, value: str) -> bytes:
        """The bytes."""
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except binascii.Error as exc:
            raise serializers.ValidationError("This is not base64.") from exc


class _Addresses(serializers.ListField):
    child = serializers.CharField(max_length=998)


class EmailSerializer(StrictSerializer):
    """A mail to queue."""

    to = _Addresses(required=False, default=list)
    cc = _Addresses(required=False, default=list)
    bcc = _Addresses(required=False, default=list)
    subject = serializers.CharField(required=False, allow_blank=True, default="", trim_whitespace=False)
    text = serializers.CharField(required=False, allow_blank=True, default="", trim_whitespace=False)
    html = serializers.CharField(required=False, allow_blank=True, default="", trim_whitespace=False)
    from_address = serializers.CharField(required=False, allow_blank=True, default="")
    reply_to = serializers.CharField(required=False, allow_blank=True, default="")
    headers = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False), required=False, default=dict
    )
    attachments = AttachmentSerializer(many=True, required=False, default=list)

    def email(self) -> Email:
        """The validated mail."""
        fields = dict(self.validated_data)
        fields["attachments"] = [
            Attachment(
                filename=one["filename"], content_type=one["content_type"], content=one["content_base64"]
            )
            for one in fields["attachments"]
        ]
        return Email(**fields)


class QueuedSerializer(serializers.Serializer[Any]):
    """The answer to a queued mail."""

    id = serializers.IntegerField()
    status = serializers.CharField()
    message_id = serializers.CharField()


class DeliverySerializer(serializers.Serializer[Any]):
    """The answer to an alert or a backup report."""

    delivery = serializers.ChoiceField(choices=["queued", "logged"])
    id = serializers.IntegerField(required=False)
