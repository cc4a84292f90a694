"""Passkeys: what a browser sends counts for the host, the operator and the moment that it was made for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import RequestFactory
from django.utils import timezone

from quazzar.access.secondfactor import passkeys
from quazzar.models import Passkey
from tests.quazzar.access.secondfactor.softkey import SoftKey

pytestmark = pytest.mark.django_db
HOST = "mail.example.com"


def registered(user: User, key: SoftKey, name: str = "Phone") -> Passkey:
    begun = passkeys.begin(user, key.host)
    return passkeys.register(user, key.host, name, key.create(begun["options"]), begun["state"])


def shown(key: SoftKey, user: User | None = None, *, host: str = HOST, origin: str = "") -> Passkey:
    begun = passkeys.ask(host, user)
    return passkeys.check(host, key.get(begun["options"], origin), begun["state"], user)


def test_a_passkey_is_registered_and_then_known(operator: User) -> None:
    key = SoftKey(HOST)
    row = registered(operator, key, " Yellow \n key ")
    assert (row.name, row.host, row.user) == ("Yellow key", HOST, operator)
    assert shown(key, operator) == row == shown(key)
    assert passkeys.begin(operator, HOST)["options"]["publicKey"]["excludeCredentials"]
    assert Passkey.objects.get().last_used_at


def test_options_name_the_host_and_nothing_secret(operator: User) -> None:
    options = passkeys.begin(operator, HOST)["options"]["publicKey"]
    assert options["rp"] == {"id": HOST, "name": "Quazzar"} and options["user"]["name"] == "operator"
    registered(operator, SoftKey(HOST))
    assert len(passkeys.ask(HOST, operator)["options"]["publicKey"]["allowCredentials"]) == 1
    assert "allowCredentials" not in passkeys.ask(HOST)["options"]["publicKey"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://sub.mail.example.com",
        "https://mail.example.com.evil.example",
        "http://mail.example.co",
        "https://mail.example.com@evil.example",
    ],
)
def test_a_page_of_another_site_gets_nothing(operator: User, origin: str) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    with pytest.raises(passkeys.PasskeyRefused):
        shown(key, operator, origin=origin)
    begun = passkeys.begin(operator, HOST)
    with pytest.raises(passkeys.PasskeyRefused):
        passkeys.register(operator, HOST, "x", SoftKey(HOST).create(begun["options"], origin), begun["state"])


def test_a_port_makes_no_difference(operator: User) -> None:
    key = SoftKey("localhost")
    registered(operator, key)
    assert shown(key, operator, host="localhost", origin="http://localhost:8000")


def test_a_passkey_of_another_name_does_not_work_here(operator: User) -> None:
    key = SoftKey("old.example.com")
    registered(operator, key)
    with pytest.raises(passkeys.PasskeyRefused):
        shown(key, operator)


def test_a_passkey_of_somebody_else_is_no_second_step(operator: User, other_staff: User) -> None:
    key = SoftKey(HOST)
    registered(other_staff, key)
    with pytest.raises(passkeys.PasskeyRefused):
        shown(key, operator)
    assert shown(key).user == other_staff


def test_a_proof_counts_once(operator: User) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    for user in (operator, None):
        begun = passkeys.ask(HOST, user)
        proof = key.get(begun["options"])
        assert passkeys.check(HOST, proof, begun["state"], user)
        with pytest.raises(passkeys.PasskeyRefused):
            passkeys.check(HOST, proof, begun["state"], user)


def test_a_proof_for_one_purpose_is_none_for_another(operator: User, other_staff: User) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    begun = passkeys.ask(HOST, operator)
    proof = key.get(begun["options"])
    for host, user in ((HOST, None), (HOST, other_staff), ("other.example", operator)):
        with pytest.raises(passkeys.PasskeyRefused):
            passkeys.check(host, proof, begun["state"], user)
    begun = passkeys.begin(operator, HOST)
    with pytest.raises(passkeys.PasskeyRefused):
        passkeys.register(other_staff, HOST, "x", SoftKey(HOST).create(begun["options"]), begun["state"])


def test_in_place_of_the_password_the_device_must_have_verified_its_owner(operator: User) -> None:
    key = SoftKey(HOST, is_verified=False)
    registered(operator, key)
    assert shown(key, operator)
    with pytest.raises(passkeys.PasskeyRefused):
        shown(key)


def test_a_counter_that_did_not_grow_is_a_copy(operator: User) -> None:
    key = SoftKey(HOST, counter=5)
    registered(operator, key)
    assert shown(key, operator)
    key.counter -= 1
    with pytest.raises(passkeys.PasskeyRefused):
        shown(key, operator)
    key.counter += 3
    assert shown(key, operator)


def test_another_key_with_the_same_id_proves_nothing(operator: User) -> None:
    key, forged = SoftKey(HOST), SoftKey(HOST)
    registered(operator, key)
    forged.id = key.id
    with pytest.raises(passkeys.PasskeyRefused):
        shown(forged, operator)


def test_too_late_is_refused(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    begun = passkeys.ask(HOST, operator)
    later = timezone.now() + timedelta(seconds=passkeys.PATIENCE + 1)
    monkeypatch.setattr("time.time", later.timestamp)
    with pytest.raises(passkeys.PasskeyRefused, match="too long"):
        passkeys.check(HOST, key.get(begun["options"]), begun["state"], operator)


def test_who_may_not_sign_in_has_no_passkey_either(operator: User) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    User.objects.update(is_active=False)
    with pytest.raises(passkeys.PasskeyRefused):
        shown(key)


@pytest.mark.slow
def test_the_same_passkey_is_registered_once_and_there_is_an_end(operator: User, other_staff: User) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    with pytest.raises(passkeys.PasskeyRefused, match="already"):
        registered(other_staff, key)
    for _ in range(passkeys.MOST - 1):
        registered(operator, SoftKey(HOST))
    with pytest.raises(passkeys.PasskeyRefused, match="20 passkeys"):
        registered(operator, SoftKey(HOST))


GARBAGE: list[Any] = [
    "",
    "null",
    "[]",
    "{}",
    '"x"',
    "{",
    '{"rawId": "AAAA"}',
    '{"rawId": 5, "response": {}}',
    "\0",
]


@pytest.mark.parametrize("response", GARBAGE)
def test_what_is_no_answer_of_a_browser_is_refused(operator: User, response: str) -> None:
    begun = passkeys.ask(HOST)
    with pytest.raises(passkeys.PasskeyRefused):
        passkeys.check(HOST, response, begun["state"])
    begun = passkeys.begin(operator, HOST)
    with pytest.raises(passkeys.PasskeyRefused):
        passkeys.register(operator, HOST, "x", response, begun["state"])


def test_a_damaged_answer_is_refused(operator: User) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    begun = passkeys.ask(HOST, operator)
    for part in ("clientDataJSON", "authenticatorData", "signature"):
        answer = json.loads(key.get(begun["options"]))
        for damaged in ("", "AAAA", answer["response"][part][:-4], 7, None):
            answer["response"][part] = damaged
            with pytest.raises(passkeys.PasskeyRefused):
                passkeys.check(HOST, json.dumps(answer), begun["state"], operator)


def test_a_state_that_we_did_not_make_is_refused(operator: User) -> None:
    key = SoftKey(HOST)
    registered(operator, key)
    begun = passkeys.ask(HOST, operator)
    for state in ("", "x", signing.dumps({"challenge": "AAAA"}, salt="another")):
        with pytest.raises(passkeys.PasskeyRefused):
            passkeys.check(HOST, key.get(begun["options"]), state, operator)


@pytest.mark.parametrize(
    ("header", "host", "works"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("mail.example.com:8443", "mail.example.com", True),
        ("localhost:8000", "localhost", True),
        ("127.0.0.1:8000", "127.0.0.1", False),
        ("[::1]:8000", "[::1]", False),
        ("[::1]", "[::1]", False),
    ],
)
def test_passkeys_belong_to_a_name_without_its_port_and_never_to_an_address(
    header: str, host: str, works: bool, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert passkeys.host_of(RequestFactory().get("/", headers={"host": header})) == host
    assert passkeys.works_at(host) == works


@pytest.mark.parametrize("response", ["", "[]", "[" * 100_000, '{"a":' * 100_000, "1" * 5_000])
def test_a_response_that_is_none_is_refused(operator: User, response: str) -> None:
    with pytest.raises(passkeys.PasskeyRefused):
        passkeys.check(HOST, response, passkeys.ask(HOST)["state"])
    with pytest.raises(passkeys.PasskeyRefused):
        passkeys.register(operator, HOST, "Phone", response, passkeys.begin(operator, HOST)["state"])
