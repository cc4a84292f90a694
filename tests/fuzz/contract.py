"""What every answer of the API keeps to, beyond its description: who gets which refusal, and how it looks."""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPMethod
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quazzar.rights import SCOPES, Right
from tests import rolespage
from tests.fuzz.world import SECRETS, person

DOCS = Path(__file__).parents[2] / "docs/api.md"
#: Changes whose answer is a secret, so that a key needs the scope to read as well.
ALSO_READ = {"/api/mail/stack/controller-password"}
#: What no answer shows: stored secrets, and the insides of a fault.
HIDDEN = re.compile("|".join(map(re.escape, (*SECRETS, "Traceback", 'File "/', "site-packages"))))
#: A row of the table of errors; a status with its codes in running text, such as "409 `no_publisher`", or "502 with the
#: name server's answer (`update_refused`, …)"; and the table of what the stack may say, which is 503.
_ROW = re.compile(r"^\| (\d{3}(?:, \d{3})*) \| (.+?) \|", re.MULTILINE)
_TEXT = re.compile(r"\b(\d{3})\s+((?:with the[^(]*\()?`\w+`(?:,\s+(?:else )?`\w+`)*)")
_STACK = re.compile(r"^### What the stack may say.*?(?=^#)", re.MULTILINE | re.DOTALL)


@cache
def codes() -> dict[int, set[str]]:
    """Status → the codes that docs/api.md lists for it."""
    found: dict[int, set[str]] = {}
    page = DOCS.read_text()
    stack = [("503", line) for section in _STACK.findall(page) for line in section.splitlines()]
    for statuses, names in [*_ROW.findall(page), *_TEXT.findall(page), *stack]:
        for status in statuses.split(", "):
            found.setdefault(int(status), set()).update(re.findall(r"`(\w+)`", names))
    return found


@cache
def rights() -> dict[tuple[str, str], Right | None]:
    """(path, method) → the right that it needs."""
    return {(path, method): right for path, method, right in rolespage.calls()}


@cache
def may(caller: str, right: Right) -> bool:
    """Whether this caller has the right."""
    if caller.startswith("key"):
        return right.scope in (SCOPES if "all" in caller else (caller.removeprefix("key "),))
    return right(person(caller))


def breaches(caller: str, path: str, method: str, response: Any) -> list[str]:
    """What is wrong with an answer, a sentence each.

    Args:
        path: as described, such as ``/api/mail/domains/{id}``.
        response: with ``status_code``, ``headers`` and ``content``, as schemathesis passes it.
    """
    return [*_of_gate(caller, path, method, response), *_of_shape(response, method), *_of_headers(response)]


def _of_gate(caller: str, path: str, method: str, response: Any) -> list[str]:
    path, asked = re.sub(r"\{\w+\}", "{id}", path), urlsplit(response.request.url).path
    if (path, method) not in rights() or path in rolespage.OPEN or not _matches(path, asked):
        return []
    status = response.status_code
    if caller == "anonymous":
        return [] if status == 401 else [f"a stranger got {status}, not 401"]
    right = rights()[path, method]
    if right is None or may(caller, right):
        if status == 403 and path in ALSO_READ and not _reads(caller):
            return []
        return [f"{caller}, who may, got {status}"] if status in (401, 402, 403) else []
    return [] if status == 403 else [f"{caller}, who may not, got {status}, not 403"]


def _matches(path: str, asked: str) -> bool:
    """Whether the path that was asked for is this one; an id that is no number is another path, which is 404."""
    return bool(re.fullmatch(path.replace("{id}", "[0-9]+"), asked))


def _reads(caller: str) -> bool:
    return not caller.startswith("key") or "all" in caller or "mail:read" in caller


def hides(caller: str, case: Any, response: Any) -> bool:
    """Whether this is the answer to a change by a caller who may not read, and shows no stored value."""
    if _reads(caller) or case.method.upper() == "GET" or response.status_code >= 400:
        return False
    return set(json.loads(response.content)) <= {"id", "configured"}


def _of_shape(response: Any, method: str) -> list[str]:
    wrong = []
    text = response.content.decode("utf-8", "replace")
    if found := HIDDEN.search(text):
        wrong.append(f"it shows {found[0]!r}")
    status = response.status_code
    if status < 400 or method == HTTPMethod.HEAD:
        return wrong
    if _header(response, "Content-Type") != "application/json":
        return [*wrong, f"the error is {_header(response, 'Content-Type')}"]
    error = json.loads(text)
    wanted = {"error", "message"} | ({"fields"} if error.get("error") == "validation_error" else set())
    if status != 402 and set(error) != wanted:
        wrong.append(f"the error has the keys {sorted(error)}")
    if error["error"] not in codes().get(status, set()):
        wrong.append(f"the code {error['error']} is not listed for {status}")
    if not re.match(r"\S.*[.!?]$", error["message"]):
        wrong.append(f"the message is no sentence: {error['message']!r}")
    for name, sentences in error.get("fields", {}).items():
        if not sentences or not all(isinstance(each, str) and each.strip() for each in sentences):
            wrong.append(f"the field {name!r} has no sentence")
    return wrong


def _of_headers(response: Any) -> list[str]:
    needed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Request-ID": ""}
    needed |= {401: {"WWW-Authenticate": "Bearer"}, 405: {"Allow": ""}, 429: {"Retry-After": ""}}.get(
        response.status_code, {}
    )
    return [
        f"{name} is {_header(response, name)!r}"
        for name, begin in needed.items()
        if not (value := _header(response, name)) or not value.startswith(begin)
    ]


def _header(response: Any, name: str) -> str | None:
    values = response.headers.get(name.lower()) or [None]
    first: str | None = values[0]
    return first
