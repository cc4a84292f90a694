"""The gate before every view: 401 not signed in, 402 plan, 403 not allowed. What a view does not declare is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission

from quazzar.models import ApiKey
from quazzar.plans import entitlements

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

MAIL = "orbit_mail"
#: A view's ``feature`` that every plan holds.
ANY_PLAN = ""
_HOW = "Send an API key as 'Authorization: Bearer qzr_…' or sign in."


class UpgradeRequired(APIException):
    """The plan in force lacks a feature; the answer is the ecosystem's own body for that."""

    status_code = 402
    default_code = "upgrade_required"

    def __init__(self, feature: str) -> None:
        self.body = entitlements.upgrade_required_body(feature)
        super().__init__(self.body["message"])


class Entitlement(BasePermission):
    """The entitlement to call a view, and the default permission of every view. Staff users only.

    A view declares what it needs beside its other attributes, an ``@action`` in its arguments:

    - ``feature``: what the plan must hold. Undeclared: Mail Relay.
    - ``write_scope``: what an API key needs for any method that is not safe. Undeclared: nobody may call those.
      Safe methods need ``mail:read``. A session has every scope.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return True, or raise the reason why not, in this order.

        Raises:
            NotAuthenticated: 401.
            UpgradeRequired: 402.
            PermissionDenied: 403.
        """
        if not request.user.is_authenticated:
            raise NotAuthenticated(_HOW)
        require_plan(view)
        if not request.user.is_staff:
            raise PermissionDenied("Only staff users may use this API.")
        if _handles(view, request.method or ""):
            _check_scope(request, view)
        # Otherwise nothing can happen: what follows is a 404 or a 405.
        return True


def require_plan(view: APIView) -> None:
    """Check the plan in force for the view's feature.

    Raises:
        UpgradeRequired: the plan lacks it.
    """
    feature = getattr(view, "feature", MAIL)
    if feature and not entitlements.has(feature):
        raise UpgradeRequired(feature)


def scope_of(view: APIView | type[APIView], method: str) -> str | None:
    """Return the scope that this method of the view needs; None when it declares none."""
    return ApiKey.Scope.READ if method in SAFE_METHODS else getattr(view, "write_scope", None)


def _check_scope(request: Request, view: APIView) -> None:
    scope = scope_of(view, request.method or "")
    if scope is None:
        raise PermissionDenied("This endpoint does not say who may write to it, so nobody may.")
    if isinstance(request.auth, ApiKey) and scope not in request.auth.scopes:
        raise PermissionDenied(f"This API key lacks the scope {scope}.")


def _handles(view: APIView, method: str) -> bool:
    return method.lower() in view.http_method_names and hasattr(view, method.lower())
