"""The OpenAPI description says what API.md says, and the answers are as it says."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from mailrelay.models import Message, RelaySettings
from tests.contract.answers import (
    ALERTS,
    ALIASES,
    BACKUPS,
    DOMAINS,
    MAILBOXES,
    MESSAGES,
    PRESETS,
    RELAY,
    STACK,
    TEST,
)
from tests.contract.test_alerts import ALERTMANAGER, GRAFANA, SIMPLE
from tests.contract.test_aliases import KEYS as ALIAS_KEYS
from tests.contract.test_backups import FULL as BACKUP
from tests.contract.test_domains import KEYS as DOMAIN_KEYS
from tests.contract.test_mailboxes import KEYS as MAILBOX_KEYS
from tests.contract.test_messages import FULL as MAIL
from tests.contract.test_relay import FULL as SETTINGS
from tests.contract.test_relay import NOTHING
from tests.contract.test_stack import NOTHING as STACK_KEYS

EXPECTED, HEALTH, SUPPRESSIONS = "/api/mail/expected", "/api/mail/health", "/api/mail/suppressions"
INBOXES, WEBHOOKS = "/api/mail/inboxes", "/api/mail/webhooks"
OPERATIONS = {
    (RELAY, "get"): "200", (RELAY, "put"): "200", (RELAY, "patch"): "200", (RELAY, "delete"): "204",
    (PRESETS, "get"): "200", (TEST, "post"): "200", (MESSAGES, "get"): "200", (MESSAGES, "post"): "202",
    (f"{MESSAGES}/{{id}}", "get"): "200", (f"{MESSAGES}/{{id}}/retry", "post"): "202",
    (f"{MESSAGES}/{{id}}/cancel", "post"): "202",
    (ALERTS, "post"): "202",
    (BACKUPS, "post"): "202",
    ("/api/mail/audit", "get"): "200",
    (HEALTH, "get"): "200", (f"{HEALTH}/history", "get"): "200",
    **{(f"{EXPECTED}/{{id}}/{verb}", "post"): "200" for verb in ("watch", "ignore", "pause")},
    (f"{INBOXES}/{{id}}/look", "post"): "200", (f"{WEBHOOKS}/{{id}}/renew", "post"): "200",
    (f"{STACK}/own-mailbox", "get"): "200",
    (SUPPRESSIONS, "get"): "200", (SUPPRESSIONS, "post"): "201",
    (f"{SUPPRESSIONS}/{{id}}", "get"): "200", (f"{SUPPRESSIONS}/{{id}}", "delete"): "204",
    (STACK, "get"): "200", (STACK, "patch"): "200", (f"{STACK}/preflight", "post"): "200",
    (f"{STACK}/enable", "post"): "202", (f"{STACK}/disable", "post"): "202", (f"{STACK}/repair", "post"): "202",
    (f"{STACK}/certificate", "get"): "200", (f"{STACK}/certificate", "put"): "200",
    (f"{STACK}/controller-password", "post"): "200", (f"{STACK}/logs", "get"): "200",
    (f"{STACK}/compose", "get"): "200", (f"{STACK}/queue", "get"): "200",
    (f"{STACK}/queue/retry", "post"): "202",
    **{(f"{STACK}/queue/{act}", "post"): "200" for act in ("hold", "release", "delete")},
    ("/api/mail/journeys", "get"): "200", ("/api/mail/journeys/{id}", "get"): "200",
    (f"{STACK}/images", "get"): "200", (f"{STACK}/images/look", "post"): "200",
    (f"{STACK}/images/upgrade", "post"): "202",
    **{
        (path + part, method): status
        for path in (DOMAINS, MAILBOXES, ALIASES, EXPECTED, INBOXES, WEBHOOKS)
        for part, method, status in [
            ("", "get", "200"), ("", "post", "201"), ("/{id}", "get", "200"), ("/{id}", "put", "200"),
            ("/{id}", "patch", "200"), ("/{id}", "delete", "204"),
        ]
    },
    (f"{MAILBOXES}/import", "post"): "200", (f"{MAILBOXES}/import/{{id}}", "get"): "200",
    (f"{MAILBOXES}/export", "get"): "200", (f"{MAILBOXES}/deleted", "get"): "200",
    (f"{MAILBOXES}/{{id}}/restore", "post"): "200",
    (f"{DOMAINS}/{{id}}/dns", "get"): "200", (f"{DOMAINS}/{{id}}/dns/check", "post"): "200",
    (f"{DOMAINS}/{{id}}/dns/dmarc", "get"): "200",
    (f"{DOMAINS}/{{id}}/dns/reports", "get"): "200", ("/api/mail/dns/reports", "post"): "200",
    ("/api/mail/dns/blocklists", "get"): "200", ("/api/mail/dns/blocklists/check", "post"): "200",
    ("/api/mail/proofs", "get"): "200", ("/api/mail/proofs", "post"): "201",
    ("/api/mail/proofs/{id}", "get"): "200", ("/api/mail/proofs/{id}/headers", "post"): "200",
    ("/api/mail/proofs/schedule", "get"): "200", ("/api/mail/proofs/schedule", "put"): "200",
    (f"{DOMAINS}/{{id}}/dns/publisher", "get"): "200", (f"{DOMAINS}/{{id}}/dns/publisher", "put"): "200",
    (f"{DOMAINS}/{{id}}/dns/publisher", "delete"): "204", (f"{DOMAINS}/{{id}}/dns/publish", "post"): "200",
    (f"{DOMAINS}/{{id}}/dns/options", "get"): "200", (f"{DOMAINS}/{{id}}/dns/options", "patch"): "200",
    (f"{DOMAINS}/{{id}}/dns/zone", "get"): "200", (f"{DOMAINS}/{{id}}/dns/rotation", "get"): "200",
    (f"{DOMAINS}/{{id}}/dns/ed25519", "get"): "200", (f"{DOMAINS}/{{id}}/dns/ed25519", "post"): "201",
    (f"{DOMAINS}/{{id}}/dns/ed25519", "delete"): "200",
    (f"{DOMAINS}/{{id}}/dns/rotation", "post"): "201", (f"{DOMAINS}/{{id}}/dns/rotation", "delete"): "204",
}  # fmt: skip
TAKES_KEY = {
    (EXPECTED, "post"),
    (TEST, "post"),
    (MESSAGES, "post"),
    (f"{MESSAGES}/{{id}}/retry", "post"),
    (f"{MESSAGES}/{{id}}/cancel", "post"),
    (ALERTS, "post"),
    (BACKUPS, "post"),
    (DOMAINS, "post"),
    (ALIASES, "post"),
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """As it is served; to read, not to change."""
    found: dict[str, Any] = Client().get("/api/schema").json()
    return found


def errors(schema: dict[str, Any], part: dict[str, Any], value: Any) -> list[str]:
    """What a validator of the standard that OpenAPI 3.1 is built on says."""
    whole = {**part, "components": schema["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def answer_of(schema: dict[str, Any], path: str, method: str, status: int) -> dict[str, Any]:
    answers = schema["paths"][path][method]["responses"]
    answer = answers.get(str(status), answers["default"])
    if "$ref" in answer:
        answer = schema["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return found


def test_each_operation_is_described_with_its_answer(schema: dict[str, Any]) -> None:
    described = {
        (path, method): next(status for status in operation["responses"] if status.startswith("2"))
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/api/mail/")
    }
    assert described == OPERATIONS


def test_idempotency_key_is_described_on_each_write_that_sends(schema: dict[str, Any]) -> None:
    for path, method in OPERATIONS:
        names = {each["name"] for each in schema["paths"][path][method].get("parameters", [])}
        assert ("Idempotency-Key" in names) is ((path, method) in TAKES_KEY)


@pytest.mark.parametrize(
    ("path", "filters"),
    [
        (MESSAGES, {"status", "source", "before"}), (DOMAINS, set()), (MAILBOXES, {"domain", "enabled"}),
        (ALIASES, {"domain", "enabled"}), (f"{MAILBOXES}/deleted", set()),
    ],
)  # fmt: skip
def test_a_list_has_the_parameters_of_the_contract(
    schema: dict[str, Any], path: str, filters: set[str]
) -> None:
    names = {each["name"] for each in schema["paths"][path]["get"]["parameters"]}
    assert names == {"page", "page_size", "search", "ordering"} | filters


@pytest.mark.parametrize("path", [MAILBOXES, ALIASES])
def test_a_filter_that_is_true_or_false_is_described_so(schema: dict[str, Any], path: str) -> None:
    parameters = schema["paths"][path]["get"]["parameters"]
    assert next(each["schema"] for each in parameters if each["name"] == "enabled") == {"type": "boolean"}


@pytest.mark.parametrize(
    ("name", "keys"),
    [("Domain", DOMAIN_KEYS), ("Mailbox", MAILBOX_KEYS), ("Alias", ALIAS_KEYS), ("Stack", STACK_KEYS)],
)
def test_every_field_that_is_shown_is_described(schema: dict[str, Any], name: str, keys: Any) -> None:
    shown = schema["components"]["schemas"][name]
    assert set(shown["required"]) == shown["properties"].keys() == set(keys)


def test_every_field_of_the_relay_is_described(schema: dict[str, Any]) -> None:
    shown, taken = (schema["components"]["schemas"][name] for name in ("Relay", "RelayRequest"))
    assert set(shown["required"]) == shown["properties"].keys() == NOTHING.keys()
    assert taken["properties"].keys() == SETTINGS.keys()


@pytest.mark.parametrize(
    ("path", "method", "bodies"),
    [
        (RELAY, "put", [SETTINGS, {}, {"password": None}]), (RELAY, "patch", [SETTINGS, {"password": ""}]),
        (TEST, "post", [{"to": "ops@example.com"}]), (MESSAGES, "post", [MAIL, {"to": ["ops@example.com"]}]),
        (ALERTS, "post", [ALERTMANAGER, GRAFANA, SIMPLE, {"rule": "x", "details": "y"}]),
        (BACKUPS, "post", [BACKUP, BACKUP | {"started_at": "2026-11-22T02:00:00+0000", "finished_at": 5}]),
    ],
)  # fmt: skip
def test_bodies_that_are_taken_fit_the_description(
    schema: dict[str, Any], path: str, method: str, bodies: Any
) -> None:
    content = schema["paths"][path][method]["requestBody"]["content"]
    assert list(content) == ["application/json"]
    for body in bodies:
        assert errors(schema, content["application/json"]["schema"], body) == []
    assert errors(schema, content["application/json"]["schema"], {"surprise": 1})


@pytest.mark.slow
@pytest.mark.parametrize("path", [TEST, MESSAGES, ALERTS, BACKUPS])
def test_examples_are_given_and_taken(
    api: APIClient, relay: RelaySettings, schema: dict[str, Any], path: str
) -> None:
    relay.host, relay.port = "127.0.0.1", 9  # discard: nobody listens there
    relay.save()
    examples = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        assert api.post(path, example["value"]).status_code in {200, 202}


@pytest.mark.slow
def test_answers_fit_the_description(api: APIClient, relay: RelaySettings, schema: dict[str, Any]) -> None:
    relay.alert_recipients = ["ops@example.com"]
    relay.save()
    row = Message.objects.create(
        status="failed", next_attempt_at=None, message_id="<1@example.com>", to=["ops@example.com"],
        recipients=[{"address": "ops@example.com", "status": "failed", "code": 550, "message": "No"}],
        last_error={"stage": "data", "code": None, "message": "No"},
    )  # fmt: skip
    for path, method, body in [
        (RELAY, "get", None), (PRESETS, "get", None), (MESSAGES, "post", MAIL),
        (f"{MESSAGES}/{{id}}", "get", None),
        (ALERTS, "post", SIMPLE), (BACKUPS, "post", BACKUP), (f"{MESSAGES}/{{id}}/retry", "post", None),
        (f"{MESSAGES}/{{id}}/cancel", "post", None), (f"{MESSAGES}/{{id}}/cancel", "post", None),
        (MESSAGES, "post", {"nope": 1}), (RELAY, "put", {"port": 0}), (TEST, "post", {}),
        (RELAY, "put", SETTINGS),
    ]:  # fmt: skip
        response = getattr(api, method)(path.format(id=row.pk), body)
        assert errors(schema, answer_of(schema, path, method, response.status_code), response.json()) == []


def test_pages_of_a_list_fit_the_description(
    api: APIClient, relay: RelaySettings, schema: dict[str, Any]
) -> None:
    for _ in range(3):
        api.post(MESSAGES, MAIL)
    for page in (1, 2, 3):
        shown = api.get(MESSAGES, {"page": page, "page_size": 1}).json()
        assert errors(schema, answer_of(schema, MESSAGES, "get", 200), shown) == []
