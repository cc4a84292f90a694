"""What there is: /api/ and /api/mail/, and /api/schema and /api/docs, which hold no secret and are for anybody."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from quazzar.api.browsable.endpoints import API, Endpoint, endpoints
from quazzar.api.browsable.renderers import ConsolePages
from quazzar.api.gate.permissions import ANY_PLAN
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import LOOK_AROUND

MAIL_API = "/api/mail/"


class SchemaView(SpectacularAPIView):
    """The OpenAPI 3.1 description, as JSON or (``?format=yaml``, or by Accept) YAML."""

    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer2,
        OpenApiYamlRenderer,
        ConsolePages,
    ]
    permission_classes = [AllowAny]
    feature = ANY_PLAN
    throttle_classes = []


class DocsView(SpectacularSwaggerView):
    """The description as a page to read and try."""

    permission_classes = [AllowAny]
    feature = ANY_PLAN
    throttle_classes = []
    url_name = "schema"


class IndexViewSet(ApiViewSet):
    """A list of endpoints."""

    schema = None
    rights: ClassVar = {"list": LOOK_AROUND}
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
