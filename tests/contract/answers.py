"""What every answer of the API must look like."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.test.utils import CaptureQueriesContext

RELAY, PRESETS, TEST = "/api/mail/relay", "/api/mail/relay/presets", "/api/mail/relay/test"
MESSAGES, ALERTS, BACKUPS = "/api/mail/messages", "/api/mail/alerts", "/api/mail/backups"
STACK, DOMAINS = "/api/mail/stack", "/api/mail/domains"
MAILBOXES, ALIASES = "/api/mail/mailboxes", "/api/mail/aliases"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


def ok(response: Any, status: int = 200) -> Any:
    """The JSON of an answer that succeeded."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    return response.json()


def error(response: Any, status: int, code: str) -> dict[str, Any]:
    """The JSON of an error, in its one shape."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert body["error"] == code
    assert body.keys() == {"error", "message"} | ({"fields"} if code == "validation_error" else set())
    assert isinstance(body["message"], str) and body["message"]
    return body


def wrong(response: Any) -> dict[str, list[str]]:
    """The fields of a 400, each with its sentences."""
    fields: dict[str, list[str]] = error(response, 400, "validation_error")["fields"]
    assert fields
    for sentences in fields.values():
        assert sentences and all(isinstance(one, str) and one for one in sentences)
    return fields


def lookups(asked: CaptureQueriesContext, model: type[Model]) -> int:
    """How many of these queries read a row of the model by its id."""
    table = model._meta.db_table
    return sum(query["sql"].startswith("SELECT") and f'"{table}"."id" = ' in query["sql"] for query in asked)


def reads(asked: CaptureQueriesContext, model: type[Model]) -> int:
    """How many of these queries read rows of the model."""
    table = f'FROM "{model._meta.db_table}"'
    return sum(query["sql"].startswith("SELECT") and table in query["sql"] for query in asked)


def is_time(text: Any) -> bool:
    """Whether it is an RFC 3339 time in UTC."""
    return isinstance(text, str) and bool(_TIME.fullmatch(text) and datetime.fromisoformat(text))
