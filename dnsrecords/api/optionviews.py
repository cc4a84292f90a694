"""/api/mail/domains/{id}/dns/options: what was chosen for a domain's records."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dnsrecords.api.optionserializers import OptionsSerializer
from dnsrecords.records import options
from mailboxes.api.viewsets import found
from mailboxes.models import Domain
from quazzar.models import ApiKey


class OptionsView(APIView):
    """The options of a domain's records."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="domain_dns_options", responses=OptionsSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """What was chosen, or the defaults."""
        return Response(OptionsSerializer(options.for_domain(found(Domain.objects.all(), pk))).data)

    @extend_schema(
        operation_id="domain_dns_options_change", request=OptionsSerializer, responses=OptionsSerializer
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes what is given; the records to publish follow."""
        domain = found(Domain.objects.all(), pk)
        serializer = OptionsSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        return Response(OptionsSerializer(options.change(domain.pk, **serializer.validated_data)).data)
