"""The gate before every view: 401 not signed in, 402 plan, 403 not allowed.

A view that declares no right is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission

from quazzar.access import firstpassword, roles
from quazzar.access.secondfactor import policy
from quazzar.models import ApiKey
from quazzar.plans import entitlements
from quazzar.rights import READ, Right

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.request import Request
    from rest_framework.views import APIView

MAIL = "orbit_mail"
#: A view's ``feature`` that every plan holds.
ANY_PLAN = ""
_METHODS = ("get", "post", "put", "patch", "delete")
_HOW = "Send an API key as 'Authorization: Bearer qzr_…' or sign in."


class UpgradeRequired(APIException):
    """The plan in force lacks a feature; the answer is the ecosystem's own body for that."""

    status_code = 402
    default_code = "upgrade_required"

    def __init__(self, feature: str) -> None:
        self.body = entitlements.upgrade_required_body(feature)
        super().__init__(self.body["message"])


class Entitlement(BasePermission):
    """The entitlement to call a view, and the default permission of every view. Operators (staff users) only.

    A view declares what it needs beside its other attributes:

    - ``feature``: what the plan must include. Undeclared: Mail Relay.
    - ``rights``: name of an action (in a plain view: of a method) → the ``Right`` that it needs. What is not declared
      is refused, to everybody.

    HEAD needs what GET needs. So does OPTIONS, because it describes what can be read; where there is no GET, the right
    to any other method is enough.
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
        if not isinstance(request.auth, ApiKey):
            _require_duties(request)
        scope, needed = requirement(view, request.method or "")
        if not needed:
            raise PermissionDenied("This endpoint does not declare who may use it, so it refuses everyone.")
        if scope and isinstance(request.auth, ApiKey) and scope not in request.auth.scopes:
            raise PermissionDenied(f"This API key lacks the scope {scope}.")
        if not any(right(request.user) for right in needed):
            raise PermissionDenied(roles.refusal(needed[0]))
        return True


def _require_duties(request: Request) -> None:
    """Check that the operator does not first have to choose a password or set up a second factor.

    Raises:
        PermissionDenied: it has.
    """
    if firstpassword.is_due(request._request):
        raise PermissionDenied("First choose your own password: open the console in this browser.")
    if policy.is_due(request._request):
        raise PermissionDenied("First set up a second factor: open the console in this browser.")


def require_plan(view: APIView) -> None:
    """Check the plan in force for the view's feature.

    Raises:
        UpgradeRequired: the plan lacks it.
    """
    feature = getattr(view, "feature", MAIL)
    if feature and not entitlements.has(feature):
        raise UpgradeRequired(feature)


def requirement(view: APIView, method: str) -> tuple[str, list[Right]]:
    """Return the scope that a key needs for this method of the view, and the rights of which the user needs one.

    For a method that the view does not have it is any right to the view, without a scope: a 405 or 404 follows.
    """
    declared: Mapping[str, Right] = getattr(view, "rights", {})
    actions = _actions(view)
    name = actions.get(method.lower().replace("head", "get"))
    if name is not None:
        right = declared.get(name)
        return (right.scope, [right]) if right else ("", [])
    if method == "OPTIONS":
        actions = {"get": actions["get"]} if "get" in actions else actions
    names = actions.values() or declared.keys()
    return READ if method == "OPTIONS" else "", [declared[name] for name in names if name in declared]


def _actions(view: APIView) -> dict[str, str]:
    """Method → the name under which the view declares its right, for the methods that the view has."""
    if (mapped := getattr(view, "action_map", None)) is not None:
        return {method: name for method, name in mapped.items() if method != "head"}
    return {method: method for method in _METHODS if hasattr(view, method)}
