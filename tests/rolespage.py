"""The tables of docs/roles.md, made from what views declare. ``make roles`` writes them again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

import quazzar.urls  # noqa: F401  (apps add their pages to the console's)
from quazzar import rights
from quazzar.access.roles import ROLES
from quazzar.console import site
from quazzar.console.rows import RightfulAdmin
from quazzar.rights import PERMISSIONS, Right

PAGE = Path(__file__).parent.parent / "docs/roles.md"
BEGIN, END = "<!-- made by make roles -->", "<!-- end -->"
METHODS = ("get", "post", "put", "patch", "delete")
#: For anybody.
OPEN = {"/api/schema", "/api/docs"}


def calls(patterns: Any = None, prefix: str = "/") -> Iterator[tuple[str, str, Right | None]]:
    """(path with ``{id}``, method, right) of every call of the API; None: nothing is declared."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + re.sub(r"<[^>]+>", "{id}", str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from calls(entry.url_patterns, path)
        elif path.startswith("/api/") and "^" not in path and path not in OPEN:
            view: Any = entry.callback
            if getattr(view.cls(**view.initkwargs), "is_endpoint", True):
                for method, action in view.actions.items():
                    if method in METHODS:
                        yield path, method.upper(), view.cls.rights.get(action)


def pages() -> Iterator[tuple[URLPattern, Right | None]]:
    """(route, right) of every page of the console that is not a model's."""
    for route in site.PAGES:
        yield route, getattr(route.callback, "right", None)


def models() -> Iterator[tuple[Any, RightfulAdmin]]:
    """(model, its pages) of every model in the console."""
    for model, each in admin.site._registry.items():
        if isinstance(each, RightfulAdmin):
            yield model, each


def tables() -> str:
    """Two tables in Markdown: what each role may do, and which calls and pages need what."""
    grouped: dict[Right, tuple[list[str], list[str]]] = {right: ([], []) for right in rights.every().values()}
    for path, method, right in calls():
        if right:
            grouped[right][0].append(f"`{method} {path}`")
    for route, right in pages():
        if right in grouped:
            grouped[right][1].append(f"`/admin/{_plain(route)}`")
    for model, each in models():
        base = f"{model._meta.app_label}/{model._meta.model_name}/"
        grouped[each.see][1].append(f"`/admin/{base}`")
        for verb in ("add", "delete"):
            if right := getattr(each, verb):
                grouped[right][1].append(f"`/admin/{base}{verb}/`")
    names = [role.name for role in ROLES]
    lines = [
        f"| may | {' | '.join(names)} | API key needs | permission |",
        "|---" * (len(names) + 3) + "|",
        *(_row(right) for right in grouped),
        "",
        "| needs the right to | API | console |",
        "|---|---|---|",
        *(
            f"| {_words(right)} | {', '.join(api)} | {', '.join(page)} |"
            for right, (api, page) in grouped.items()
        ),
    ]
    return "\n".join(lines)


def _row(right: Right) -> str:
    holds = [not right.permissions or not role.permissions.isdisjoint(right.permissions) for role in ROLES]
    ticks = " | ".join("yes" if held else "" for held in holds)
    permissions = " or ".join(f"`{name}`" for name in right.permissions)
    scope = f"`{right.scope}`" if right.scope else "(no key may)"
    return f"| {_words(right)} | {ticks} | {scope} | {permissions} |"


def _words(right: Right) -> str:
    if not right.permissions and not right.scope:
        return "change their own account"
    if not right.permissions:
        return "see which endpoints there are, and the plan"
    return " or ".join(dict.fromkeys(PERMISSIONS[name] for name in right.permissions[:1]))


def _plain(route: URLPattern) -> str:
    return re.sub(r"<[^>]+>", "{id}", str(route.pattern))


def written(page: str) -> str:
    """The page with its tables written again."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text()))
