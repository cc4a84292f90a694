"""GET /api/mail/audit: the audit log, in pages that begin where the last one ended."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from quazzar.api.fields import LARGEST_ID
from quazzar.api.viewsets import ApiViewSet
from quazzar.auditlog import export, reading
from quazzar.models import AuditEntry
from quazzar.rights import SEE_AUDIT_LOG

MOST = 500


class QuerySerializer(serializers.Serializer[Any]):
    """The filters."""

    actor = serializers.CharField(
        required=False, help_text="user:NAME, key:NAME (USER), command:NAME, system or anonymous."
    )
    action = serializers.CharField(
        required=False,
        help_text=(
            "An action such as relay.changed. The first word alone, such as relay, matches all its actions."
        ),
    )
    address = serializers.IPAddressField(required=False, help_text="The client's address.")
    since = serializers.DateTimeField(required=False, help_text="Start of the period, included.")
    until = serializers.DateTimeField(required=False, help_text="End of the period, not included.")
    search = serializers.CharField(
        required=False, max_length=100, help_text="Words to find in actor, action, target or address."
    )
    before = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Only entries older than the one with this id.",
    )
    page_size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=MOST)


class EntrySerializer(serializers.Serializer[Any]):
    """One entry."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    who = serializers.CharField(help_text="Who did it: the subject of the sentence.")
    sentence = serializers.CharField()
    address = serializers.CharField(help_text="The client's address; empty if there was none.")
    actor = serializers.CharField()
    action = serializers.CharField()
    target = serializers.CharField()
    fields_ = serializers.ListField(child=serializers.CharField(), help_text="Names of the changed fields.")
    changes = serializers.DictField(
        child=serializers.ListField(), help_text="Field: [before, after], for fields that hold no secret."
    )

    def get_fields(self) -> dict[str, Any]:
        """A serializer cannot have an attribute ``fields``, which is the name in the answer."""
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}


@extend_schema_serializer(many=False)
class PageSerializer(serializers.Serializer[Any]):
    """Some entries, newest first."""

    next = serializers.URLField(allow_null=True, help_text="URL of the older entries; null at the end.")
    results = EntrySerializer(many=True)


class AuditViewSet(ApiViewSet):
    """The audit log."""

    rights: ClassVar = {"list": SEE_AUDIT_LOG}
    query_names: ClassVar = {"list": [*QuerySerializer().fields]}
    queryset = AuditEntry.objects.all()
    serializer_class = PageSerializer
    pagination_class = None
    filter_backends = ()

    @extend_schema(parameters=[QuerySerializer], responses=PageSerializer, filters=False)
    def list(self, request: Request) -> Response:
        """Who changed what, when and from where, newest first. Follow ``next`` for older entries.

        A page without results may have a ``next``: a search looks at 20,000 entries at most.
        """
        query = QuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        wanted = reading.Filter(
            who=asked.get("actor", ""),
            what=asked.get("action", ""),
            address=asked.get("address", ""),
            since=asked.get("since"),
            until=asked.get("until"),
            search=asked.get("search", ""),
        )
        found = reading.page(wanted, before=asked.get("before"), size=asked["page_size"])
        return Response(
            {"next": _next(request, found.older), "results": [*map(export.as_dict, found.entries)]}
        )


def _next(request: Request, older: int | None) -> str | None:
    if older is None:
        return None
    query = request.query_params.copy()
    query["before"] = str(older)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
