"""/api/mail/domains/{id}/dns: the records, a look at them, and a zone file."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dnsrecords import checking, report
from dnsrecords.serializers import DomainRecordsSerializer
from mailboxes.models import Domain
from mailboxes.views import found
from quazzar.models import ApiKey


def _domain(pk: int) -> Domain:
    domain: Domain = found(Domain.objects.defer("dkim_private_key"), pk)
    return domain


class RecordsView(APIView):
    """A domain's records."""

    @extend_schema(operation_id="domain_dns", responses=DomainRecordsSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """What to publish, and how it stood when it was last looked up; nothing is asked now."""
        return Response(DomainRecordsSerializer(report.of(_domain(pk))).data)


class CheckView(APIView):
    """A look at a domain's records."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="domain_dns_check", request=None, responses=DomainRecordsSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Asks the domain's name servers now; ten seconds at most."""
        domain = _domain(pk)
        checking.check(domain)
        return Response(DomainRecordsSerializer(report.of(domain)).data)


class ZoneView(APIView):
    """A zone file."""

    @extend_schema(operation_id="domain_dns_zone", responses={(200, "text/dns"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> HttpResponse:
        """The records as a zone file that BIND, NSD and Knot load as it is."""
        domain = _domain(pk)
        headers = {"Content-Disposition": f'attachment; filename="{domain.name}.zone"'}
        return HttpResponse(report.zone(domain), content_type="text/dns; charset=utf-8", headers=headers)
