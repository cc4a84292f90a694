"""Throttling: per key, shared by all processes, and never a reason to refuse when the cache is away."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework.test import APIClient

from quazzar.api.gate import throttling
from tests.rig.services import Valkey

PATH = "/api/billing/upgrade"


@pytest.fixture
def rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests a day; a window that no test run straddles often."""
    monkeypatch.setattr(throttling.PrincipalThrottle, "THROTTLE_RATES", {"principal": "2/day"})


@pytest.fixture(autouse=True)
def _no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "outage", throttling._Outage())


def test_the_third_request_of_two_is_refused(api: APIClient, rate: None) -> None:
    assert [api.get(PATH).status_code for _ in range(3)] == [200, 200, 429]
    refused = api.get(PATH)
    assert refused.json()["error"] == "throttled"
    assert 0 < int(refused["Retry-After"]) <= 86_400


def test_the_count_is_kept_in_a_real_server(api: APIClient, rate: None, settings: Any) -> None:
    with Valkey() as server:
        backend = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url}
        settings.CACHES = {"default": backend}
        assert [api.get(PATH).status_code for _ in range(3)] == [200, 200, 429]


def test_each_key_has_its_own_count(api: APIClient, client_with: Any, operator: Any, rate: None) -> None:
    for _ in range(3):
        api.get(PATH)
    assert client_with(operator).get(PATH).status_code == 200
    assert api.get(PATH).status_code == 429


def test_whoever_may_not_come_in_is_told_that_and_not_counted(client: Any, rate: None) -> None:
    assert {client.get(PATH).status_code for _ in range(5)} == {401}


def test_without_a_cache_nobody_is_refused(
    api: APIClient, rate: None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    asked = []

    def fail(*_: Any) -> None:
        asked.append(1)
        raise RedisConnectionError("redis://:password@host is away")

    monkeypatch.setattr(cache, "incr", fail)
    assert {api.get(PATH).status_code for _ in range(5)} == {200}
    assert len(asked) == 1, "each look at a dead cache may cost a time-out"
    assert caplog.text.count("the cache does not answer") == 1
    assert "password" not in caplog.text


def test_an_outage_is_said_once_a_minute(caplog: Any) -> None:
    outage = throttling._Outage()
    for now in (0.0, 11.0, 59.0, 61.0):
        outage.begin(now, "ConnectionError")
    assert caplog.text.count("does not answer") == 2
