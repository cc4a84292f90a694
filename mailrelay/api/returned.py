"""/api/mail/inboxes and /api/mail/webhooks: where bounces, reports and the events of providers come in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from mailrelay.api.serializers import PASSWORD_STATES
from mailrelay.events import settings as webhooks
from mailrelay.events.providers import CHOICES
from mailrelay.inbox import fetching, settings
from mailrelay.models import EventSource, Inbox
from quazzar.api.fields import Line, Secret, Whole, YesNo
from quazzar.api.serializers import NoBody, StrictSerializer
from quazzar.api.viewsets import ApiViewSet, UpdateRowMixin, rights_of_rows
from quazzar.models import ApiKey
from quazzar.rights import CHANGE_RELAY, SEE_RELAY

_DEFAULTS = settings.DEFAULTS


class InboxErrorSerializer(serializers.Serializer[Any]):
    """Why an inbox cannot be read."""

    message = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField(help_text="When it was read last without this, or first could not be.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A mailbox at a provider",
            {"host": "imap.example.com", "username": "bounces@example.com", "password": "…", "after": "move"},
            request_only=True,
        )
    ]
)
class InboxSerializer(StrictSerializer):
    """An IMAP mailbox to which bounces and reports come. Fields that can only be read may be sent back."""

    id = serializers.IntegerField(read_only=True)
    owned = serializers.BooleanField(
        read_only=True,
        help_text="Quazzar looks after it itself: a mailbox of the node's mail server that belongs to no person.",
    )
    host = Line(max_length=253)
    port = Whole(
        min_value=1,
        max_value=65535,
        required=False,
        allow_null=True,
        default=None,
        help_text="993 with tls, 143 otherwise, if you leave it out.",
    )
    security = serializers.ChoiceField(choices=Inbox.Security.choices, default=_DEFAULTS["security"])
    username = Line(max_length=320)
    password = Secret(
        max_length=4096,
        help_text=(
            "Always reads as an empty string. Leave it out or empty to keep the saved password, as long as "
            "host, port, security and username stay the same."
        ),
    )
    has_password = serializers.SerializerMethodField()
    password_state = serializers.ChoiceField(choices=PASSWORD_STATES, read_only=True)
    folder = Line(max_length=200, default=_DEFAULTS["folder"])
    after = serializers.ChoiceField(
        choices=Inbox.After.choices, default=_DEFAULTS["after"], help_text="What is done with reports."
    )
    processed_folder = Line(
        max_length=200,
        allow_blank=True,
        default=_DEFAULTS["processed_folder"],
        help_text="Where `after: move` moves them.",
    )
    enabled = YesNo(default=True)
    looked_at = serializers.DateTimeField(read_only=True, allow_null=True)
    read_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When a report was last read."
    )
    number_read = serializers.IntegerField(read_only=True, help_text="Reports that were read.")
    last_error = InboxErrorSerializer(read_only=True, allow_null=True)

    def get_has_password(self, row: Inbox) -> bool:
        """Whether one is stored, readable or not."""
        return row.password is not None


class InboxChangeSerializer(InboxSerializer):
    """A change of an inbox."""


class InboxViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateRowMixin, DestroyModelMixin, ApiViewSet
):
    """The inboxes in which bounces and reports are read, with Quazzar's own."""

    rights: ClassVar = {
        **rights_of_rows(SEE_RELAY, CHANGE_RELAY, CHANGE_RELAY, CHANGE_RELAY),
        "look": CHANGE_RELAY,
    }
    queryset = Inbox.objects.order_by("pk")
    serializer_class = InboxSerializer
    change_serializer_class = InboxChangeSerializer
    filterset_fields: ClassVar[list[str]] = ["enabled", "owned"]
    search_fields: ClassVar[list[str]] = ["username", "host"]
    ordering_fields: ClassVar[list[str]] = ["id", "username", "looked_at"]

    # No Idempotency-Key: even a keyed digest of the body would be one of the password.
    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Adds an inbox. It is read within 30 seconds, from the mails of the last seven days on."""
        serializer.instance = settings.add(serializer.validated_data)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """The saved password stays with its server, user name and security. Quazzar's own inbox cannot be changed."""
        serializer.instance = settings.change(self.row_id, serializer.validated_data)

    def perform_destroy(self, instance: Inbox) -> None:
        """Removes an inbox and its password; what was read stays. Quazzar's own inbox cannot be removed."""
        settings.remove(instance.pk)

    @action(detail=True, methods=["post"], serializer_class=NoBody, answer_class=InboxSerializer)
    def look(self, request: Request, pk: int) -> Response:
        """Reads what is new now, and answers with the inbox; ``last_error`` says why it could not be read."""
        row: Inbox = self.get_object()
        fetching.look(row)
        row.refresh_from_db()
        return self.answer(row)


