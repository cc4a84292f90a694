"""/api/mail/proofs: mails that prove that mail from this node arrives and is believed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import CreateModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from dnsrecords.models import Proof, ProofSchedule, Way
from dnsrecords.proof import incoming, progress, schedule, starting
from dnsrecords.proof.judging.verdict import At, Mark
from dnsrecords.proof.starting import Wish
from quazzar.api.fields import Line, Text, Whole
from quazzar.api.serializers import StrictSerializer
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import CHANGE_RELAY, SEE_RELAY, TEST_RELAY


class ProofCheckSerializer(serializers.Serializer[Any]):
    """One thing that was looked at."""

    key = serializers.CharField(
        help_text="Such as spf, dkim, alignment, dmarc, ptr, blocklists, tls, clock, time, spam, port25, sender."
    )
    mark = serializers.ChoiceField(choices=list(Mark))
    sentence = serializers.CharField()
    remedy = serializers.CharField(allow_blank=True)


class ProofStationSerializer(serializers.Serializer[Any]):
    """A place on the way of the mail."""

    key = serializers.ChoiceField(choices=list(At))
    title = serializers.CharField()
    host = serializers.CharField(allow_blank=True)
    ip = serializers.CharField(allow_blank=True)
    at = serializers.CharField(allow_blank=True, help_text="ISO 8601 in UTC; empty: not known.")
    seconds = serializers.FloatField(allow_null=True, help_text="Since the station before.")
    tls = serializers.CharField(
        allow_blank=True, help_text="Such as TLS 1.3, or unencrypted; empty: not known."
    )
    mark = serializers.ChoiceField(choices=list(Mark), help_text="The worst of its checks.")
    checks = ProofCheckSerializer(many=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample("To an inbox that Quazzar reads", {"way": "relay", "inbox": 1}, request_only=True),
        OpenApiExample("To a person", {"way": "relay", "to": "anna@example.com"}, request_only=True),
    ]
)
class DeliveryProofSerializer(StrictSerializer):
    """A proof: what was sent, and what was found."""

    id = serializers.IntegerField(read_only=True)
    state = serializers.ChoiceField(
        choices=Proof.State.choices,
        read_only=True,
        help_text=(
            "sending, underway and arrived: it goes on. proven: nothing is red. unclear: not everything could "
            "be judged. failed: something is red."
        ),
    )
    way = serializers.ChoiceField(
        choices=Way.values, help_text="relay, or server: the mail server, directly or through the relay."
    )
    through_relay = serializers.BooleanField(read_only=True)
    from_address = Line(
        max_length=320, required=False, allow_blank=True, help_text="Left out: the way's own address."
    )
    inbox = Whole(
        source="inbox_id",
        required=False,
        allow_null=True,
        min_value=1,
        help_text="Id of the inbox that the mail goes to. null: it goes to a person.",
    )
    to = Line(
        max_length=320,
        required=False,
        allow_blank=True,
        help_text="The recipient. Left out: the inbox's user name, which often is its address.",
    )
    scheduled = serializers.BooleanField(read_only=True)
    found = serializers.ChoiceField(
        choices=["", *Proof.Found.values], read_only=True, help_text="How the mail came back."
    )
    sentence = serializers.CharField(read_only=True, help_text="The result; empty while it goes on.")
    message = serializers.IntegerField(
        source="queued_id", read_only=True, allow_null=True, help_text="Its message, if the relay sent it."
    )
    message_id = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    sent_at = serializers.DateTimeField(read_only=True, allow_null=True)
    arrived_at = serializers.DateTimeField(read_only=True, allow_null=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)


class DeliveryProofDetailSerializer(DeliveryProofSerializer):
    """The same with every station of the mail's way."""

    advice = serializers.SerializerMethodField()
    seconds = serializers.SerializerMethodField()
    stations = serializers.SerializerMethodField()

    @extend_schema_field({"type": "string"})
    def get_advice(self, row: Proof) -> str:
        """What to do about the result; empty: nothing."""
        return progress.verdict_of(row).advice

    @extend_schema_field({"type": "number", "nullable": True})
    def get_seconds(self, row: Proof) -> float | None:
        """How long the mail took."""
        return progress.verdict_of(row).seconds

    @extend_schema_field(ProofStationSerializer(many=True))
    def get_stations(self, row: Proof) -> Any:
        """What was checked at each."""
        return ProofStationSerializer(progress.verdict_of(row).stations, many=True).data


