"""/api/mail/: relay, messages, alerts, backups. Each view calls a domain function and shows what it returns."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from mailrelay import notifiers
from mailrelay.api.noticeserializers import (
    ALERT_EXAMPLES,
    BACKUP_EXAMPLES,
    AlertGroupSerializer,
    BackupReportSerializer,
    SimpleAlertSerializer,
)
from mailrelay.api.serializers import (
    DeliverySerializer,
    EmailSerializer,
    MessageDetailSerializer,
    MessageSerializer,
    PresetSerializer,
    QueuedSerializer,
    RelaySerializer,
    RelayTestResultSerializer,
    RelayTestSerializer,
    RelayWriteSerializer,
)
from mailrelay.diagnosis import testmail as relaytest
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import outbox
from mailrelay.relay import presets
from mailrelay.relay import settings as relaysettings
from mailrelay.sender import Sender
from quazzar.api.idempotency import idempotent
from quazzar.errors import QuazzarError
from quazzar.models import ApiKey

#: The largest id that a row can have; a larger one is no message, and SQLite refuses to look for it.
LARGEST_ID = 2**63 - 1


class NotRetryable(QuazzarError):
    """The message is on its way, was sent, or has no body any more."""

    code = "not_retryable"
    message = "Only a message that waits or failed, and still has its body, can be tried again."
    status = 409


class RelayView(APIView):
    """The relay settings."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="relay_read", responses=RelaySerializer)
    def get(self, request: Request) -> Response:
        """The settings; the password is always empty."""
        return self._shown(RelaySettings.load())

    @extend_schema(operation_id="relay_replace", request=RelayWriteSerializer, responses=RelaySerializer)
    def put(self, request: Request) -> Response:
        """Replaces the settings; a preset fills host and port when they are absent."""
        return self._save(request, partial=False)

    @extend_schema(operation_id="relay_change", request=RelayWriteSerializer, responses=RelaySerializer)
    def patch(self, request: Request) -> Response:
        """Changes what is given; another preset fills host and port when they are absent."""
        return self._save(request, partial=True)

    @extend_schema(operation_id="relay_remove", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Back to not configured."""
        relaysettings.clear()
        return Response(status=204)

    def _save(self, request: Request, *, partial: bool) -> Response:
        serializer = RelayWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return self._shown(relaysettings.update(serializer.validated_data, partial=partial))

    def _shown(self, row: RelaySettings) -> Response:
        return Response(RelaySerializer(row).data)


class PresetsView(APIView):
    """The providers whose host and port are known."""

    pagination_class = None

    @extend_schema(operation_id="relay_presets", responses=PresetSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All presets, Custom SMTP last."""
        return Response([preset.public() for preset in presets.PRESETS])


class RelayTestView(APIView):
    """The test mail."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(
        operation_id="relay_test", request=RelayTestSerializer, responses=RelayTestResultSerializer
    )
    @idempotent(atomic=False)
    def post(self, request: Request) -> Response:
        """Walks the relay stage by stage. A failed delivery is still 200: the test ran."""
        serializer = RelayTestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = relaytest.run(serializer.validated_data["to"])
        return Response(RelayTestResultSerializer(result).data)


@extend_schema_view(get=extend_schema(operation_id="message_list"))
class MessagesView(generics.ListAPIView[Message]):
    """The queue."""

    write_scope = ApiKey.Scope.SEND
    queryset = Message.objects.defer("body", "recipients")
    filterset_fields: ClassVar[list[str]] = ["status", "source"]
    search_fields: ClassVar[list[str]] = ["subject", "message_id", "to"]
    ordering_fields: ClassVar[list[str]] = [
        "id",
        "created_at",
        "status",
        "attempts",
        "next_attempt_at",
        "sent_at",
    ]

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """What is taken differs from what is shown; the browsable page asks for both."""
        return EmailSerializer if self.request.method == "POST" else MessageSerializer

    @extend_schema(operation_id="message_queue", request=EmailSerializer, responses={202: QueuedSerializer})
    @idempotent(atomic=True)
    def post(self, request: Request) -> Response:
        """Queues a mail. Once this is answered, the mail survives a crash."""
        serializer = EmailSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        message = Sender().queue(serializer.validated_data["email"], source=Message.Source.API)
        return Response(QueuedSerializer(message).data, status=202)


@extend_schema_view(get=extend_schema(operation_id="message_read"))
class MessageView(generics.RetrieveAPIView[Message]):
    """One message of the queue."""

    serializer_class = MessageDetailSerializer

    def get_object(self) -> Message:
        """The message, without its body."""
        return _message(self.kwargs["pk"])


class MessageRetryView(APIView):
    """Another try for a message that waits or failed."""

    write_scope = ApiKey.Scope.SEND

    @extend_schema(operation_id="message_retry", request=None, responses={202: QueuedSerializer})
    @idempotent(atomic=True)
    def post(self, request: Request, pk: int) -> Response:
        """Puts the message at the head of the queue."""
        message = _message(pk)
        if not outbox.retry(message):
            raise NotRetryable
        message.status = Message.Status.QUEUED
        return Response(QueuedSerializer(message).data, status=202)


def _message(pk: int) -> Message:
    messages: QuerySet[Message] = Message.objects.defer("body")
    message = messages.filter(pk=pk).first() if pk <= LARGEST_ID else None
    if message is None:
        raise NotFound("There is no such message.")
    return message


class _NotificationView(APIView):
    """Base of the two callers that answer queued or logged."""

    write_scope = ApiKey.Scope.SEND

    def _answer(self, told: notifiers.Notification) -> Response:
        body: dict[str, Any] = {"delivery": told.delivery}
        if told.message is not None:
            body["id"] = told.message.pk
        return Response(body, status=202)


class AlertsView(_NotificationView):
    """Alertmanager's and Grafana's webhook, and a simple form."""

    @extend_schema(
        operation_id="alert_send",
        request=PolymorphicProxySerializer("AnyAlert", [AlertGroupSerializer, SimpleAlertSerializer], None),
        responses={202: DeliverySerializer},
        examples=ALERT_EXAMPLES,
    )
    @idempotent(atomic=True)
    def post(self, request: Request) -> Response:
        """Mails the alert to the alert recipients, or logs it."""
        return self._answer(notifiers.notify_alert(request.data))


class BackupsView(_NotificationView):
    """A finished backup job."""

    @extend_schema(
        operation_id="backup_send",
        request=BackupReportSerializer,
        responses={202: DeliverySerializer},
        examples=BACKUP_EXAMPLES,
    )
    @idempotent(atomic=True)
    def post(self, request: Request) -> Response:
        """Mails the report to the backup recipients, or logs it."""
        return self._answer(notifiers.notify_backup(request.data))
