"""The OpenAPI description: security schemes, the errors that any operation may answer, Idempotency-Key."""

from __future__ import annotations

from threading import Lock
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from quazzar.api import idempotency
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet

_MAIL = "/api/mail/"
_TEXT = {"type": "string"}
_JSON = "application/json"


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """``Authorization: Bearer qzr_…``."""

    target_class = "quazzar.api.gate.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the security scheme object of OpenAPI."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "qzr_…",
            "description": "An API key with scopes: mail:read for every GET, mail:write, mail:send.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """The console's session."""

    target_class = "quazzar.api.gate.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the security scheme object of OpenAPI."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The console's session; writes also need the CSRF token as X-CSRFToken.",
        }


class StrictExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Says of strict serializers that they take no other fields, and that they show all of theirs."""

    target_class = "quazzar.api.serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        """The usual description, with what is not in it forbidden or with all that is in it required."""
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        if direction == "request":
            return schema | {"additionalProperties": False}
        return schema | {"required": sorted(schema["properties"])}


#: Action of a viewset → the word for it in operation ids; other actions have their own names.
_WORDS = {
    "retrieve": "read",
    "create": "add",
    "update": "replace",
    "partial_update": "change",
    "destroy": "remove",
}


class Generator(SchemaGenerator):
    """Describes the API once. It is the same for everybody, anybody may ask for it, and to make it takes a core for a
    moment. It would also load drf-spectacular's extensions in several threads at once, which fails in some of them."""

    _once = Lock()
    _made: ClassVar[dict[bool, Any]] = {}

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        """The description. It ignores ``?version=``, of which there is one."""
        with self._once:
            if public not in self._made:
                self.api_version = None
                self._made[public] = super().get_schema(request, public)  # type: ignore[no-untyped-call]
            return self._made[public]


class ApiSchema(AutoSchema):
    """Describes one operation by what its viewset declares."""

    def get_operation_id(self) -> str:
        """``mailbox_add``: what the viewset is registered as, and what is done to it."""
        if not isinstance(self.view, ApiViewSet):
            return super().get_operation_id()
        return f"{self.view.basename}_{_WORDS.get(self.view.action, self.view.action.rstrip('_'))}"

    def get_summary(self) -> str | None:
        """The first sentence of what the viewset says of the action."""
        if not isinstance(self.view, ApiViewSet):
            return super().get_summary()
        return self.view.describe(self.view.action).split(". ")[0].replace("``", "").rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        """What the viewset says of the action, and what it needs."""
        if not isinstance(self.view, ApiViewSet):
            return super().get_description()
        right = self.view.rights[self.view.action]
        names = " or ".join(f"`{name}`" for name in right.permissions)
        needs = f"Needs the scope `{right.scope}`" + (f" and the permission {names}." if names else ".")
        return f"{self.view.describe(self.view.action)}\n\n{needs}"

    def get_request_serializer(self) -> Any:
        """What the action takes; nothing where it is declared to need no body."""
        serializer = super().get_request_serializer()
        return None if isinstance(serializer, NoBody) else serializer

    def get_response_serializers(self) -> Any:
        """What the action answers with: see ApiViewSet.answer."""
        if not isinstance(self.view, ApiViewSet) or self.method == "DELETE":
            return super().get_response_serializers()
        # A serializer's own examples are of what it takes.
        shown = self.view.get_serializer_class() if self.method == "GET" else self.view.serializer_class
        return {self.view.status_of_answer: self.view.answer_class or shown}

    def get_override_parameters(self) -> list[Any]:
        """Idempotency-Key where the handler takes it."""
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        if not getattr(handler, "takes_idempotency_key", False):
            return []
        description = (
            "Sending the same key and body again within 24 hours returns the first answer and sends no "
            "second mail."
        )
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x20-\x7e]+$"}
        return [OpenApiParameter(idempotency.HEADER, schema, "header", description=description)]


def add_errors(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook: every operation names the errors that it may answer."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {}).update(_SCHEMAS)
    components["responses"] = _RESPONSES
    for path, operations in result.get("paths", {}).items():
        for method, operation in operations.items():
            answers = operation.setdefault("responses", {})
            for status, name in _errors_of(path, method, operation):
                answers.setdefault(status, {"$ref": f"#/components/responses/{name}"})
    return result


def _errors_of(path: str, method: str, operation: dict[str, Any]) -> list[tuple[str, str]]:
    errors = [("429", "Throttled"), ("default", "Error")]
    anonymous = {} in operation.get("security", [])
    if not anonymous:
        errors += [("401", "NotAuthenticated"), ("403", "Forbidden")]
    if path.startswith(_MAIL):
        errors.append(("402", "UpgradeRequired"))
    if "{" in path or any(parameter["name"] == "page" for parameter in operation.get("parameters", [])):
        errors.append(("404", "NotFound"))
    if "requestBody" in operation or operation.get("parameters"):
        errors.append(("400", "Invalid"))
    if "requestBody" in operation:
        errors.append(("415", "UnsupportedMediaType"))
    if method != "get":
        errors.append(("409", "Conflict"))
    return errors


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _response(description: str, schema: str = "Error") -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {_JSON: {"schema": reference}}}


_FIELDS = {"type": "object", "additionalProperties": {"type": "array", "items": _TEXT}}
_UPGRADE = ["error", "feature", "current_plan", "required_plan", "message", "upgrade_url"]
_SCHEMAS = {
    "Error": _object({"error": _TEXT, "message": _TEXT, "fields": _FIELDS}, ["error", "message"]),
    "UpgradeRequired": _object(dict.fromkeys(_UPGRADE, _TEXT), _UPGRADE),
}
_RESPONSES = {
    "Invalid": _response(
        "A field is not valid or not known (`validation_error`, with `fields`), or the body is not JSON."
    ),
    "NotAuthenticated": _response("No API key, a key that is not valid, or no session."),
    "UpgradeRequired": _response("This node's plan does not include Mail Relay.", "UpgradeRequired"),
    "Forbidden": _response(
        "The user lacks the permission, or the key lacks the scope. The message says which."
    ),
    "NotFound": _response("Not found."),
    "Conflict": _response("Not possible in the current state; `error` says why."),
    "UnsupportedMediaType": _response("This endpoint does not accept the body's Content-Type."),
    "Throttled": _response("Too many requests. Retry-After says when to try again."),
    "Error": _response("Any other error."),
}
