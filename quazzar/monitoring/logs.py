"""Logging to stderr: one line per event, as JSON or text, with request and task ids and without secrets."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest, HttpResponse

request_id: ContextVar[str] = ContextVar("request_id", default="")
task_id: ContextVar[str] = ContextVar("task_id", default="")

MASK = "[redacted]"
_SANE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
# Probes come every few seconds; at INFO they would drown everything else.
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

# Repetitions that can start anywhere in a word are bounded, so that a long line does not take quadratic time.
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"qzr_[A-Za-z0-9_-]{4,}"), f"qzr_{MASK}"),
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z ]{0,30}-----|\Z)"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,2000}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), MASK),
    # The address of a webhook is its password.
    (re.compile(r"(/api/mail/events/[\w-]{1,20}/)[^\s/?#'\"]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)(\bauthorization['\"]?\s*[:=]\s*['\"]?)(?:[a-z]+\s+)?[^\s'\",}]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)\b(auth\s+(?:plain|login|xoauth2|cram-md5)\s+)[A-Za-z0-9+/=]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]{0,20}://[^\s:/@'\"]*:)[^\s/'\"]*@"), rf"\1{MASK}@"),
    (
        re.compile(
            r"(?i)((?:passw(?:or)?d|passphrase|secret(?:[_-]?key)?|(?:api|private)[_-]?key|token)['\"]?\s*[=:]\s*)"
            r"(?:'[^']*'|\"[^\"]*\"|[^\s,;&}'\"]+)"
        ),
        rf"\1{MASK}",
    ),
)


def redact(text: str) -> str:
    """The text, with everything masked that looks like a secret."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class _Formatter(logging.Formatter):
    """What both formats share: masked message, masked traceback, ids of the current work."""

    def parts(self, record: logging.LogRecord) -> dict[str, str]:
        """The fields of a line that are not empty."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "request_id": request_id.get(),
            "task_id": task_id.get(),
        }
        if record.exc_info:
            fields["exc"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            fields["stack"] = redact(record.stack_info)
        return {name: value for name, value in fields.items() if value}


class JsonFormatter(_Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        process = os.environ.get("QUAZZAR_PROCESS")
        fields = self.parts(record) | ({"process": process} if process else {})
        fields["time"] = fields["time"].replace("+00:00", "Z")
        return json.dumps(fields, ensure_ascii=False)


class TextFormatter(_Formatter):
    """Formats a record for people: time, level, logger, message and ids, with a traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        fields = self.parts(record)
        ids = "".join(f" {name}={fields[name]}" for name in ("request_id", "task_id") if name in fields)
        line = f"{fields['time'][11:19]} {record.levelname:<7} {record.name}: {fields['message']}{ids}"
        return "\n".join([line, *(fields[name] for name in ("exc", "stack") if name in fields)])


def log_format(stream: TextIO = sys.stderr) -> str:
    """``json`` or ``text``: the value of QUAZZAR_LOG_FORMAT, or else text on a terminal and JSON elsewhere."""
    chosen = os.environ.get("QUAZZAR_LOG_FORMAT", "").strip().lower()
    if chosen in {"json", "text"}:
        return chosen
    return "text" if stream.isatty() else "json"


#: The product's own apps; what they log at INFO is shown. (INSTALLED_APPS is out of reach: no Django is loaded here.)
APPS = ("quazzar", "mailrelay", "mailboxes", "dnsrecords")

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "quazzar.monitoring.logs.JsonFormatter"},
        "text": {"()": "quazzar.monitoring.logs.TextFormatter"},
    },
    "filters": {"require_debug_false": {"()": "django.utils.log.RequireDebugFalse"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": log_format()},
        "mail_admins": {
            "class": "django.utils.log.AdminEmailHandler",
            "level": "ERROR",
            "filters": ["require_debug_false"],
        },
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        **{app: {"level": "INFO"} for app in APPS},
        "django": {"handlers": ["mail_admins"], "level": "INFO"},
        # Its warnings repeat, without an id, what quazzar.access logs about the same request.
        "django.request": {"level": "ERROR"},
        "waitress.queue": {"level": "ERROR"},  # warns of each request that waits for a thread
        "celery": {"level": "WARNING"},
    },
}

access = logging.getLogger("quazzar.access")


@contextmanager
def bound(variable: ContextVar[str], value: str) -> Iterator[None]:
    """Put this id on every line that is logged in the block."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def accepted_id(sent: str) -> str:
    """The id that the caller sent if it has the right form, else a new one: strangers cannot log what they like."""
    return sent if _SANE_ID.fullmatch(sent) else os.urandom(8).hex()


class RequestIdMiddleware:
    """Gives each request an id, puts it on every line logged during the request, and returns it as X-Request-ID."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = accepted_id(request.headers.get("X-Request-ID", ""))
        started = time.monotonic()
        with bound(request_id, chosen):
            response = self.get_response(request)
            level = logging.DEBUG if request.path in _QUIET_PATHS else logging.INFO
            elapsed = (time.monotonic() - started) * 1000
            # Only the path: a query string may hold a secret that somebody put there by mistake.
            access.log(level, "%s %s %d %.0f ms", request.method, request.path, response.status_code, elapsed)
        response["X-Request-ID"] = chosen
        return response


def configure_plainly() -> None:
    """Set up logging in a process that loads no Django."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format() == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
