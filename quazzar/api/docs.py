"""/api/schema and /api/docs. They hold no secret, so anybody may read them; nothing comes from elsewhere."""

from __future__ import annotations

from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny

from quazzar.api.permissions import ANY_PLAN
from quazzar.api.renderers import ConsolePages


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
