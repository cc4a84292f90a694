"""Requests made up from the OpenAPI description: no 5xx, and every answer as described."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mailrelay.models import Message, RelaySettings
from quazzar import apikeys
from quazzar.models import ApiKey

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
BOUNDED = settings(
    max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever host a made-up request saves, nothing leaves this machine."""

    def resolve(host: str, port: int, seconds: float) -> list[tuple[int, Any]]:
        return [(socket.AF_INET, ("127.0.0.1", 9))]

    monkeypatch.setattr("mailrelay.smtp.resolve", resolve)


@pytest.fixture(autouse=True)
def _one_transaction() -> Iterator[None]:
    """As in Django's own client: a request does not close the connection that the test's transaction is on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def key(operator: Any) -> dict[str, str]:
    """An Authorization header with all scopes."""
    _, text = apikeys.mint(operator, "fuzz", ApiKey.Scope.values)
    return {"Authorization": f"Bearer {text}"}


described = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
described.app = WSGIHandler()
mail = described.include(path_regex="^/api/mail/")
sending = described.include(path_regex="^/api/mail/(messages|alerts|backups|relay/test)$", method="POST")


def answered(case: Any, key: dict[str, str]) -> Any:
    """The answer, as described. A key for idempotency is made up anew, lest each body but the first is a conflict."""
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid4())
    return case.call_and_validate(headers=key, checks=CHECKS)


@mail.parametrize()
@BOUNDED
def test_with_a_relay_that_does_not_answer(
    case: Any, key: dict[str, str], queued: Callable[..., Message]
) -> None:
    everything = {"alert_recipients": ["ops@example.com"], "backup_recipients": ["ops@example.com"]}
    RelaySettings.objects.update_or_create(pk=1, defaults={"host": "127.0.0.1", "port": 9, **everything})
    row = Message.objects.filter(status="queued").last() or queued()
    if case.path_parameters and str(case.path_parameters["id"]).isdecimal():
        case.path_parameters["id"] = row.pk
    answered(case, key)


@sending.parametrize()
@BOUNDED
def test_without_a_relay(case: Any, key: dict[str, str]) -> None:
    answered(case, key)
