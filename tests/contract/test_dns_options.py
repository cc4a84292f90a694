"""/api/mail/domains/{id}/dns/options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from mailboxes.certificates import pem as certificates
from mailboxes.models import Domain
from tests.contract.answers import DOMAINS, error, ok, wrong
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
HOST = "mail.example.com"
DEFAULTS = {"mta_sts": "testing", "dmarc": "quarantine"}


@pytest.fixture
def path(domain: Domain) -> str:
    """Of a domain whose mail server has a self-signed certificate."""
    factories.stack(enabled=True, hostname=HOST, tls_certificate=certificates.self_signed(HOST)[0])
    return f"{DOMAINS}/{domain.pk}/dns/options"


def test_the_defaults_are_read_and_changed(api: APIClient, path: str) -> None:
    assert ok(api.get(path)) == DEFAULTS
    assert ok(api.patch(path, {"mta_sts": "off"})) == {**DEFAULTS, "mta_sts": "off"}
    assert ok(api.get(path)) == {**DEFAULTS, "mta_sts": "off"}
    assert ok(api.patch(path, {})) == {**DEFAULTS, "mta_sts": "off"}


def test_the_records_follow(api: APIClient, path: str) -> None:
    records = path.removesuffix("/options")
    assert "mta_sts" in {each["id"] for each in ok(api.get(records))["records"]}
    ok(api.patch(path, {"mta_sts": "off"}))
    found = ok(api.get(records))["records"]
    assert "mta_sts" not in {each["id"] for each in found}
    assert sum(each["required"] for each in found) == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mta_sts": "none"}, "mta_sts"), ({"mta_sts": None}, "mta_sts"), ({"mta_sts": ["off"]}, "mta_sts"),
        ({"dmarc": "all"}, "dmarc"), ({"dmarc": ""}, "dmarc"), ({"mta_sts": "off", "nope": 1}, "nope"), ([], "non_field_errors"),
    ],
)  # fmt: skip
def test_what_is_not_right_is_400_and_changes_nothing(
    api: APIClient, path: str, body: Any, field: str
) -> None:
    assert field in wrong(api.patch(path, body))
    assert ok(api.get(path)) == DEFAULTS


def test_enforcing_with_a_certificate_that_others_refuse_is_409(api: APIClient, path: str) -> None:
    assert (
        "self-signed" in error(api.patch(path, {"mta_sts": "enforce"}), 409, "mta_sts_not_ready")["message"]
    )
    assert ok(api.get(path)) == DEFAULTS


def test_no_domain_is_404_and_other_methods_405(api: APIClient, path: str) -> None:
    for call in (api.get, api.patch):
        error(call(f"{DOMAINS}/999/dns/options"), 404, "not_found")
    for call in (api.post, api.put, api.delete):
        error(call(path), 405, "method_not_allowed")


def test_401_then_402_then_403(
    client: Client,
    path: str,
    operator: Any,
    client_with: Callable[..., APIClient],
    plan: Callable[[str], None],
) -> None:
    error(client.get(path), 401, "not_authenticated")
    reader = client_with(operator, "mail:read")
    assert ok(reader.get(path))
    error(reader.patch(path, {"mta_sts": "off"}), 403, "permission_denied")
    plan("community")
    assert reader.get(path).status_code == reader.patch(path, {}).status_code == 402
