"""The endpoints that there are, read from the routes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.plumbing import get_doc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

API = "/api/"
_METHODS = ("get", "post", "put", "patch", "delete")
_ID = "{id}"


@dataclass(frozen=True)
class Endpoint:
    """A path and what can be done there.

    Attributes:
        path: such as ``/api/mail/domains/{id}/dns``.
        methods: HTTP method → what it does, in a sentence or two.
        is_linked: the page one level above leads here.
    """

    path: str
    methods: dict[str, str]
    is_linked: bool = True

    @property
    def is_link(self) -> bool:
        """Whether the path is an address: it has no placeholder."""
        return _ID not in self.path

    def matches(self, path: str) -> bool:
        """Whether this is the endpoint of a path, which may end with a slash or without."""
        wanted, parts = self.path.strip("/").split("/"), path.strip("/").split("/")
        return len(wanted) == len(parts) and all(
            want == part or (want == _ID and part.isdecimal())
            for want, part in zip(wanted, parts, strict=True)
        )


def endpoints() -> list[Endpoint]:
    """Return all endpoints under /api/, by path, without the answers to unknown paths."""
    return sorted(_walk(get_resolver().url_patterns, "/"), key=lambda endpoint: endpoint.path)


def _walk(patterns: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[Endpoint]:
    for pattern in patterns:
        path = prefix + re.sub(r"<\w+:\w+>", _ID, str(pattern.pattern))
        if not (path.startswith(API) or API.startswith(path)):
            continue
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        elif path.startswith(API) and hasattr(pattern.callback, "cls"):
            yield from _endpoint(path, pattern.callback)


def _endpoint(path: str, callback: Any) -> Iterator[Endpoint]:
    view = callback.cls(**callback.initkwargs)
    if not getattr(view, "is_endpoint", True):
        return
    if actions := getattr(callback, "actions", {}):
        methods = {method.upper(): view.describe(actions[method]) for method in _METHODS if method in actions}
    else:
        methods = {method.upper(): get_doc(callback.cls) for method in _METHODS if hasattr(view, method)}
    yield Endpoint(path, methods, getattr(view, "is_linked", True))
