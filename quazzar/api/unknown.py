"""The answer to a path that does not exist: in JSON, and behind the gate where the gate is."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView


class UnknownPath(APIView):
    """What does not exist, for anybody. No viewset, because it has no actions: it answers any method alike."""

    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []
    schema = None
    is_endpoint = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """End the request after the permissions, and before the method is looked at.

        Raises:
            NotFound: always.
        """
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address.")


class UnknownMailPath(UnknownPath):
    """The same behind the gate: those who may not use Mail Relay are told that first."""

    permission_classes = [*APIView.permission_classes]
    authentication_classes = [*APIView.authentication_classes]
