"""The lists /api/ and /api/mail/, and /api/schema and /api/docs, which contain no secrets and are open to everyone."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from quazzar.api.browsable.endpoints import API, Endpoint, endpoints
from quazzar.api.browsable.renderers import ConsolePages, answer_in_json
from quazzar.api.gate import queries
from quazzar.api.gate.permissions import ANY_PLAN
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import LOOK_AROUND

MAIL_API = "/api/mail/"


class _ForAnybody(APIView):
    """Open to everyone: an invalid key makes no difference."""

    authentication_classes = []
    permission_classes = [AllowAny]
    feature = ANY_PLAN
    throttle_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse parameters that are not known.

        Raises:
            ValidationError: there are some.
        """
        super().initial(request, *args, **kwargs)
        if request.method in ("GET", "HEAD"):
            queries.check(self, request)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Describe the endpoint, in JSON also where it answers with a page."""
        answer_in_json(request)
        return super().options(request, *args, **kwargs)


class SchemaView(_ForAnybody, SpectacularAPIView):
    """The OpenAPI 3.1 description, in JSON; in YAML with ``?format=yaml`` or an Accept header that asks for it."""

    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer2,
        OpenApiYamlRenderer,
        ConsolePages,
    ]


class DocsView(_ForAnybody, SpectacularSwaggerSplitView):
    """The description as a page to read and try; with ``?script=``, the script of that page."""

    url_name = "schema"
    template_name = "rest_framework/docs.html"
    query_names: ClassVar = {"": ("script",)}


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
