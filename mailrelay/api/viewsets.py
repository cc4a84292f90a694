"""/api/mail/: relay, messages, alerts, backups. Each action calls a domain function and shows what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from mailrelay import notifiers
from mailrelay.api.noticeserializers import (
    GROUP_EXAMPLE,
    RULE_EXAMPLE,
    AlertGroupSerializer,
    BackupReportSerializer,
    SimpleAlertSerializer,
)
from mailrelay.api.pages import MessagePages
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
)
from mailrelay.diagnosis import testmail
from mailrelay.expected import arrivals, signatures
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import byhand
from mailrelay.relay import presets
from mailrelay.relay import settings as relaysettings
from mailrelay.sender import Sender
from quazzar.api.idempotency import idempotent
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet
from quazzar.errors import QuazzarError
from quazzar.models import ApiKey
from quazzar.rights import CHANGE_RELAY, RETRY, SEE_QUEUE, SEE_RELAY, SEND, TEST_RELAY


class NotRetryable(QuazzarError):
    """The message is being sent, was sent, or no longer has a body."""

    code = "not_retryable"
    message = "You can only retry a message that is waiting or failed and whose content is still stored."
    status = 409


class NotCancellable(QuazzarError):
    """The message is being sent, or is finished."""

    code = "not_cancellable"
    message = "You can only cancel a message that is still waiting."
    status = 409


class RelayViewSet(ApiViewSet):
    """The relay settings."""

    rights: ClassVar = {
        "retrieve": SEE_RELAY,
        "update": CHANGE_RELAY,
        "partial_update": CHANGE_RELAY,
        "destroy": CHANGE_RELAY,
        "presets": SEE_RELAY,
        "test": TEST_RELAY,
    }
    tells_result = frozenset({"test"})
    serializer_class = RelaySerializer

    def get_object(self) -> RelaySettings:
        """Return the one row, or its defaults."""
        return RelaySettings.load()

    def retrieve(self, request: Request) -> Response:
        """The settings; the password is always empty."""
        return self.answer(self.get_object())

    def update(self, request: Request) -> Response:
        """Replaces the settings. A preset fills in host and port if you leave them out."""
        return self.answer(relaysettings.update(self.body(), partial=False))

    def partial_update(self, request: Request) -> Response:
        """Changes only the fields that you send. A new preset fills in host and port if you leave them out."""
        return self.answer(relaysettings.update(self.body(), partial=True))

    def destroy(self, request: Request) -> Response:
        """Removes the relay settings. After that, no relay is configured."""
        relaysettings.clear()
        return Response(status=204)

    @extend_schema(responses=PresetSerializer(many=True))
    @action(detail=False, pagination_class=None, filter_backends=[])
    def presets(self, request: Request) -> Response:
        """The providers whose host and port are known, Custom SMTP last."""
        return Response([preset.public() for preset in presets.PRESETS])

    @action(
        detail=False,
        methods=["post"],
        serializer_class=RelayTestSerializer,
        answer_class=RelayTestResultSerializer,
    )
    @idempotent(atomic=False)
    def test(self, request: Request) -> Response:
        """Sends a test mail, stage by stage. A failed delivery still returns 200, because the test ran."""
        return self.answer(testmail.run(self.body()["to"]))


class MessageViewSet(ListModelMixin, RetrieveModelMixin, ApiViewSet):
    """The queue, newest message first, without message bodies."""

    rights: ClassVar = {
        "list": SEE_QUEUE,
        "retrieve": SEE_QUEUE,
        "create": SEND,
        "retry": RETRY,
        "cancel": RETRY,
    }
    tells_result = frozenset({"create", "retry", "cancel"})
    takes_mail = frozenset({"create"})
    queryset = Message.objects.defer("body")
    pagination_class = MessagePages
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
    ordering_same: ClassVar = {"created_at": "id"}

    def get_queryset(self) -> QuerySet[Message]:
        """Return the messages; a page of them needs no recipients."""
        rows = super().get_queryset()
        return rows.defer("body", "recipients", "history") if self.action == "list" else rows

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """Return what is taken or shown: a new mail, a row of the list, or a message with its recipients."""
        if self.serializer_class is not None:
            return super().get_serializer_class()
        if self.action == "create":
            return EmailSerializer
        return MessageSerializer if self.action == "list" else MessageDetailSerializer

    @extend_schema(operation_id="message_queue", responses={202: QueuedSerializer})
    @idempotent(atomic=True)
    def create(self, request: Request) -> Response:
        """Queues a mail. Once you get the answer, the mail survives a crash."""
        message = Sender().queue(self.body()["email"], source=Message.Source.API)
        arrivals.record(signatures.of_message(_caller(request), message.subject))
        return Response(QueuedSerializer(message).data, status=202)

    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        answer_class=QueuedSerializer,
        answer_status=202,
    )
    @idempotent(atomic=True)
    def retry(self, request: Request, pk: int) -> Response:
        """Retries a waiting or failed message now."""
        message = self.get_object()
        if not byhand.retry(message):
            raise NotRetryable
        message.status = Message.Status.QUEUED
        return self.answer(message)

    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        answer_class=QueuedSerializer,
        answer_status=202,
    )
    @idempotent(atomic=True)
    def cancel(self, request: Request, pk: int) -> Response:
        """Cancels a waiting message. It is then failed, and can be retried."""
        message = self.get_object()
        if not byhand.cancel(message):
            raise NotCancellable
        message.status = Message.Status.FAILED
        return self.answer(message)


def _caller(request: Request) -> str:
    """Whose report it is: an API key by its name, so that a new key with that name continues it; or an operator."""
    return request.auth.name if isinstance(request.auth, ApiKey) else f"operator {request.user}"


class _NoticeViewSet(ApiViewSet):
    """What the callers of the relay have in common."""

    rights: ClassVar = {"create": SEND}
    answer_class = DeliverySerializer
    answer_status = 202

    def answer_to(self, notification: notifiers.Notification) -> Response:
        """Say whether the notice became a mail, and which."""
        row = {} if notification.message is None else {"id": notification.message.pk}
        return self.answer({"delivery": notification.delivery, **row})


class AlertViewSet(_NoticeViewSet):
    """Alerts from Alertmanager, Grafana or a script."""

    serializer_class = SimpleAlertSerializer

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """Return the serializer that the body calls for: a group has alerts, the simple form has none."""
        body = self.request.data if self.request is not None and self.request.method == "POST" else None
        return (
            AlertGroupSerializer if isinstance(body, Mapping) and "alerts" in body else SimpleAlertSerializer
        )

    @extend_schema(
        operation_id="alert_send",
        request=PolymorphicProxySerializer("AnyAlert", [AlertGroupSerializer, SimpleAlertSerializer], None),
        examples=[GROUP_EXAMPLE, RULE_EXAMPLE],
    )
    @idempotent(atomic=True)
    def create(self, request: Request) -> Response:
        """Mails the alert, or logs it. Also accepts the webhooks of Alertmanager and Grafana."""
        return self.answer_to(notifiers.notify_alert(self.body()["notice"]))


class BackupViewSet(_NoticeViewSet):
    """Finished backup jobs."""

    serializer_class = BackupReportSerializer

    @extend_schema(operation_id="backup_send")
    @idempotent(atomic=True)
    def create(self, request: Request) -> Response:
        """Mails the report to the backup recipients, or logs it."""
        return self.answer_to(notifiers.notify_backup(self.body()["report"]))
