"""/api/mail/events/PROVIDER/TOKEN: where providers report what happened to mail. No API key: they sign their calls."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mailrelay.events import receiving, settings
from quazzar import bodies
from quazzar.access import strangers
from quazzar.api.gate.permissions import require_plan


class _NoKey(BaseAuthentication):
    """Nobody signs in here; but without a word for it, a 401 would become a 403."""

    def authenticate(self, request: Request) -> None:
        """Identify nobody: the address of the call is the key (see ``_KnowsTheAddress``)."""

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Webhook realm="events"'


class _KnowsTheAddress(BasePermission):
    """The address is the secret; after that the plan counts, as for every caller."""

    def has_permission(self, request: Request, view: Any) -> bool:
        view.source = settings.find(view.kwargs["provider"], view.kwargs["token"])
        if view.source is None:
            raise NotAuthenticated("There is no webhook with this address.")
        require_plan(view)
        return True


class EventView(APIView):
    """Takes the calls of one webhook."""

    authentication_classes = [_NoKey]
    permission_classes = [_KnowsTheAddress]
    schema = None
    #: Not for operators: the page Returned mail shows the address.
    is_endpoint = False
    source: Any = None

    def post(self, request: Request, provider: str, token: str) -> Response:
        """Record what the call tells."""
        bodies.check(request._request, bodies.USUAL)
        number = receiving.receive(self.source, request.headers, request._request.body)
        # After a thousand mails, a provider calls a thousand times from one address.
        setattr(request._request, strangers.KEY, self.source)
        return Response({"recorded": number})
