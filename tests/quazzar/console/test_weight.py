"""A first visit is light, and the font has every icon that a page may show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client

from bench.weight import weight
from quazzar.console.statics import StaticFiles

#: Bytes, as docs/speed.md promises. What a form needs is what all pages need.
FIRST_VISIT = 300_000
_ROOT = Path(settings.BASE_DIR)
_ICON = re.compile(r"material-symbols-outlined[^>]*>(.*?)</span>", re.DOTALL)
_TAG = re.compile(r"{%.*?%}|{{.*?}}")
_STATIC = re.compile(r"""{% static ["']([^"']+)["']""")
_NAME = re.compile(r"[a-z][a-z0-9_]+")


def read(address: str) -> bytes:
    """The static file at this address."""
    file = finders.find(address.removeprefix(settings.STATIC_URL))
    assert file, f"there is no {address}"
    return Path(file).read_bytes()


@pytest.mark.parametrize(
    "path", ["/admin/mail-relay/", "/admin/auth/user/add/", "/admin/mail-relay/mailboxes/"]
)
def test_a_first_visit_is_light(client: Client, operator: User, path: str) -> None:
    client.force_login(operator)
    page = client.get(path).content.decode()
    assert weight(page, read) < FIRST_VISIT


def test_the_weight_counts_fonts_that_style_sheets_name() -> None:
    files = {"/static/a.css": b"@font-face { src: url(fonts/x.woff2) }", "/static/fonts/x.woff2": b"x" * 5000}
    assert weight('<link rel="stylesheet" href="/static/a.css">', files.__getitem__) > 5000


def test_the_font_has_every_icon_that_a_template_names() -> None:
    names = set((_ROOT / "static/quazzar/fonts/icons.txt").read_text().split())
    missing = {
        (file.name, icon)
        for file in (_ROOT / "templates").rglob("*.html")
        for inside in _ICON.findall(file.read_text())
        for icon in _NAME.findall(_TAG.sub(" ", inside))
        if icon not in names
    }
    assert not missing, "run scripts/icons"


def test_the_font_has_every_icon_of_the_sidebar() -> None:
    names = set((_ROOT / "static/quazzar/fonts/icons.txt").read_text().split())
    groups = settings.UNFOLD["SIDEBAR"]["navigation"]
    assert {item["icon"] for group in groups for item in group["items"]} <= names, "run scripts/icons"


def collected() -> set[str]:
    """The static files that a release has."""
    return {path for finder in finders.get_finders() for path, _ in finder.list(StaticFiles.ignore_patterns)}


def test_files_of_templates_that_ours_replace_are_not_collected() -> None:
    files = collected()
    assert "quazzar/frame.css" in files and "unfold/css/styles.css" in files
    assert not [path for path in files if "jquery" in path or "alpine" in path or "chart" in path]


def test_every_file_that_a_template_names_is_collected() -> None:
    named = {
        (file.name, path)
        for file in (_ROOT / "templates").rglob("*.html")
        for path in _STATIC.findall(file.read_text())
    }
    assert ("api.html", "quazzar/api.css") in named
    files = collected()
    assert not {(name, path) for name, path in named if path not in files}
