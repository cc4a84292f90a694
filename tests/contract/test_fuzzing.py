"""Requests made up from the OpenAPI description: no 5xx, and every answer as described."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mailboxes.dkim import keys as dkim
from mailboxes.engine import connect
from mailboxes.models import Alias, Domain, ImportJob, Mailbox, Stack
from mailboxes.provisioning import passwords
from mailboxes.stack import control
from mailboxes.stack.preflight import names as namechecks
from mailrelay.models import Message, RelaySettings
from quazzar.access import apikeys
from quazzar.models import ApiKey
from tests.fakes import FakeEngine
from tests.tiers import LONG, fewer

pytestmark = [pytest.mark.long, pytest.mark.slow]

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
BOUNDED = settings(
    max_examples=fewer(10, 20),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
BRIEF = settings(BOUNDED, max_examples=fewer(6, 10))


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine, whichever host a generated request saves."""

    def resolve(host: str, port: int, seconds: float) -> list[tuple[int, Any]]:
        return [(socket.AF_INET, ("127.0.0.1", 9))]

    def refuse(*_: Any) -> Any:
        raise OSError("offline")

    monkeypatch.setattr("mailrelay.smtp.opening.resolve", resolve)
    monkeypatch.setattr(connect, "to_docker", lambda *_: FakeEngine())
    for name in ("resolve", "name_of", "greeting"):
        monkeypatch.setattr(namechecks, name, refuse)


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """One key pair and one hash for all: they are slow to make."""
    pair, hashed = dkim.generate(), passwords.hash_password("correct horse battery")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dkim, "generate", lambda: pair)
        patch.setattr(passwords, "hash_password", lambda _: hashed)
        yield


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


#: The long run also tries the edge of each field's description, and the constants of the code; to work those out takes
#: every process seconds.
CONFIG = SchemathesisConfig.from_dict(
    {"phases": {"coverage": {"enabled": LONG}}, "analysis": {"constants": {"enabled": LONG}}}
)
described = schemathesis.openapi.from_dict(
    cast("Any", SchemaGenerator)().get_schema(request=None, public=True), config=CONFIG
)
described.app = WSGIHandler()
mail = described.include(path_regex="^/api/mail/(relay|messages|alerts|backups)")
inhabitants = described.include(path_regex="^/api/mail/(domains|mailboxes|aliases)")
stack = described.include(path_regex="^/api/mail/stack")
sending = described.include(path_regex="^/api/mail/(messages|alerts|backups|relay/test)$", method="POST")


def answered(case: Any, key: dict[str, str]) -> Any:
    """The answer, as described.

    Each request gets a new idempotency key, or every body but the first would be a conflict.
    """
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


def rows() -> dict[str, int]:
    """The beginning of a path → the id of an existing row, even if the last one was deleted."""
    domain, _ = Domain.objects.get_or_create(name="example.com", defaults={"catch_all": "ops@example.com"})
    ada = {"domain": domain, "local_part": "ada", "address": "ada@example.com"}
    box = Mailbox.objects.filter(
        address="ada@example.com", deleted_at=None
    ).first() or Mailbox.objects.create(**ada, password_hash="{ARGON2ID}x", home=f"example.com/{uuid4()}")
    gone = Mailbox.objects.create(
        **(ada | {"local_part": "gone", "address": f"{uuid4()}@example.com"}),
        home=str(uuid4()),
        deleted_at=timezone.now(),
    )
    info = {"domain": domain, "local_part": "info", "destinations": ["ada@example.com"]}
    alias, _ = Alias.objects.get_or_create(address="info@example.com", defaults=info)
    failure = {"code": "already_exists", "message": "Someone else added.", "hint": "Import it again."}
    job = ImportJob.objects.create(state="failed", total=1, last_error=failure)
    return {
        "/api/mail/domains": domain.pk, "/api/mail/mailboxes/import": job.pk, "/api/mail/aliases": alias.pk,
        "/api/mail/mailboxes/{id}/restore": gone.pk, "/api/mail/mailboxes": box.pk,
    }  # fmt: skip


@pytest.mark.slow
@inhabitants.parametrize()
@BRIEF
def test_of_domains_mailboxes_and_aliases(case: Any, key: dict[str, str]) -> None:
    there = rows()
    if case.path_parameters and str(case.path_parameters["id"]).isdecimal():
        path = case.operation.path
        case.path_parameters["id"] = next(pk for start, pk in there.items() if path.startswith(start))
    answered(case, key)


@pytest.mark.slow
@pytest.mark.parametrize("enabled", [False, True])
@stack.parametrize()
@BRIEF
def test_of_the_stack(case: Any, key: dict[str, str], enabled: bool) -> None:
    if enabled and not Stack.load().enabled:
        control.enable("mail.example.com")
    answered(case, key)


@sending.parametrize()
@BOUNDED
def test_without_a_relay(case: Any, key: dict[str, str]) -> None:
    answered(case, key)
