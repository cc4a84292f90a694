"""/api/billing/upgrade: this node's plan, and installing a licence. Open on every plan."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from quazzar.api.gate.permissions import ANY_PLAN
from quazzar.api.serializers import StrictSerializer
from quazzar.api.viewsets import ApiViewSet
from quazzar.errors import LicenseError
from quazzar.plans import licenses
from quazzar.plans.plans import Plan
from quazzar.rights import INSTALL_LICENCE, LOOK_AROUND


class PlanSerializer(serializers.Serializer[Any]):
    """A plan and its features."""

    id = serializers.CharField()
    name = serializers.CharField(source="title")
    rank = serializers.IntegerField(source="value")
    features = serializers.ListField(child=serializers.CharField())


class BillingSerializer(serializers.Serializer[Any]):
    """The plan in force, and all plans that exist."""

    current_plan = serializers.CharField(source="plan.id")
    plans = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(
        help_text="Why no licence is in force; empty if one is.", allow_blank=True
    )

    @extend_schema_field(PlanSerializer(many=True))
    def get_plans(self, _: licenses.Licence) -> Any:
        """List all plans, lowest first."""
        return PlanSerializer(list(Plan), many=True).data


class LicenseSerializer(StrictSerializer):
    """A signed licence."""

    license = serializers.CharField(max_length=64 * 1024, help_text="A JWT signed with Ed25519.")


class BillingViewSet(ApiViewSet):
    """The plan of this node."""

    feature = ANY_PLAN
    rights: ClassVar = {"retrieve": LOOK_AROUND, "create": INSTALL_LICENCE}
    tells_result = frozenset({"create"})
    serializer_class = LicenseSerializer
    answer_class = BillingSerializer
    answer_status = 200

    def retrieve(self, request: Request) -> Response:
        """The plan in force, and what each plan includes."""
        return self.answer(licenses.read())

    @extend_schema(operation_id="billing_upgrade")
    def create(self, request: Request) -> Response:
        """Installs a signed licence, which takes effect at once."""
        try:
            licenses.install(self.body()["license"])
        except LicenseError as exc:
            raise ValidationError({"license": [exc.message]}) from exc
        return self.answer(licenses.read())
