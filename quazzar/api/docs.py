"""/api/schema and /api/docs. They hold no secret, so anybody may read them; all their parts come from this node."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny


class SchemaView(SpectacularAPIView):
    """The OpenAPI 3.1 description, as JSON or (``?format=yaml``, or by Accept) YAML."""

    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer2, OpenApiYamlRenderer]
    permission_classes = [AllowAny]
    throttle_classes: ClassVar[list[Any]] = []


class DocsView(SpectacularSwaggerView):
    """The description as a page to read and try."""

    permission_classes = [AllowAny]
    throttle_classes: ClassVar[list[Any]] = []
    url_name = "schema"
