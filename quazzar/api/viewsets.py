"""The base of every viewset, and the routers that give them their paths.

A viewset says what it needs (``feature``, ``rights``: see permissions.py), which serializers it takes and
answers with, and overrides ``perform_create``, ``perform_update`` and ``perform_destroy`` to call the domain. Verbs
are ``@action`` methods. The docstrings of all of these are the descriptions in the OpenAPI schema.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.plumbing import get_doc
from rest_framework.exceptions import NotFound
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.routers import DynamicRoute, Route, SimpleRouter
from rest_framework.viewsets import GenericViewSet

from quazzar import bodies
from quazzar.api.browsable.renderers import ConsolePages, answer_in_json
from quazzar.api.fields import LARGEST_ID
from quazzar.api.gate import queries
from quazzar.api.gate.permissions import MAIL
from quazzar.api.serializers import NoBody
from quazzar.models import ApiKey
from quazzar.rights import READ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer

    from quazzar.rights import Right

#: Action → the method whose docstring describes it when it has none of its own, and how the description begins.
_SEAMS = {
    "create": ("perform_create", ""),
    "update": (
        "perform_update",
        "Replaces the settings. Fields that you leave out go back to their defaults. ",
    ),
    "partial_update": ("perform_update", "Changes only the fields that you send. "),
    "destroy": ("perform_destroy", ""),
}
_ROW = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}
_COLLECTION: list[Route | DynamicRoute] = [
    Route("{prefix}", {"get": "list", "post": "create"}, "{basename}-list", False, {}),
    DynamicRoute("{prefix}/{url_path}", "{basename}-{url_name}", False, {}),
    Route("{prefix}/{lookup}", _ROW, "{basename}-detail", True, {}),
    DynamicRoute("{prefix}/{lookup}/{url_path}", "{basename}-{url_name}", True, {}),
]
_SINGLETON: list[Route | DynamicRoute] = [
    Route("{prefix}", {**_ROW, "post": "create"}, "{basename}", False, {}),
    DynamicRoute("{prefix}/{url_path}", "{basename}-{url_name}", False, {}),
]


#: What the answer to a change shows to a caller who may not read.
_OWN = ("id", "configured")


def rights_of_rows(see: Right, add: Right, change: Right, delete: Right) -> dict[str, Right]:
    """Return the ``rights`` of a collection and its rows."""
    return {
        "list": see,
        "retrieve": see,
        "create": add,
        "update": change,
        "partial_update": change,
        "destroy": delete,
    }


class ApiViewSet(GenericViewSet[Any]):
    """Finds rows, checks bodies, and answers.

    Attributes:
        rights: name of each action → the right that it needs; an action that is not here is refused.
        tells_result: actions whose answer tells what this very call did, and so is for everybody who may call them. The
            answer to any other change shows what is stored: only ``id`` and ``configured`` to callers who may not.
        takes_mail: actions whose body may be as large as a mail.
        query_names: name of an action → parameters of its address, besides those of lists.
        serializer_class: what a body must look like, and the answer too, unless ``answer_class`` says otherwise.
        change_serializer_class: for PUT and PATCH, where they differ from POST.
        answer_class: the answer's serializer, where it is not ``serializer_class``.
        answer_status: of an action's answer; GET is always 200, and ``create`` 201 unless this says otherwise.
        page_examples: on the endpoint's page, (name, body) to begin with, where the serializer has no examples.
        page_queries: on the endpoint's page, (name, query string) to follow.
        page_of_row: where the ids of a list lead to, with ``{id}``; empty: to the row's own path, if it has one.
        is_linked: the page one level above leads to this one.
        is_endpoint: it is listed; False for another spelling of a path.
    """

    lookup_value_converter = "int"
    feature: str = MAIL
    rights: ClassVar[Mapping[str, Right]] = {}
    tells_result: ClassVar[frozenset[str]] = frozenset()
    takes_mail: ClassVar[frozenset[str]] = frozenset()
    query_names: ClassVar[Mapping[str, Sequence[str]]] = {}
    change_serializer_class: type[BaseSerializer[Any]] | None = None
    answer_class: type[BaseSerializer[Any]] | None = None
    answer_status: int | None = None
    page_examples: Sequence[tuple[str, str]] = ()
    page_queries: Sequence[tuple[str, str]] = ()
    page_of_row = ""
    is_linked = True
    is_endpoint = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the gate decide; then, for a method that exists, check the path and the size of the body.

        Raises:
            NotFound: the row that the path names does not exist, which is said first.
            RequestDataTooBig: the body is too large.
            ValidationError: a parameter of the address is not known.
        """
        super().initial(request, *args, **kwargs)
        if not (self.action_map or {}).get((request.method or "").lower()):
            return
        with ExitStack() as if_refused:
            if "pk" in kwargs:
                if_refused.callback(self.get_object)
            bodies.check(request._request, bodies.largest(is_mail=self.action in self.takes_mail))
            queries.check(self, request)
            if_refused.pop_all()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the answer, without what the caller may not read."""
        is_change = request.method not in SAFE_METHODS and response.status_code < 400
        shown = getattr(response, "data", None)
        hides = is_change and self.action not in self.tells_result and not self.may_read(request)
        if hides and isinstance(shown, dict):
            response.data = {name: shown[name] for name in _OWN if name in shown}
        return super().finalize_response(request, response, *args, **kwargs)

    def may_read(self, request: Request) -> bool:
        """Whether the caller may read the stored values; true for everyone if nothing can be read."""
        reads = [right for right in self.rights.values() if right.scope == READ]
        if not reads:
            return True
        has_scope = not isinstance(request.auth, ApiKey) or READ in request.auth.scopes
        return has_scope and any(right(request.user) for right in reads)

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """Return the serializer of the body that the present action takes."""
        if self.action in ("update", "partial_update") and self.change_serializer_class is not None:
            return self.change_serializer_class
        return super().get_serializer_class()

    def get_object(self) -> Any:
        """Return the row that the path names, or None if it names none. A list's filters do not apply to it.

        Raises:
            NotFound: there is none.
        """
        if (
            "pk" not in self.kwargs
        ):  # OPTIONS asks for it, also where there is only one thing, such as a schedule
            return None
        row = self.get_queryset().filter(pk=self.row_id).first()
        if row is None:
            raise self._not_found()
        return row

    @property
    def row_id(self) -> int:
        """The id in the path.

        Raises:
            NotFound: it is larger than any id.
        """
        row_id: int = self.kwargs["pk"]
        if row_id > LARGEST_ID:
            raise self._not_found()
        return row_id

    @property
    def noun(self) -> str:
        """What a row is called."""
        assert self.queryset is not None, f"{type(self).__name__} has no queryset, so it has no rows"
        return str(self.queryset.model._meta.verbose_name)

    def _not_found(self) -> NotFound:
        return NotFound(f"This {self.noun} does not exist.")

    def body(self) -> dict[str, Any]:
        """Return the request's body, checked by the action's serializer.

        Raises:
            ValidationError: a field is wrong or unknown.
        """
        serializer = self.get_serializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def answer(self, result: object, **options: Any) -> Response:
        """Return the result as the action's answer; ``options`` are those of Response."""
        shown = self.answer_class or self.get_serializer_class()
        data = shown(result, context=self.get_serializer_context()).data
        return Response(data, status=self.status_of_answer, **options)

    @property
    def takes_body(self) -> bool:
        """Whether the present action reads the request's body."""
        return not issubclass(self.get_serializer_class(), NoBody)

    @property
    def status_of_answer(self) -> int:
        """The HTTP status of the present action's answer, if all goes well."""
        if self.request is not None and self.request.method in SAFE_METHODS:
            return 200
        return self.answer_status or (201 if self.action == "create" else 200)

    def describe(self, action: str) -> str:
        """Say what an action does, for the schema and the pages: in the words of its docstring.

        An action without one is described by the ``perform_…`` method that it ends in, or by the viewset.
        """
        if own := get_doc(getattr(self, action, None)):
            return own
        seam, beginning = _SEAMS.get(action, ("", ""))
        if described := get_doc(getattr(self, seam, None)):
            return beginning + described
        if action == "retrieve":
            return f"The {self.noun} with this id."
        return get_doc(type(self))

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Describe the endpoint, in JSON also where it answers with text."""
        answer_in_json(request)
        return super().options(request, *args, **kwargs)

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Answer 405, but in a browser show the page from which the other methods can be called.

        Raises:
            MethodNotAllowed: for every other client.
            NotFound: the row that the path names does not exist.
        """
        if request.method != "GET" or not isinstance(request.accepted_renderer, ConsolePages):
            return super().http_method_not_allowed(request, *args, **kwargs)
        if "pk" in kwargs:
            self.get_object()
        return Response()


class UpdateRowMixin:
    """PUT and PATCH that leave it to the domain to look up the row, so that a change reads it once.

    It replaces DRF's UpdateModelMixin, which looks it up first. ``perform_update`` finds the row by
    ``row_id``, and sets ``serializer.instance`` to what is shown.
    """

    def update(self: Any, request: Request, pk: int, *, partial: bool = False) -> Response:
        with ExitStack() as if_refused:
            # 404 comes before 400: the row is looked up here only when the body is refused.
            if_refused.callback(self.get_object)
            serializer = self.get_serializer(data=request.data, partial=partial)
            serializer.is_valid(raise_exception=True)
            if_refused.pop_all()
        self.perform_update(serializer)
        return Response(serializer.data)

    def partial_update(self, request: Request, pk: int) -> Response:
        return self.update(request, pk, partial=True)


class ApiRouter(SimpleRouter):
    """Paths without a trailing slash, in which ids are numbers."""

    routes = _COLLECTION

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)


class SingletonRouter(ApiRouter):
    """The same for what exists once: its verbs are on the prefix itself."""

    routes = _SINGLETON
