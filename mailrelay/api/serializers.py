"""The relay and its queue as the API takes and shows them. The domain code decides which values are allowed."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from mailrelay.feedback import standing
from mailrelay.history import attempts
from mailrelay.mail import addresses, emails
from mailrelay.mail.emails import Attachment, Email
from mailrelay.models import Feedback, Message, RelaySettings
from mailrelay.queue.byhand import CANCELLED
from mailrelay.relay import presets
from mailrelay.smtp.dialogue import STAGES
from quazzar.api.fields import Line, Secret, Text
from quazzar.api.serializers import StrictSerializer
from quazzar.errors import InvalidEmail

#: Shown in every row of a list, so it cannot be of any length.
LONGEST_SUBJECT = 10_000
PASSWORD_STATES = ("none", "saved", "unreadable")
_MOST_HEADERS = 100
_MOST_ATTACHMENTS = 100


class Address(Line):
    """``name@example.com`` or ``Name <name@example.com>``."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address as it was sent."""
        text = super().to_internal_value(data)
        try:
            addresses.split(text)
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc
        return text


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A preset, which fills in host and port",
            {
                "provider": "mailgun",
                "username": "postmaster@mg.example.com",
                "password": "…",
                "from_address": "node@example.com",
                "alert_recipients": ["ops@example.com"],
            },
            request_only=True,
        )
    ]
)
class RelaySerializer(StrictSerializer):
    """The relay settings. Fields that can only be read may be sent back, and change nothing."""

    provider = serializers.ChoiceField(choices=presets.CHOICES, required=False)
    host = Text(required=False, allow_blank=True)
    port = serializers.IntegerField(required=False, help_text="1 to 65535.")
    security = serializers.ChoiceField(choices=RelaySettings.Security.choices, required=False)
    username = Text(required=False, allow_blank=True)
    password = Secret(
        max_length=4096,
        help_text=(
            "Always reads as an empty string. Leave it out or empty to keep the saved password; null "
            "removes it."
        ),
    )
    has_password = serializers.SerializerMethodField()
    password_state = serializers.ChoiceField(choices=PASSWORD_STATES, read_only=True)
    from_address = Text(required=False, allow_blank=True)
    from_name = Text(required=False, allow_blank=True)
    alert_recipients = serializers.ListField(child=Text(), required=False)
    backup_recipients = serializers.ListField(child=Text(), required=False)
    notify_backup_success = serializers.BooleanField(required=False)
    bounce_address = Text(
        required=False,
        allow_blank=True,
        help_text=(
            "Where bounces go, such as bounces@example.com: each mail's envelope sender is then made from it. "
            "Empty: bounces go to each mail's own sender."
        ),
    )
    configured = serializers.BooleanField(read_only=True)
    updated_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="null if nothing is saved."
    )

    def get_has_password(self, row: RelaySettings) -> bool:
        """Whether one is stored, readable or not."""
        return row.password is not None


class RegionSerializer(serializers.Serializer[Any]):
    """A region of a provider."""

    id = serializers.CharField()
    name = serializers.CharField()
    host = serializers.CharField()


class PresetSerializer(serializers.Serializer[Any]):
    """A provider whose host and port are known."""

    id = serializers.CharField(help_text="The value for the field provider.")
    name = serializers.CharField()
    host = serializers.CharField(allow_blank=True)
    port = serializers.IntegerField()
    security = serializers.ChoiceField(choices=RelaySettings.Security.choices)
    regions = RegionSerializer(many=True, required=False)


@extend_schema_serializer(
    examples=[OpenApiExample("To yourself", {"to": "ops@example.com"}, request_only=True)]
)
class RelayTestSerializer(StrictSerializer):
    """Where the test mail goes."""

    to = Address(max_length=320)


class RelayTestResultSerializer(serializers.Serializer[Any]):
    """How far the test mail got."""

    ok = serializers.BooleanField()
    stage = serializers.ChoiceField(choices=STAGES)
    code = serializers.IntegerField(
        allow_null=True, help_text="The server's reply code; null if there was none."
    )
    message = serializers.CharField()
    hint = serializers.CharField(allow_blank=True, help_text="What to do; empty if the mail was accepted.")
    transcript = serializers.ListField(child=serializers.CharField())
    duration_ms = serializers.IntegerField()


class LastErrorSerializer(serializers.Serializer[Any]):
    """The latest failure of a message."""

    stage = serializers.ChoiceField(choices=[*STAGES, CANCELLED])
    code = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    """What became of a message for one recipient, as a bounce, a complaint or a provider's event told it."""

    class Meta:
        model = Feedback
        fields = ("recipient", "kind", "hard", "status", "code", "said", "host", "source", "reporter", "at")
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "hard": {"help_text": "Of a bounce: the address itself cannot receive mail."},
            "status": {"help_text": "The enhanced status code (RFC 3463), such as 5.1.1; may be empty."},
            "said": {"help_text": "What the recipient's server said."},
            "source": {"help_text": "dsn, text, complaint, or the provider whose event told it."},
        }


class RecipientSerializer(serializers.Serializer[Any]):
    """One envelope recipient."""

    address = serializers.CharField()
    status = serializers.ChoiceField(choices=["pending", "sent", "failed", "suppressed"])
    code = serializers.IntegerField(allow_null=True)
    message = serializers.CharField(allow_blank=True)


class MessageSerializer(serializers.ModelSerializer[Message]):
    """A message of the queue, without its body."""

    last_error = LastErrorSerializer(allow_null=True, read_only=True)
    to = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Message
        fields: tuple[str, ...] = (
            "id",
            "status",
            "attempts",
            "next_attempt_at",
            "to",
            "subject",
            "source",
            "message_id",
            "last_error",
            "created_at",
            "sent_at",
        )
        read_only_fields = fields


