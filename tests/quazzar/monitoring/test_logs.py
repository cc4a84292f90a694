"""Log lines: their form, their ids, and the secrets that they do not hold."""

from __future__ import annotations

import io
import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from quazzar.monitoring import logs
from quazzar.monitoring.logs import (
    JsonFormatter,
    RequestIdMiddleware,
    TextFormatter,
    bound,
    redact,
    request_id,
    task_id,
)


def record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    return logging.LogRecord(
        "mailrelay.queue.outbox", logging.WARNING, __file__, 1, message, args, more.get("exc_info")
    )


def as_json(message: str, *args: object, **more: Any) -> dict[str, str]:
    fields: dict[str, str] = json.loads(JsonFormatter().format(record(message, *args, **more)))
    return fields


def failure() -> Any:
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        return sys.exc_info()


def test_a_secret_is_masked(subtests: pytest.Subtests) -> None:
    for text in [
        "key qzr_hunter2hunter2 refused",
        "Authorization: Bearer hunter2",
        "Authorization: Basic hunter2==",
        "{'Authorization': 'Token hunter2'}",
        "curl -H bearer hunter2hunter2",
        "POST /api/mail/events/mailgun/hunter2 200 13 ms",
        "password=hunter2",
        'body {"password": "hunter2 with a space", "port": 587}',
        "new_password='hunter2'",
        "SECRET_KEY=hunter2",
        "api-key: hunter2",
        "redis://:hunter2@10.0.0.1:6379/0",
        "postgres://quazzar:hunter2@db/quazzar",
        "smtp://user:hunter2@with-an-at@host",
        "AUTH PLAIN hunter2=",
        "licence eyJhbGciOiJFZERTQSJ9.hunter2.hunter2-hunter2",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2",
    ]:
        with subtests.test(text=text):
            assert "hunter2" not in redact(text)
            assert logs.MASK in redact(text)


def test_what_is_no_secret_stays(subtests: pytest.Subtests) -> None:
    for text in [
        "message 12 sent to ops@example.com via smtp.mailgun.org:587",
        "http://127.0.0.1:8000/admin/ 200",
        '"password_state": "saved"',
        "the password was refused",
        "Authorization failed",
        "secrets.key has mode 0600",
    ]:
        with subtests.test(text=text):
            assert redact(text) == text


@pytest.mark.slow
def test_a_long_line_comes_through(subtests: pytest.Subtests) -> None:
    for text in ["a" * 100_000, "eyJ-" * 25_000, "password" * 12_000, "a:" * 50_000]:
        with subtests.test(text=text):
            assert redact(text) == text


def test_a_line_is_one_json_object_with_its_arguments_filled_in() -> None:
    fields = as_json("sent %s to\n%s", 12, "Grüße")
    assert fields.pop("time").endswith("Z")
    assert fields == {"level": "warning", "logger": "mailrelay.queue.outbox", "message": "sent 12 to\nGrüße"}


def test_arguments_and_tracebacks_are_masked_too() -> None:
    fields = as_json("trying %s", {"password": "hunter2"}, exc_info=failure())
    assert "hunter2" not in json.dumps(fields)
    assert "ValueError" in fields["exc"]
    assert "hunter2" not in TextFormatter().format(record("x", exc_info=failure()))


def test_ids_are_on_the_line_while_they_are_bound_and_not_after() -> None:
    with bound(request_id, "abcdefgh"), bound(task_id, "t-1"):
        assert as_json("x")["request_id"] == "abcdefgh"
        assert TextFormatter().format(record("x")).endswith("x request_id=abcdefgh task_id=t-1")
    assert "request_id" not in as_json("x")


def test_the_form_follows_the_variable_then_the_terminal(
    subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for chosen, terminal, form in [
        ("json", True, "json"),
        ("TEXT", False, "text"),
        ("", True, "text"),
        ("", False, "json"),
        ("x", False, "json"),
    ]:
        with subtests.test(chosen=chosen, terminal=terminal, form=form):
            stream = io.StringIO()
            monkeypatch.setattr(stream, "isatty", partial(bool, terminal))
            monkeypatch.setenv("QUAZZAR_LOG_FORMAT", chosen)
            assert logs.log_format(stream) == form


def test_every_app_of_the_product_logs_what_it_does() -> None:
    ours = {app.name for app in apps.get_app_configs() if Path(app.path).parent == settings.BASE_DIR}
    assert ours == set(logs.APPS)
    for app in ours:
        assert logging.getLogger(f"{app}.any.module").isEnabledFor(logging.INFO), app
        assert not logging.getLogger(f"{app}.any.module").isEnabledFor(logging.DEBUG), app
    assert not logging.getLogger("somebody.else").isEnabledFor(logging.INFO)


def answer(sent: str | None = None, path: str = "/api/mail/relay") -> HttpResponse:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request_id.get())

    headers = {} if sent is None else {"X-Request-ID": sent}
    return RequestIdMiddleware(view)(RequestFactory().get(path + "?password=hunter2", headers=headers))


def test_a_sane_request_id_is_kept_and_echoed() -> None:
    response = answer("trace-0123-ABC")
    assert response["X-Request-ID"] == response.content.decode() == "trace-0123-ABC"


def test_another_request_id_is_replaced(subtests: pytest.Subtests) -> None:
    for sent in [None, "", "short", "x" * 65, "spaces in it", "new\nline-here", "semi;colon"]:
        with subtests.test(sent=sent):
            response = answer(sent)
            assert response["X-Request-ID"] == response.content.decode() != sent
            assert len(response["X-Request-ID"]) == 16


def test_a_request_is_logged_with_its_path_and_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "quazzar.access"):
        answer()
        answer(path="/healthz")
    assert [(line.levelname, line.getMessage().rsplit(" ", 2)[0]) for line in caplog.records] == [
        ("INFO", "GET /api/mail/relay 200"),
        ("DEBUG", "GET /healthz 200"),
    ]
