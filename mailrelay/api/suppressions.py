"""/api/mail/suppressions: addresses that get no more mail."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.serializers import BaseSerializer

from mailrelay.api.serializers import Address
from mailrelay.models import Suppression
from mailrelay.suppression import listing
from quazzar.api.fields import Line
from quazzar.api.serializers import StrictSerializer
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import CHANGE_RELAY, SEE_QUEUE


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "By hand", {"address": "anna@example.com", "said": "asked for no mail"}, request_only=True
        )
    ]
)
class SuppressionSerializer(StrictSerializer):
    """An address that gets no more mail, and why."""

    id = serializers.IntegerField(read_only=True)
    address = Address(max_length=320)
    reason = serializers.ChoiceField(choices=Suppression.Reason.choices, read_only=True)
    said = Line(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text="What the recipient's server said; of an address that you add, your note.",
    )
    message = serializers.IntegerField(
        source="feedback.message_id",
        read_only=True,
        default=None,
        allow_null=True,
        help_text="The message that bounced or was complained about; null if it is no longer stored.",
    )
    skipped = serializers.IntegerField(read_only=True, help_text="How many mails were not sent to it.")
    created_at = serializers.DateTimeField(read_only=True)


class SuppressionViewSet(ListModelMixin, CreateModelMixin, RetrieveModelMixin, DestroyModelMixin, ApiViewSet):
    """The suppression list: addresses to which mail bounced permanently, or that complained."""

    rights: ClassVar = {
        "list": SEE_QUEUE,
        "retrieve": SEE_QUEUE,
        "create": CHANGE_RELAY,
        "destroy": CHANGE_RELAY,
    }
    queryset = Suppression.objects.all()
    serializer_class = SuppressionSerializer
    filterset_fields: ClassVar[list[str]] = ["reason"]
    search_fields: ClassVar[list[str]] = ["address"]
    ordering_fields: ClassVar[list[str]] = ["id", "address", "created_at"]
    ordering_same: ClassVar = {"created_at": "id"}

    def get_queryset(self) -> QuerySet[Suppression]:
        """Return the addresses, each with its bounce."""
        return super().get_queryset().select_related("feedback").defer("feedback__report")

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Suppresses an address: it gets no more mail until you remove it."""
        values = serializer.validated_data
        serializer.instance = listing.add(values["address"], values.get("said", ""))

    def perform_destroy(self, instance: Suppression) -> None:
        """Removes an address from the list: it gets mail again. What was not sent is not sent later."""
        listing.remove(instance.pk)
