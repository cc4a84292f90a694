"""A flood of requests: each address has an allowance, and callers who are signed in or have a key are let through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from quazzar.access import strangers
from quazzar.access.strangers import Allowances

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient

THERE, ELSEWHERE = "198.51.100.7", "198.51.100.8"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_allowance_is_used_up_and_comes_back() -> None:
    clock = Clock()
    allowances = Allowances(clock)
    for _ in range(int(strangers.BURST)):
        assert not allowances.is_used_up(THERE)
        allowances.take(THERE)
    assert allowances.is_used_up(THERE) and not allowances.is_used_up(ELSEWHERE)
    clock.now += 1 / strangers.PER_SECOND
    assert not allowances.is_used_up(THERE)
    allowances.take(THERE)
    assert allowances.is_used_up(THERE)


def test_invented_addresses_take_no_memory_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_MOST", 100)
    allowances = Allowances()
    for number in range(1000):
        allowances.take(f"2001:db8::{number:x}")
    assert len(allowances._known) == 100


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An allowance of three requests, which is never refilled."""
    monkeypatch.setattr(strangers, "BURST", 3.0)
    monkeypatch.setattr(strangers, "PER_SECOND", 0.0)


@pytest.mark.django_db
def test_a_stranger_waits_and_an_operator_at_the_same_address_does_not(
    few: None, operator: User, api: APIClient
) -> None:
    client = Client()
    signed_in = Client()
    signed_in.force_login(operator)
    # One chain of middleware for all, as in the product: the allowances are its own.
    signed_in.handler = api.handler = client.handler

    def ask(who: Client | APIClient, path: str = "/api/mail/domains", address: str = THERE) -> int:
        return int(who.get(path, REMOTE_ADDR=address).status_code)

    assert [ask(client) for _ in range(5)] == [401, 401, 401, 429, 429]
    refused = client.get("/admin/login/", REMOTE_ADDR=THERE)
    assert refused.json().keys() == {"error", "message"} and refused["Retry-After"] == "10"
    assert (
        client.get("/api/schema", REMOTE_ADDR=THERE, headers={"Authorization": "Bearer qzr_x"}).status_code
        == 429
    )
    assert [ask(signed_in) for _ in range(5)] == [ask(api) for _ in range(5)] == [200] * 5
    assert ask(client, address=ELSEWHERE) == 401


@pytest.mark.django_db
def test_neither_this_machine_nor_a_proxy_that_is_not_known_is_counted(few: None) -> None:
    client = Client()
    for address, headers in (
        ("127.0.0.1", {}),
        ("::1", {}),
        ("10.0.0.2", {"X-Forwarded-For": "203.0.113.9"}),
    ):
        answers = [client.get("/api/mail/domains", REMOTE_ADDR=address, headers=headers) for _ in range(6)]
        assert {answer.status_code for answer in answers} == {401}, address
