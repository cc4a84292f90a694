"""Content-Security-Policy and Permissions-Policy on every answer."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client

pytestmark = pytest.mark.django_db

PAGES = ("/admin/", "/admin/login/", "/admin/mail-relay/", "/admin/no-such-page/", "/api/docs", "/nothing")
OTHERS = ("/healthz", "/api/schema", "/metrics", "/api/mail/relay", "/api/docs?script=")


def policy(path: str, client: Client) -> dict[str, str]:
    directives = (part.strip() for part in client.get(path)["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in (directive.partition(" ") for directive in directives)}


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere_and_no_script_that_stands_in_them(
    operator: User, subtests: pytest.Subtests
) -> None:
    signed_in = Client()
    signed_in.force_login(operator)
    for client in (signed_in, Client()):
        for path in PAGES:
            with subtests.test(path):
                found = policy(path, client)
                assert found["default-src"] == found["object-src"] == found["frame-ancestors"] == "'none'"
                assert found["base-uri"] == "'none'"
                assert found["form-action"] == "'self'"
                assert found["script-src"] == "'self'"
                assert not re.search(r"https?:|\*", " ".join(found.values()))


@pytest.mark.slow
def test_everything_else_can_neither_load_nor_run_anything(subtests: pytest.Subtests) -> None:
    for path in OTHERS:
        with subtests.test(path):
            found = policy(path, Client())
            assert found["default-src"] == found["frame-ancestors"] == "'none'"
            assert "sandbox" in found
            assert "script-src" not in found


def test_no_page_may_use_camera_microphone_or_place() -> None:
    allowed = Client().get("/admin/login/")["Permissions-Policy"]
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(allowed.split(", "))
    assert "clipboard" not in allowed


def test_the_page_of_the_api_keeps_its_script_elsewhere() -> None:
    page = Client().get("/api/docs").content.decode()
    assert re.findall(r"<script[^>]*>\s*(\S[^<]*)</script>", page) == []
    address = re.findall(r'<script src="([^"]*script=[^"]*)"', page)
    script = Client().get(address[0])
    assert script["Content-Type"] == "application/javascript"
    assert b"SwaggerUIBundle" in script.content
    assert finders.find("drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js")
