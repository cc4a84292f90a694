"""The gate: 401 not signed in, 402 plan, 403 not allowed. What a view does not declare is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission

from quazzar.models import ApiKey
from quazzar.plans import entitlements

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

MAIL = "orbit_mail"
_HOW = "Send an API key as 'Authorization: Bearer qzr_…' or sign in."


class UpgradeRequired(APIException):
    """The plan in force lacks a feature."""

    status_code = 402
    default_code = "upgrade_required"

    def __init__(self, feature: str) -> None:
        self.body = entitlements.upgrade_required_body(feature)
        super().__init__(self.body["message"])


class StaffScope(BasePermission):
    """Staff only. GET needs ``mail:read``; whatever else a view does needs the scope that it declares.

    A view declares ``write_scope``, or ``required_scopes`` (method → scope) where methods differ. A session
    has all scopes. Without a declaration only reading is allowed.
    """

    #: The feature that the plan must hold; empty when any plan will do.
    feature = ""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True, or the reason why not is raised.

        Raises:
            NotAuthenticated: 401.
            UpgradeRequired: 402.
            PermissionDenied: 403.
        """
        if not request.user.is_authenticated:
            raise NotAuthenticated(_HOW)
        self.check_plan()
        if not request.user.is_staff:
            raise PermissionDenied("Only staff users may use this API.")
        if not _implemented(view, request.method or ""):
            return True  # nothing can happen: 404 or 405 says why
        self._check_scope(request, view)
        return True

    def check_plan(self) -> None:
        """Refuse when the plan in force lacks the feature.

        Raises:
            UpgradeRequired: it does.
        """
        if self.feature and not entitlements.has(self.feature):
            raise UpgradeRequired(self.feature)

    def _check_scope(self, request: Request, view: APIView) -> None:
        scope = scope_of(view, request.method or "")
        if scope is None:
            raise PermissionDenied("This endpoint does not say who may write to it, so nobody may.")
        if isinstance(request.auth, ApiKey) and scope not in request.auth.scopes:
            raise PermissionDenied(f"This API key lacks the scope {scope}.")


class MailGate(StaffScope):
    """The same, and the plan must hold Mail Relay. It is the default of every view."""

    feature = MAIL


def scope_of(view: APIView | type[APIView], method: str) -> str | None:
    """The scope that this method of the view needs; None when it declares none."""
    declared: dict[str, str] = getattr(view, "required_scopes", {})
    if method in declared:
        return declared[method]
    if method in SAFE_METHODS:
        return ApiKey.Scope.READ
    return getattr(view, "write_scope", None)


def require_plan(view: Any) -> None:
    """Refuse when a gate of this view asks for a plan that is not in force.

    Raises:
        UpgradeRequired: it does.
    """
    for permission in view.get_permissions():
        if isinstance(permission, StaffScope):
            permission.check_plan()


def _implemented(view: APIView, method: str) -> bool:
    return method.lower() in view.http_method_names and hasattr(view, method.lower())