# --- events of providers -----------------------------------------------------------------------------------
class _Key(Secret):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=2000,
            help_text=(
                "What the provider's calls are checked with: its signing or verification key, a password "
                "(Postmark), or the ARN of the topic (SES). Always reads as an empty string."
            ),
            **kwargs,
        )


@extend_schema_serializer(
    examples=[OpenApiExample("Events of Mailgun", {"provider": "mailgun", "key": "key-…"}, request_only=True)]
)
class WebhookSerializer(StrictSerializer):
    """A provider that calls this node when something becomes of a mail."""

    id = serializers.IntegerField(read_only=True)
    provider = serializers.ChoiceField(choices=CHOICES, help_text="Cannot be changed later.")
    key = _Key()
    has_key = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField(
        help_text="What to paste at the provider. Secret, so empty for callers who may not change the relay settings."
    )
    created_at = serializers.DateTimeField(read_only=True)
    last_event_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_event = serializers.CharField(read_only=True)
    refused_at = serializers.DateTimeField(read_only=True, allow_null=True)
    refusal = serializers.CharField(read_only=True, help_text="Why the last refused call was refused.")

    def get_has_key(self, row: EventSource) -> bool:
        """Whether one is stored, readable or not."""
        return row.key is not None

    @extend_schema_field(OpenApiTypes.STR)
    def get_address(self, row: EventSource) -> str:
        """Return the whole address, for those who may know it."""
        request = self.context["request"]
        auth = request.auth
        has_scope = not isinstance(auth, ApiKey) or CHANGE_RELAY.scope in auth.scopes
        if not (has_scope and CHANGE_RELAY(request.user)) or not row.token.readable:
            return ""
        return str(request.build_absolute_uri(f"/api/mail/events/{row.provider}/{row.token.reveal()}"))


@extend_schema_serializer(examples=[OpenApiExample("Another key", {"key": "key-…"}, request_only=True)])
class WebhookChangeSerializer(WebhookSerializer):
    """A change of a webhook."""

    provider = serializers.ChoiceField(
        choices=CHOICES,
        required=False,
        help_text="Cannot be changed.",
    )


class WebhookViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateRowMixin, DestroyModelMixin, ApiViewSet
):
    """The webhooks by which providers tell what became of mails: one for each provider."""

    rights: ClassVar = {
        **rights_of_rows(SEE_RELAY, CHANGE_RELAY, CHANGE_RELAY, CHANGE_RELAY),
        "renew": CHANGE_RELAY,
    }
    queryset = EventSource.objects.all()
    serializer_class = WebhookSerializer
    change_serializer_class = WebhookChangeSerializer
    filterset_fields: ClassVar[list[str]] = ["provider"]
    search_fields: ClassVar[list[str]] = ["provider"]
    ordering_fields: ClassVar[list[str]] = ["id", "provider", "last_event_at"]

    def get_queryset(self) -> QuerySet[EventSource]:
        """Return the webhooks in the order of their providers' names."""
        return EventSource.objects.order_by("provider")

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Makes the webhook of a provider, with an address that nobody can guess."""
        values = serializer.validated_data
        serializer.instance = webhooks.add(values["provider"], values.get("key") or "")

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        """Changes the key; the address stays. An absent or empty key keeps the stored one."""
        row: EventSource = self.get_object()
        serializer.instance = webhooks.change(row.pk, serializer.validated_data)

    def perform_destroy(self, instance: EventSource) -> None:
        """Removes a webhook: its address stops working at once. What it told stays."""
        webhooks.remove(instance.provider)

    @action(detail=True, methods=["post"], serializer_class=NoBody, answer_class=WebhookSerializer)
    def renew(self, request: Request, pk: int) -> Response:
        """Gives the webhook another address; the old one stops working at once."""
        return self.answer(webhooks.renew(self.get_object().provider))
