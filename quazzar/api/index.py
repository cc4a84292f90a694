"""/api/ and /api/mail/: the endpoints that there are, as a list of links."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from quazzar.api.endpoints import API, Endpoint, endpoints
from quazzar.api.viewsets import ApiViewSet

MAIL_API = "/api/mail/"


class IndexViewSet(ApiViewSet):
    """A list of endpoints."""

    schema = None
    pagination_class = None
    filter_backends = ()
    #: The path of the list. ``/api/`` leaves what is under ``/api/mail/`` to the list there.
    within = API

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints under the path."""
        return [
            endpoint
            for endpoint in endpoints()
            if endpoint.path.startswith(self.within)
            and endpoint.path != self.within
            and (self.within == MAIL_API or endpoint.path.rpartition(MAIL_API)[2] in ("", endpoint.path))
        ]

    def list(self, request: Request) -> Response:
        """The endpoints under this path: what each method does, and a link where the path has no placeholder."""
        return Response(
            [
                {
                    "path": endpoint.path,
                    "url": request.build_absolute_uri(endpoint.path) if endpoint.is_link else None,
                    "methods": endpoint.methods,
                }
                for endpoint in self.endpoints()
            ]
        )
