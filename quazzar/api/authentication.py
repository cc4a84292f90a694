"""Who asks: an API key in the Authorization header, else a session of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from quazzar import apikeys, audit
from quazzar.api.permissions import require_plan
from quazzar.models import ApiKey

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from rest_framework.request import Request

_SCHEME = "bearer"


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer qzr_…``."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ApiKey] | None:
        """The key's user and the key; None when no bearer token is sent.

        Raises:
            AuthenticationFailed: one is sent, and does not count.
        """
        scheme, _, text = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != _SCHEME:
            return None
        try:
            key = apikeys.verify(text.strip())
        except apikeys.KeyRefused as exc:
            raise AuthenticationFailed(exc.message) from exc
        audit.actor.set(f"key:{key.name} ({key.user.get_username()})")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="api"'


class StaffSessionAuthentication(SessionAuthentication):
    """The console's session, with CSRF protection."""

    def enforce_csrf(self, request: Any) -> None:
        """As Django REST framework does, but a plan that is too low is said first, as everywhere."""
        try:
            super().enforce_csrf(request)
        except PermissionDenied as exc:
            require_plan(request.parser_context["view"])
            raise PermissionDenied(
                "The request lacks a valid CSRF token: send the csrftoken cookie's value as X-CSRFToken."
            ) from exc


def principal(request: Request) -> str:
    """Who asks, in a word: ``key:<id>`` or ``user:<id>``."""
    if isinstance(request.auth, ApiKey):
        return f"key:{request.auth.pk}"
    return f"user:{request.user.pk}"