class HeadersSerializer(StrictSerializer):
    """The header of a mail that arrived."""

    headers = Text(
        max_length=200_000,
        trim_whitespace=False,
        help_text="The whole header, as the mail program shows it under “source” or “original”.",
    )


class ProofScheduleSerializer(StrictSerializer):
    """When a proof is sent by itself, and how."""

    every = serializers.ChoiceField(choices=ProofSchedule.Every.values)
    way = serializers.ChoiceField(choices=Way.values, required=False, default=Way.RELAY.value)
    from_address = Line(max_length=320, required=False, allow_blank=True, default="")
    inbox = Whole(source="inbox_id", required=False, allow_null=True, min_value=1, default=None)
    to = Line(max_length=320, required=False, allow_blank=True, default="")
    due_at = serializers.DateTimeField(read_only=True, allow_null=True)
    failing_since = serializers.DateTimeField(read_only=True, allow_null=True)
    trouble = serializers.CharField(read_only=True, help_text="Why the last one could not be sent.")


class ProofViewSet(ListModelMixin, CreateModelMixin, RetrieveModelMixin, ApiViewSet):
    """Proofs: mails with a number that are sent the way that mail really goes, and judged when they arrive."""

    rights: ClassVar = {"list": SEE_RELAY, "retrieve": SEE_RELAY, "create": TEST_RELAY, "paste": TEST_RELAY}
    queryset = Proof.objects.defer("mail")
    serializer_class = DeliveryProofSerializer
    filterset_fields: ClassVar[list[str]] = ["state", "way", "scheduled"]
    search_fields: ClassVar[list[str]] = ["to", "from_address"]
    ordering_fields: ClassVar[list[str]] = ["id", "created_at"]

    def get_queryset(self) -> QuerySet[Proof]:
        """Return the proofs, each with its message."""
        rows = super().get_queryset().select_related("queued", "inbox").defer("mail", "queued__body")
        return rows.defer("verdict") if self.action == "list" else rows

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """Return the serializer with the stations, for one proof."""
        if self.action == "retrieve":
            return DeliveryProofDetailSerializer
        return super().get_serializer_class()

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        """Sends a proof. Follow it with ``GET /api/mail/proofs/{id}`` until its state is final."""
        serializer.instance = starting.start(_wish(serializer.validated_data))

    @extend_schema(responses=DeliveryProofDetailSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path="headers",
        serializer_class=HeadersSerializer,
        answer_class=DeliveryProofDetailSerializer,
    )
    def paste(self, request: Request, pk: int) -> Response:
        """Judges a header that the recipient has copied from the mail."""
        return self.answer(incoming.paste(self.get_object(), self.body()["headers"]))


class ProofScheduleViewSet(ApiViewSet):
    """The schedule of proofs. If a scheduled proof fails, the alert recipients get a mail."""

    rights: ClassVar = {"retrieve": SEE_RELAY, "update": CHANGE_RELAY}
    serializer_class = ProofScheduleSerializer

    @extend_schema(operation_id="proof_schedule")
    def retrieve(self, request: Request) -> Response:
        """When the next proof is sent, and how."""
        return self.answer(ProofSchedule.load())

    def update(self, request: Request) -> Response:
        """Sets the schedule. The first proof is sent at once."""
        values = self.body()
        return self.answer(schedule.save(values["every"], _wish(values)))


def _wish(values: dict[str, Any]) -> Wish:
    return Wish(values["way"], values.get("from_address", ""), values.get("inbox_id"), values.get("to", ""))
