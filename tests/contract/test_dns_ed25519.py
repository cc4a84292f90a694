"""/api/mail/domains/{id}/dns/ed25519: the Ed25519 key, from turning it on to turning it off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from mailboxes.models import Domain
from tests.contract.answers import DOMAINS, error, ok
from tests.dnsrecords.mistakes import text
from tests.mailboxes import factories
from tests.rig import or_skip
from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server() -> Iterator[Nameserver]:
    with or_skip(Nameserver) as found:
        yield found


@pytest.fixture
def domain() -> Domain:
    return factories.domain("example.com", dkim_public_key="QUJD")


def path(domain: Domain, end: str = "/ed25519") -> str:
    return f"{DOMAINS}/{domain.pk}/dns{end}"


def key_record(api: APIClient, domain: Domain, selector: str) -> Any:
    rows = ok(api.get(path(domain, "")))["records"]
    return next((row for row in rows if row["id"] == f"dkim_{selector}"), None)


def test_it_is_off_until_it_is_asked_for(api: APIClient, domain: Domain) -> None:
    answer = ok(api.get(path(domain)))
    assert answer.keys() == {"state", "selector", "message"}
    assert (answer["state"], answer["selector"]) == ("off", "")


def test_turned_on_it_waits_for_its_record(api: APIClient, domain: Domain) -> None:
    begun = ok(api.post(path(domain)), 201)
    assert begun["state"] == "pending" and begun["selector"] in begun["message"]
    assert ok(api.get(path(domain))) == begun
    row = key_record(api, domain, begun["selector"])
    assert row["value"].startswith("v=DKIM1; k=ed25519; p=") and not row["required"]
    error(api.post(path(domain)), 409, "ed25519_key_exists")


def test_turned_off_its_record_may_go(api: APIClient, domain: Domain) -> None:
    error(api.delete(path(domain)), 409, "no_ed25519_key")
    selector = ok(api.post(path(domain)), 201)["selector"]
    answer = ok(api.delete(path(domain)))
    assert (answer["state"], answer["selector"]) == ("off", "")
    assert f"{selector}._domainkey.example.com" in answer["message"]
    assert key_record(api, domain, selector) is None


@pytest.mark.real
def test_published_in_a_real_zone_it_signs(api: APIClient, server: Nameserver, settings: Any) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = [server.address]
    domain = Domain.objects.get(pk=ok(api.post(DOMAINS, {"name": "ed25519.example"}), 201)["id"])
    selector = ok(api.post(path(domain)), 201)["selector"]
    server.publish("ed25519.example", ["@ A 192.0.2.9"])
    ok(api.post(path(domain, "/check")))
    assert ok(api.get(path(domain)))["state"] == "pending"
    row = key_record(api, domain, selector)
    server.publish("ed25519.example", [text(row["name"], row["value"])])
    ok(api.post(path(domain, "/check")))
    answer = ok(api.get(path(domain)))
    assert (answer["state"], answer["selector"]) == ("signing", selector)
    assert key_record(api, domain, selector)["status"] == "ok"
    assert ok(api.get(f"{DOMAINS}/{domain.pk}"))["dkim"]["selector"] == "quazzar"


def test_no_answer_has_the_private_half(api: APIClient, domain: Domain) -> None:
    answers = [
        api.post(path(domain)),
        api.get(path(domain)),
        api.get(path(domain, "")),
        api.delete(path(domain)),
    ]
    assert not [each for each in answers if b"PRIVATE" in each.content]


def test_who_may_only_read_may_not_turn_it(
    domain: Domain, operator: Any, client_with: Callable[..., APIClient]
) -> None:
    reader = client_with(operator, "mail:read")
    assert ok(reader.get(path(domain)))["state"] == "off"
    error(reader.post(path(domain)), 403, "permission_denied")
    error(reader.delete(path(domain)), 403, "permission_denied")


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_the_gate_is_before_it(
    api: APIClient, domain: Domain, plan: Callable[[str], None], method: str
) -> None:
    plan("community")
    assert getattr(api, method)(path(domain)).status_code == 402


def test_no_domain_is_404_and_other_methods_405(api: APIClient, domain: Domain) -> None:
    for method in (api.get, api.post, api.delete):
        error(method(f"{DOMAINS}/999/dns/ed25519"), 404, "not_found")
    error(api.put(path(domain)), 405, "method_not_allowed")
