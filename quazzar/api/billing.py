"""/api/billing/upgrade: the plan of this node, and a licence for another. Open on every plan."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from quazzar.api.permissions import StaffScope
from quazzar.api.serializers import StrictSerializer
from quazzar.errors import LicenseError
from quazzar.models import ApiKey
from quazzar.plans import licenses
from quazzar.plans.plans import Plan


class PlanSerializer(serializers.Serializer[Any]):
    """One of the plans."""

    id = serializers.CharField()
    name = serializers.CharField(source="title")
    rank = serializers.IntegerField(source="value")
    features = serializers.ListField(child=serializers.CharField())


class BillingSerializer(serializers.Serializer[Any]):
    """The plan in force, and all there are."""

    current_plan = serializers.CharField(source="plan.id")
    plans = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(help_text="Why no licence counts; empty when one does.", allow_blank=True)

    @extend_schema_field(PlanSerializer(many=True))
    def get_plans(self, _: licenses.Licence) -> Any:
        """All plans, the lowest first."""
        return PlanSerializer(list(Plan), many=True).data


class LicenseSerializer(StrictSerializer):
    """A signed licence."""

    license = serializers.CharField(max_length=64 * 1024)


class BillingUpgradeView(APIView):
    """The plan of this node."""

    permission_classes = [StaffScope]
    write_scope = ApiKey.Scope.WRITE

    @extend_schema(operation_id="billing_read", responses=BillingSerializer)
    def get(self, request: Request) -> Response:
        """The plan in force, and what the others hold."""
        return Response(BillingSerializer(licenses.read()).data)

    @extend_schema(operation_id="billing_upgrade", request=LicenseSerializer, responses=BillingSerializer)
    def post(self, request: Request) -> Response:
        """Installs a signed licence; it is in force at once."""
        serializer = LicenseSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            licenses.install(serializer.validated_data["license"])
        except LicenseError as exc:
            raise ValidationError({"license": [exc.message]}) from exc
        return Response(BillingSerializer(licenses.read()).data)
