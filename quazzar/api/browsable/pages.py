"""What a page of the browsable API shows: the answer, the way to other pages, and forms to send from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from drf_spectacular.drainage import get_override
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser

from quazzar.api.browsable.endpoints import Endpoint, endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rest_framework.request import Request
    from rest_framework.response import Response

#: Methods that have a form.
METHODS = ("POST", "PUT", "PATCH", "DELETE")
#: A longer answer is shown in one colour.
_LONGEST_COLOURED = 200_000
_TOKEN = re.compile(
    r'(?P<string>"(?:\\.|[^"\\])*")(?P<colon>:)?|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<word>true|false|null)"
)
_NAMES = {"api": "API", "mail": "Mail Relay", "dns": "DNS", "dmarc": "DMARC", "ed25519": "Ed25519"}


# --- forms -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Form:
    """Something that can be sent from the page.

    Attributes:
        content_type: of a written body; empty for a method that needs no body.
        examples: (name, body) to begin with; the first is filled in.
        takes_file: a file can be sent in place of a written body.
    """

    method: str
    description: str
    content_type: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    takes_file: bool = False


def form(view: Any, method: str, answer: object) -> Form:
    """Return the form of a method that the view has, while the view's request and action are that method's.

    Args:
        answer: what the page shows; a change begins with it.
    """
    description = view.describe(view.action)
    serializer = view.get_serializer()
    if method == "DELETE" or not view.takes_body:
        return Form(method, description)
    examples = [*view.page_examples] or [*_bodies(serializer, method, answer)]
    takes_file = any(issubclass(parser, MultiPartParser) for parser in view.parser_classes)
    return Form(method, description, view.parser_classes[0].media_type, tuple(examples), takes_file)


def _bodies(serializer: Any, method: str, answer: object) -> Iterator[tuple[str, str]]:
    examples = [
        (example.name, _json(example.value)) for example in get_override(type(serializer), "examples", [])
    ]
    stored = {
        name: answer[name]
        for name, field in serializer.fields.items()
        if isinstance(answer, dict) and name in answer and not field.read_only
    }
    now = [("As it is now", _json(stored))] if stored and method in ("PUT", "PATCH") else []
    yield from [*now, *examples]
    if not (examples or now):
        yield "All fields", _json(serializer.data)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def is_gone(view: Any, status: int) -> bool:
    """Whether the path names a row that does not exist, or no longer: nothing can be sent to it."""
    if status not in (204, 404) or "pk" not in view.kwargs:
        return False
    try:
        view.get_object()
    except NotFound:
        return True
    return False


# --- the page ----------------------------------------------------------------------------------------------
def context(view: Any, request: Request, response: Response, answer: object, content: str) -> dict[str, Any]:
    """Return what the template shows besides the forms."""
    action = getattr(view, "action", None)
    routes = endpoints()
    gone = is_gone(view, response.status_code)
    shown = getattr(view, "action_map", {}).get("get")
    own_rows = f"{request.path}/{{id}}" if any(route.matches(f"{request.path}/0") for route in routes) else ""
    return {
        "view": view,
        "request": request,
        "title": "Not found" if response.status_code == 404 else _title(view, request.path),
        "description": view.describe(shown) if shown and not gone else "",
        "crumbs": _crumbs(request.path, routes),
        "status": f"{response.status_code} {HTTPStatus(response.status_code).phrase}",
        "failed": response.status_code >= 400,
        "is_form_only": answer is None and response.status_code == 200,
        "headers": [
            (name, value) for name, value in sorted(response.items()) if name in ("Allow", "Retry-After")
        ],
        "content": _coloured(
            content, request.build_absolute_uri("/"), getattr(view, "page_of_row", "") or own_rows
        ),
        "formats": [renderer.format for renderer in view.renderer_classes if renderer.format != "api"],
        "related": [] if gone else _related(request.path, routes),
        "endpoints": view.endpoints() if hasattr(view, "endpoints") and response.status_code == 200 else [],
        "queries": getattr(view, "page_queries", ()),
        **_listing(view, request, action),
    }


def _title(view: Any, path: str) -> str:
    *_, last = path.strip("/").split("/")
    if last.isdecimal() and hasattr(view, "noun"):
        return f"{view.noun} {last}".capitalize()
    return _NAMES.get(last, last.replace("-", " ").capitalize())


def _crumbs(path: str, routes: list[Endpoint]) -> list[tuple[str, str]]:
    """(part, address) of each part of the path; the address is empty where there is no page."""
    parts = path.strip("/").split("/")
    crumbs = []
    for count, part in enumerate(parts, 1):
        prefix = "/" + "/".join(parts[:count])
        endpoint = next((route for route in routes if route.matches(prefix)), None)
        slash = "/" if endpoint and endpoint.path.endswith("/") else ""
        crumbs.append((part, prefix + slash if endpoint and count < len(parts) else ""))
    return crumbs


def _related(path: str, routes: list[Endpoint]) -> list[tuple[str, str]]:
    """(name, address) of the endpoints one level below the path."""
    base = path.rstrip("/")
    names = [endpoint.path.rpartition("/")[2] for endpoint in routes if endpoint.is_linked]
    addresses = {name: f"{base}/{name}" for name in names if name and "{" not in name}
    return [
        (name, address)
        for name, address in addresses.items()
        if any(endpoint.is_linked and endpoint.matches(address) for endpoint in routes)
    ]


def _listing(view: Any, request: Request, action: str | None) -> dict[str, Any]:
    """What only a list has: its filters, and where in it the page is."""
    if action != "list" or not view.filter_backends:
        return {}
    backend = next(backend for backend in view.filter_backends if hasattr(backend, "get_filterset"))
    filterset = backend().get_filterset(request, view.get_queryset(), view)
    orders = [name for field in view.ordering_fields for name in (field, f"-{field}")]
    paginator = view.paginator
    page = getattr(paginator, "page", None)
    return {
        "filters": [
            (name, request.query_params.get(name, ""), _choices(field))
            for name, field in (filterset.form.fields.items() if filterset is not None else ())
        ],
        "search": request.query_params.get("search", ""),
        "orders": orders,
        "ordering": request.query_params.get("ordering", ""),
        "page": page,
        "previous": paginator.get_previous_link() if page else None,
        "next": paginator.get_next_link() if page else None,
    }


def _choices(field: Any) -> list[str]:
    """The words that a filter takes; none when it takes anything."""
    words = [str(value) for value, _ in getattr(field, "choices", ()) if value]
    return [word for word in words if word not in ("0", "1")]


# --- the answer --------------------------------------------------------------------------------------------
def _coloured(content: str, node: str, page_of_row: str) -> SafeString:
    """JSON with its tokens marked, with links to addresses of this node and, in a list, to its rows."""
    if not content.startswith(("{", "[")) or len(content) > _LONGEST_COLOURED:
        return escape(content)
    pieces: list[str] = []
    end, key = 0, ""
    for token in _TOKEN.finditer(content):
        pieces.append(escape(content[end : token.start()]))
        end = token.end()
        pieces.append(_marked(token.groupdict(), key, node, page_of_row))
        if token["colon"]:
            key = token["string"]
    return mark_safe("".join(pieces) + escape(content[end:]))  # noqa: S308  # all of it was escaped piece by piece


def _marked(token: Mapping[str, str | None], key: str, node: str, page_of_row: str) -> str:
    text = token["string"] or token["number"] or token["word"] or ""
    if token["colon"]:
        return format_html('<span class="key">{}</span>:', text)
    if token["string"]:
        address = text[1:-1]
        if address.startswith(node):
            return format_html('<a href="{}">{}</a>', json.loads(text), text)
        return format_html('<span class="text">{}</span>', text)
    if token["number"] and key == '"id"' and page_of_row:
        return format_html('<a href="{}">{}</a>', page_of_row.replace("{id}", text), text)
    return format_html('<span class="word">{}</span>', text)
