"""/api/mail/dns/reports and /api/mail/domains/{id}/dns/reports: reports of other mail servers, in and summed up."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from dnsrecords.models import ReceivedReport
from dnsrecords.reports import intake, summary
from mailboxes.api.csvfiles import CsvParser, FormParser
from mailboxes.models import Domain
from quazzar.api.serializers import UNKNOWN, NoBody
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import CHANGE_DNS, SEE_DNS

_FILE = "file"
_ANY = "application/octet-stream"
_DAYS = 30
_LONGEST = max(summary.PERIODS)


class ReceivedReportSerializer(serializers.ModelSerializer[ReceivedReport]):
    """A report that was stored."""

    domain = serializers.CharField(source="domain.name")

    class Meta:
        model = ReceivedReport
        fields = (
            "id",
            "domain",
            "kind",
            "organisation",
            "report_id",
            "begins",
            "ends",
            "policy",
            "total",
            "failed",
        )


class TakenSerializer(serializers.Serializer[intake.Taken]):
    """What became of a file."""

    stored = ReceivedReportSerializer(many=True, help_text="The reports that are new.")
    repeated = serializers.IntegerField(help_text="Number of reports that were stored before.")


class AdviceSerializer(serializers.Serializer[Any]):
    """What to do next."""

    sentence = serializers.CharField()
    go_on_to = serializers.CharField(
        allow_blank=True, help_text="The next policy or mode, if it can be taken now; set it in the options."
    )


class NumbersSerializer(serializers.Serializer[Any]):
    """Mails that claimed to be from the domain."""

    days = serializers.IntegerField(help_text="Days on which mail was reported.")
    passed = serializers.IntegerField(help_text="Mails that passed DMARC.")
    failed = serializers.IntegerField(help_text="Mails of this node or its relay that failed.")
    strange = serializers.IntegerField(help_text="Mails from elsewhere that failed.")


class SourceSerializer(serializers.Serializer[summary.Source]):
    """A sender, by name."""

    name = serializers.CharField()
    is_ours = serializers.BooleanField(help_text="Whether it is this node or its relay.")
    passed = serializers.IntegerField()
    failed = serializers.IntegerField()
    dkim = serializers.IntegerField(help_text="Mails that passed by DKIM.")
    spf = serializers.IntegerField(help_text="Mails that passed by SPF.")
    countries = serializers.SerializerMethodField(help_text="Country of the network → mails.")
    networks = serializers.SerializerMethodField(help_text="Network → mails.")
    addresses = serializers.SerializerMethodField(help_text="The addresses with most mails.")
    advice = serializers.CharField(allow_blank=True)

    def get_countries(self, source: summary.Source) -> dict[str, int]:
        """Return how many mails came from each country."""
        return dict(source.countries)

    def get_networks(self, source: summary.Source) -> dict[str, int]:
        """Return how many mails came from each network."""
        return dict(source.networks)

    def get_addresses(self, source: summary.Source) -> list[dict[str, str | int]]:
        """Return the addresses with their confirmed names."""
        return [asdict(address) for address in source.addresses]


class DaySerializer(serializers.Serializer[Any]):
    """The mails of one day."""

    day = serializers.DateField()
    passed = serializers.IntegerField()
    failed = serializers.IntegerField()
    strange = serializers.IntegerField()


class TlsFailureSerializer(serializers.Serializer[Any]):
    """TLS sessions that failed in one way."""

    result = serializers.CharField(help_text="The failure, as RFC 8460 §4.3 calls it.")
    host = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    advice = serializers.CharField(allow_blank=True)


class ReporterSerializer(serializers.Serializer[Any]):
    """A reporter."""

    organisation = serializers.CharField()
    kind = serializers.ChoiceField(choices=ReceivedReport.Kind.values)
    reports = serializers.IntegerField()
    mails = serializers.IntegerField(help_text="Mails, or TLS sessions.")
    last = serializers.DateTimeField()
    authenticated = serializers.IntegerField(help_text="Reports whose sender passed DMARC here.")


class SummarySerializer(serializers.Serializer[summary.Summary]):
    """What reports say about a domain."""

    domain = serializers.CharField(source="domain.name")
    days = serializers.IntegerField()
    sentence = serializers.CharField()
    policy = serializers.CharField(allow_blank=True, help_text="The DMARC policy that reporters saw last.")
    numbers = NumbersSerializer()
    dmarc = AdviceSerializer()
    mta_sts = AdviceSerializer()
    sources = SourceSerializer(many=True)
    by_day = DaySerializer(many=True)
    sessions = serializers.IntegerField(help_text="TLS sessions that succeeded.")
    tls_failed = serializers.IntegerField()
    tls_failures = TlsFailureSerializer(many=True)
    reporters = ReporterSerializer(many=True)


class AnyFileParser(CsvParser):
    """The body as it is."""

    media_type = _ANY


class ReportsViewSet(ApiViewSet):
    """Takes report files."""

    rights: ClassVar = {"create": CHANGE_DNS}
    tells_result = takes_mail = frozenset({"create"})
    parser_classes = [AnyFileParser, FormParser]
    serializer_class = NoBody
    answer_class = TakenSerializer
    answer_status = 200

    @extend_schema(
        operation_id="dns_reports_import",
        request={
            _ANY: OpenApiTypes.BINARY,
            "multipart/form-data": {
                "type": "object",
                "properties": {_FILE: {"type": "string", "format": "binary"}},
                "required": [_FILE],
                "additionalProperties": False,
            },
        },
        responses={200: TakenSerializer},
    )
    def create(self, request: Request) -> Response:
        """Stores the DMARC and TLS reports in a file: XML or JSON, plain, gzip, zip, or the whole mail.

        A report that is known already changes nothing.
        """
        return self.answer(intake.take(_file(request), intake.Way.API))


class DomainReportsViewSet(ApiViewSet):
    """What reports say about a domain."""

    queryset = Domain.objects.all()
    rights: ClassVar = {"retrieve": SEE_DNS}
    query_names: ClassVar = {"retrieve": ["days"]}
    serializer_class = SummarySerializer
    page_queries = (("Last 90 days", "days=90"),)

    @extend_schema(
        operation_id="domain_reports",
        parameters=[
            OpenApiParameter("days", OpenApiTypes.INT, description=f"1 to {_LONGEST}; default {_DAYS}.")
        ],
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """Who sent mail as this domain, by what DMARC reports say, how TLS went, and what to do next."""
        return self.answer(summary.of(self.get_object(), _days(request)))


def _days(request: Request) -> int:
    text = request.query_params.get("days", str(_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= _LONGEST):
        raise ValidationError({"days": [f"This must be a whole number from 1 to {_LONGEST}."]})
    return int(text)


def _file(request: Request) -> bytes:
    if isinstance(request.data, bytes):
        return request.data
    if not request.content_type.lower().startswith("multipart/"):
        return b""  # no parser is asked about a body of no length
    wrong = {name: [UNKNOWN] for name in request.data if name != _FILE}
    file = request.FILES.get(_FILE)
    if file is None:
        wrong[_FILE] = ["Send the report as this file."]
    if wrong or file is None:
        raise ValidationError(wrong)
    data: bytes = file.read()
    return data
