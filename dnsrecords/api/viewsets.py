"""/api/mail/domains/{id}/dns: the records, a look at them, and a zone file."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dnsrecords.api.serializers import DmarcPathSerializer, DomainRecordsSerializer, RotationSerializer
from dnsrecords.checking import check as checking
from dnsrecords.checking.report import Report, zone
from dnsrecords.dkim import progress
from mailboxes.api.viewsets import found
from mailboxes.dkim import lifecycle
from mailboxes.models import Domain
from quazzar.models import ApiKey


def _domain(pk: int) -> Domain:
    domain: Domain = found(Domain.objects.all(), pk)
    return domain


class RecordsView(APIView):
    """A domain's records."""

    @extend_schema(operation_id="domain_dns", responses=DomainRecordsSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """What to publish, and how it stood when it was last looked up; nothing is asked now."""
        return Response(DomainRecordsSerializer(Report.for_domain(_domain(pk))).data)


class CheckView(APIView):
    """A look at a domain's records."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="domain_dns_check", request=None, responses=DomainRecordsSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Asks the domain's name servers now; ten seconds at most."""
        domain = _domain(pk)
        checking.check(domain)
        return Response(DomainRecordsSerializer(Report.for_domain(domain)).data)


class DmarcPathView(APIView):
    """The staged path to a strong DMARC policy."""

    @extend_schema(operation_id="domain_dns_dmarc", responses=DmarcPathSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """None, quarantine, reject: what each stage needs, and what to publish for it."""
        return Response(DmarcPathSerializer({"stages": Report.for_domain(_domain(pk)).dmarc_path}).data)


class RotationView(APIView):
    """The rotation of a domain's DKIM key."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="domain_dkim_rotation", responses=RotationSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Where it is."""
        return self._answer(pk)

    @extend_schema(
        operation_id="domain_dkim_rotation_begin", request=None, responses={201: RotationSerializer}
    )
    def post(self, request: Request, pk: int) -> Response:
        """Makes the next key; it signs as soon as its record is seen on every name server of the domain."""
        lifecycle.begin_rotation(_domain(pk).pk)
        return self._answer(pk, 201)

    @extend_schema(operation_id="domain_dkim_rotation_cancel", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Gives the next key up, before it signs."""
        lifecycle.cancel_rotation(_domain(pk).pk)
        return Response(status=204)

    def _answer(self, pk: int, status: int = 200) -> Response:
        return Response(RotationSerializer(progress.rotation(_domain(pk))).data, status=status)


class ZoneView(APIView):
    """A zone file."""

    @extend_schema(operation_id="domain_dns_zone", responses={(200, "text/dns"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> HttpResponse:
        """The records as a zone file that BIND, NSD and Knot load as it is."""
        domain = _domain(pk)
        headers = {"Content-Disposition": f'attachment; filename="{domain.name}.zone"'}
        return HttpResponse(zone(domain), content_type="text/dns; charset=utf-8", headers=headers)
