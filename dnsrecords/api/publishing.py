"""/api/mail/domains/{id}/dns/publisher and /publish: records that are published by machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dnsrecords.api.publishserializers import PublishedSerializer, PublisherSerializer, PublishSerializer
from dnsrecords.models import Publisher
from dnsrecords.publishing import publish as publishing
from mailboxes.api.viewsets import found
from mailboxes.models import Domain
from quazzar.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnsrecords.publishing.plan import Entry, Plan


def _domain(pk: int) -> Domain:
    domain: Domain = found(Domain.objects.all(), pk)
    return domain


class PublisherView(APIView):
    """The name server that takes a domain's records by machine."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="domain_dns_publisher", responses=PublisherSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """As it is set up, or not."""
        domain = _domain(pk)
        return Response(PublisherSerializer(publishing.for_domain(domain) or Publisher(domain=domain)).data)

    @extend_schema(
        operation_id="domain_dns_publisher_set", request=PublisherSerializer, responses=PublisherSerializer
    )
    def put(self, request: Request, pk: int) -> Response:
        """Sets it up. Nothing is published before the next minute, or POST publish."""
        domain = _domain(pk)
        serializer = PublisherSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        row = publishing.set_up(domain.pk, serializer.validated_data)
        return Response(PublisherSerializer(row).data)

    @extend_schema(operation_id="domain_dns_publisher_remove", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Forgets it; what is published stays."""
        publishing.remove(_domain(pk).pk)
        return Response(status=204)


class PublishView(APIView):
    """Publishing by machine."""

    write_scope = ApiKey.Scope.WRITE

    @extend_schema(
        operation_id="domain_dns_publish", request=PublishSerializer, responses=PublishedSerializer
    )
    def post(self, request: Request, pk: int) -> Response:
        """Brings the zone up to date now; records that are not ours stay, unless they are to be replaced."""
        domain = _domain(pk)
        serializer = PublishSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        plan = publishing.publish(domain, replace=serializer.validated_data["replace"])
        return Response(PublishedSerializer(shown(plan)).data)


def shown(plan: Plan) -> dict[str, Any]:
    """What was done, as the API says it."""
    return {
        "published": _values(plan.added),
        "removed": _values(plan.removed),
        "unchanged": plan.unchanged,
        "conflicts": plan.conflicts,
    }


def _values(some: Iterable[Entry]) -> list[dict[str, str]]:
    return [{"name": name, "type": type_, "value": value} for name, type_, value in some]
