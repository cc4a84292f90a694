"""Who the caller is: an API key in the Authorization header, else a session of the console."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, QueryDict
from rest_framework.authentication import BaseAuthentication, CSRFCheck, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from quazzar import actors
from quazzar.access import apikeys, audit, strangers
from quazzar.api.gate.permissions import require_plan
from quazzar.models import ApiKey

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from rest_framework.request import Request

_SCHEME = "bearer"


def bearer_token(request: Request) -> str | None:
    """Return what the Authorization header holds after ``Bearer``; None when it holds something else, or is absent."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == _SCHEME else None


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer qzr_…``."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiKey] | None:
        """The key's user and the key; None when no bearer token is sent.

        Raises:
            AuthenticationFailed: one is sent, and it is not valid.
        """
        token = bearer_token(request)
        if token is None:
            return None
        try:
            key = apikeys.verify(token)
        except apikeys.KeyRefused as exc:
            raise AuthenticationFailed(exc.message) from exc
        actors.actor.set(audit.of_key(key))
        setattr(request._request, strangers.KEY, key)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="api"'


class StaffSessionAuthentication(SessionAuthentication):
    """The console's session, with CSRF protection."""

    def enforce_csrf(self, request: Any) -> None:
        """The token must be sent as a header; a plan that is too low is reported before a missing token, as everywhere.

        Raises:
            PermissionDenied: there is none, or a wrong one.
        """
        # Without this copy Django looks for the token in the body: 400 and 415 would come before 402 and 403.
        bodiless = copy(request._request)
        bodiless._post = QueryDict()
        check = CSRFCheck(lambda _: HttpResponse())
        check.process_request(bodiless)
        reason = check.process_view(bodiless, lambda _: HttpResponse(), (), {})
        if reason:
            require_plan(request.parser_context["view"])
            raise PermissionDenied(f"Send the csrftoken cookie's value as X-CSRFToken. {reason}")


def principal(request: Request) -> str:
    """The caller in a word: ``key:<id>`` or ``user:<id>``."""
    if isinstance(request.auth, ApiKey):
        return f"key:{request.auth.pk}"
    return f"user:{request.user.pk}"
