"""Lists in pages: count, next, previous, results."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import PageNumberPagination


class PageNumbers(PageNumberPagination):
    """``?page=`` and ``?page_size=``: 50 rows, at most 500."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    invalid_page_message = "There is no such page."

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """As OpenAPI 3.1 says "or null"; DRF's ``nullable`` is 3.0's word, and means nothing there."""
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"count": {"type": "integer"}, "next": link, "previous": link}
        properties["results"] = schema
        return {"type": "object", "required": list(properties), "properties": properties}
