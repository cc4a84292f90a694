"""/api/mail/domains/{id}/dns/publisher and /publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from mailboxes.models import Domain
from tests.contract.answers import DOMAINS, error, ok, wrong
from tests.mailboxes import factories
from tests.rig import or_skip
from tests.rig.bind import Bind

pytestmark = pytest.mark.django_db
SECRET = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
GOOD = {"server": "192.0.2.53", "key_name": "quazzar", "secret": SECRET}


@pytest.fixture(scope="module")
def bind() -> Iterator[Bind]:
    with or_skip(lambda: Bind({"example.com": ["@ MX 5 mx.elsewhere.example."]})) as running:
        yield running


@pytest.fixture
def domain() -> Domain:
    return factories.domain("example.com", dkim_public_key="QUJD")


@pytest.fixture
def path(domain: Domain) -> str:
    return f"{DOMAINS}/{domain.pk}/dns/publisher"


def test_it_is_set_up_read_and_forgotten(api: APIClient, path: str) -> None:
    before = ok(api.get(path))
    assert (before["configured"], before["server"], before["has_secret"]) == (False, "", False)
    answer = ok(api.put(path, GOOD))
    assert answer == {
        "kind": "rfc2136", "server": "192.0.2.53", "port": 53, "zone": "example.com", "key_name": "quazzar",
        "algorithm": "hmac-sha256", "secret": "", "has_secret": True, "configured": True, "published_at": None, "last_error": None,
    }  # fmt: skip
    assert ok(api.get(path)) == answer
    assert api.delete(path).status_code == 204
    error(api.delete(path), 409, "no_publisher")


@pytest.mark.parametrize("again", [{}, {"secret": ""}])
def test_an_empty_secret_keeps_the_one_from_before(api: APIClient, path: str, again: dict[str, str]) -> None:
    ok(api.put(path, GOOD))
    body = {name: value for name, value in GOOD.items() if name != "secret"} | again
    assert ok(api.put(path, body))["has_secret"]
    assert SECRET not in str(api.get(path).content)


@pytest.mark.parametrize(
    "place",
    [{"server": "ns.evil.example"}, {"port": 5353}, {"key_name": "other"}, {"algorithm": "hmac-sha224"}],
)
def test_a_saved_secret_does_not_follow_to_another_place(
    api: APIClient, path: str, place: dict[str, Any]
) -> None:
    before = ok(api.put(path, GOOD))
    assert list(wrong(api.put(path, {**GOOD, **place, "secret": ""}))) == ["secret"]
    assert ok(api.get(path)) == before
    assert ok(api.put(path, {**GOOD, **place}))["has_secret"]


def test_what_cannot_be_is_400_and_is_not_kept(api: APIClient, path: str, subtests: pytest.Subtests) -> None:
    for body, field in [
        ({**GOOD, "secret": ""}, "secret"),
        ({**GOOD, "secret": "x"}, "secret"),
        ({**GOOD, "port": 0}, "port"),
        ({**GOOD, "algorithm": "hmac-md5"}, "algorithm"),
        ({**GOOD, "zone": "example.org"}, "zone"),
        ({**GOOD, "server": "no host"}, "server"),
        ({**GOOD, "kind": "carrier-pigeon"}, "kind"),
        ({**GOOD, "nope": 1}, "nope"),
        ({"key_name": "k", "secret": SECRET}, "server"),
        ([], "non_field_errors"),
    ]:
        with subtests.test(ascii((body, field))[:80]):
            assert field in wrong(api.put(path, body))
            assert not ok(api.get(path))["configured"]


def test_who_may_only_read_may_neither_set_it_up_nor_publish(
    path: str, operator: Any, client_with: Callable[..., APIClient]
) -> None:
    reader = client_with(operator, "mail:read")
    assert not ok(reader.get(path))["configured"]
    assert reader.put(path, GOOD).status_code == reader.delete(path).status_code == 403
    assert reader.post(path.replace("publisher", "publish"), {}).status_code == 403


def test_without_a_name_server_there_is_nothing_to_publish_with(api: APIClient, path: str) -> None:
    error(api.post(path.replace("publisher", "publish"), {}), 409, "no_publisher")


def test_a_name_server_that_is_not_there_is_502_and_is_remembered(api: APIClient, path: str) -> None:
    ok(api.put(path, {**GOOD, "server": "127.0.0.3", "port": 9}))
    answer = error(api.post(path.replace("publisher", "publish"), {}), 502, "update_unreachable")
    assert "127.0.0.3:9" in answer["message"]
    assert ok(api.get(path))["last_error"]["code"] == "update_unreachable"


@pytest.mark.real
def test_it_is_published_and_what_is_in_the_way_is_told(
    api: APIClient, path: str, bind: Bind, settings: Any
) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = [bind.address]
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["127.0.0.1"]
    factories.stack(hostname="mail.example.com")
    publish = path.replace("publisher", "publish")
    ok(
        api.put(
            path, {"server": bind.host, "port": bind.port, "key_name": bind.key_name, "secret": bind.secret}
        )
    )
    answer = ok(api.post(publish, {}))
    assert {each["type"] for each in answer["published"]} >= {"TXT", "SRV"}
    assert [(each["type"], each["found"]) for each in answer["conflicts"]] == [
        ("MX", ["5 mx.elsewhere.example"])
    ]
    answer = ok(api.post(publish, {"replace": True}))
    assert [each["value"] for each in answer["published"]] == ["10 mail.example.com"]
    assert ok(api.post(publish, {}))["published"] == []
    assert ok(api.get(path))["published_at"]


@pytest.mark.slow
def test_the_card_sets_it_up_tells_what_failed_and_forgets_it(admin_client: Client, domain: Domain) -> None:
    page = f"/admin/mail-relay/dns/{domain.pk}/"
    assert "Set it up" in admin_client.get(page).content.decode()
    told = admin_client.post(f"{page}publisher/", {**GOOD, "port": "x"}).content.decode()
    assert "<p>The port must be a number" in told
    # What was entered is still there, but for the secret.
    assert 'value="x"' in told and f'value="{GOOD["key_name"]}"' in told and SECRET not in told
    form = {**GOOD, "server": "127.0.0.3", "port": "9", "algorithm": "hmac-sha256"}
    told = admin_client.post(f"{page}publisher/", form, follow=True).content.decode()
    assert "does not accept connections" in told and "Publish now" in told and SECRET not in told
    assert "Set it up" in admin_client.post(f"{page}publisher/remove/", follow=True).content.decode()