class AttemptSerializer(serializers.Serializer[Any]):
    """One delivery attempt."""

    number = serializers.IntegerField(help_text="1 for the first attempt.")
    at = serializers.DateTimeField(help_text="When the attempt ended.")
    stage = serializers.ChoiceField(
        choices=STAGES, help_text="The stage at which it failed; done if it was delivered."
    )
    kind = serializers.CharField(
        allow_blank=True, help_text="The kind of failure, in one word; empty if it was delivered."
    )
    code = serializers.IntegerField(
        allow_null=True, help_text="The server's reply code; null if there was none."
    )
    message = serializers.CharField(
        allow_blank=True, help_text="What the server answered, or why the attempt failed."
    )
    host = serializers.CharField(
        allow_blank=True, help_text="host:port of the server; empty if no server was contacted."
    )
    duration_ms = serializers.IntegerField(allow_null=True)


class MessageDetailSerializer(MessageSerializer):
    """The same, with the state of each recipient and the attempts to deliver it."""

    recipients = serializers.SerializerMethodField()
    attempt_history = serializers.SerializerMethodField()
    feedback = serializers.SerializerMethodField()

    class Meta(MessageSerializer.Meta):
        fields = (*MessageSerializer.Meta.fields, "recipients", "attempt_history", "feedback")
        read_only_fields = fields

    @extend_schema_field(RecipientSerializer(many=True))
    def get_recipients(self, row: Message) -> list[dict[str, Any]]:
        """Return each recipient with its state, as `Message.outcomes` decides it."""
        return row.outcomes()

    @extend_schema_field(FeedbackSerializer(many=True))
    def get_feedback(self, row: Message) -> list[dict[str, Any]]:
        """Return what came back after the relay took the mail, oldest first."""
        return list(FeedbackSerializer(standing.of(row.pk), many=True).data)

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempt_history(self, row: Message) -> list[dict[str, Any]]:
        """Return the first and the latest attempts, oldest first."""
        tried = [{**entry, "at": datetime.fromisoformat(entry["at"])} for entry in attempts(row.history)]
        return list(AttemptSerializer(tried, many=True).data)


@extend_schema_field({"type": "string", "format": "byte", "contentEncoding": "base64"})
class Base64(serializers.Field[bytes, Any, str, Any]):
    """Bytes as base64, with or without line breaks; empty for an empty file."""

    default_error_messages = {"invalid": "This is not valid base64."}

    def to_internal_value(self, data: Any) -> bytes:
        """Return the decoded bytes of the attachment."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError:  # also what binascii raises
            self.fail("invalid")


class AttachmentSerializer(StrictSerializer):
    """A file that goes with a mail."""

    filename = Line(max_length=255)
    content_type = Line(required=False, default="application/octet-stream", max_length=500)
    content_base64 = Base64()


class _Addresses(serializers.ListField):
    child = Address(max_length=998)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, default=list, max_length=emails.MAX_RECIPIENTS, **kwargs)

    def run_child_validation(self, data: list[Any]) -> list[Any]:
        """Check the addresses, unless there are too many: each wrong one would get its own sentence."""
        if len(data) > emails.MAX_RECIPIENTS:
            self.fail("max_length", max_length=emails.MAX_RECIPIENTS)
        result: list[Any] = super().run_child_validation(data)
        return result


class _Headers(serializers.DictField):
    child = Line(allow_blank=True)

    def run_child_validation(self, data: dict[Any, Any]) -> Any:
        """As usual, but not for any number of them, and each with a name."""
        if "" in data:
            raise serializers.ValidationError("A header field needs a name.")
        if len(data) > _MOST_HEADERS:
            raise serializers.ValidationError(f"A mail can have at most {_MOST_HEADERS} extra header fields.")
        return super().run_child_validation(data)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A mail",
            {
                "to": ["Ops <ops@example.com>"],
                "subject": "Disk",
                "text": "92 %",
                "headers": {"X-Node": "nas"},
                "attachments": [
                    {"filename": "df.txt", "content_type": "text/plain", "content_base64": "OTIgJQo="}
                ],
            },
            request_only=True,
        )
    ]
)
class EmailSerializer(StrictSerializer):
    """A mail to queue."""

    to = _Addresses()
    cc = _Addresses()
    bcc = _Addresses()
    subject = Line(required=False, allow_blank=True, default="", max_length=LONGEST_SUBJECT)
    text = Text(required=False, allow_blank=True, default="", trim_whitespace=False)
    html = Text(required=False, allow_blank=True, default="", trim_whitespace=False)
    from_address = Address(required=False, allow_blank=True, default="")
    reply_to = Address(required=False, allow_blank=True, default="")
    headers = _Headers(required=False, default=dict)
    attachments: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=AttachmentSerializer(), required=False, default=list, max_length=_MOST_ATTACHMENTS
    )

    def validate(self, attrs: dict[str, Any]) -> Any:
        """The mail, so that its errors are reported before a missing relay is."""
        files = [
            Attachment(
                filename=file["filename"],
                content_type=file["content_type"],
                content=file["content_base64"],
            )
            for file in attrs.pop("attachments")
        ]
        email = Email(**attrs, attachments=files)
        try:
            emails.check(email)
            emails.recipients(email)
        except InvalidEmail as exc:
            raise serializers.ValidationError({exc.field: [exc.message]}) from exc
        return {"email": email}


class QueuedSerializer(serializers.Serializer[Any]):
    """The answer to a queued mail."""

    id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Message.Status.choices)
    message_id = serializers.CharField()


class DeliverySerializer(serializers.Serializer[Any]):
    """The answer to an alert or a backup report; ``id`` is the queued message's."""

    delivery = serializers.ChoiceField(choices=["queued", "logged"])
    id = serializers.IntegerField(required=False)
