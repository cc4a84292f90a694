"""People, plans and an API client for every test."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import hypothesis
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

from mailboxes.dkim import keys as dkimkeys
from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import outbox
from quazzar import doorbell
from quazzar.access import apikeys
from quazzar.models import ApiKey
from quazzar.plans import keys as licensekeys
from quazzar.sealing import agreement
from tests.tiers import fewer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from django.contrib.auth.models import User


# No assertion on durations: several processes share the machine's cores.
hypothesis.settings.register_profile(
    "patient",
    hypothesis.settings(),
    deadline=None,
    max_examples=fewer(30, 200),
    # A CI run should say something about the change, not about chance.
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """The files that a test makes have the rights that it expects, whatever the machine's umask is, and whatever a
    command set that ran in this process before."""
    os.umask(0o022)


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    """Throttle counters of one test must not affect the next."""
    cache.clear()


@pytest.fixture(autouse=True)
def _one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that lose or replace the key file would be other machines to a PostgreSQL, which are refused."""
    if connection.vendor == "postgresql":
        monkeypatch.setattr(agreement, "_is_shared", lambda: False)


@pytest.fixture(autouse=True, scope="session")
def _eight_rsa_keys() -> Iterator[None]:
    """Creating an RSA key takes a while, so a run reuses eight DKIM keys."""
    made: list[RSAPrivateKey] = []
    turn = itertools.cycle(range(8))

    def take(**size: int) -> RSAPrivateKey:
        number = next(turn)
        if number == len(made):
            made.append(generate_private_key(**size))
        return made[number]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dkimkeys, "generate_private_key", take)
        yield


@pytest.fixture(autouse=True)
def _pro(settings: Any, _pro_licence: Path) -> None:
    """Unless a test says otherwise the node is on the plan pro."""
    settings.QUAZZAR_LICENSE_FILE = _pro_licence


@pytest.fixture(scope="session")
def _pro_licence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("licence") / "license.jwt"
    file.write_text(signed("pro"))
    return file


@pytest.fixture
def plan(settings: Any, tmp_path: Path) -> Callable[[str], None]:
    """``plan("community")`` puts the node on that plan for the rest of the test."""
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "license.jwt"

    def put(name: str) -> None:
        settings.QUAZZAR_LICENSE_FILE.write_text(signed(name))

    put("pro")
    return put


@pytest.fixture
def operator(db: None, django_user_model: type[User]) -> User:
    """The node's operator."""
    return django_user_model.objects.create_superuser("operator", password="operator-pass")


@pytest.fixture
def other_staff(db: None, django_user_model: type[User]) -> User:
    """Another member of the staff."""
    return django_user_model.objects.create_user("other", password="other-pass", is_staff=True)


@pytest.fixture
def outsider(db: None, django_user_model: type[User]) -> User:
    """Somebody who may sign in, but do nothing."""
    return django_user_model.objects.create_user("outsider", password="outsider-pass")


@pytest.fixture
def client_with() -> Callable[..., APIClient]:
    """``client_with(user, "mail:read")``: an API client with a new key of these scopes (default: all)."""

    def make(user: User, *scopes: str) -> APIClient:
        _, text = apikeys.mint(user, "test", scopes or ApiKey.Scope.values)
        return with_key(text)

    return make


@pytest.fixture
def api(operator: User, client_with: Callable[..., APIClient]) -> APIClient:
    """An API client with the operator's key of all scopes."""
    return client_with(operator)


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each ring of the doorbell."""
    heard: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda task, *ids: heard.append("ring"))
    return heard


@pytest.fixture
def relay(db: None, rings: list[str]) -> RelaySettings:
    """A relay that is configured (nobody listens there)."""
    row = RelaySettings(
        pk=1, host="relay.example", port=2525, security="none", from_address="node@example.org"
    )
    row.save()
    return row


@pytest.fixture
def queued(relay: RelaySettings) -> Callable[..., Message]:
    """Queues a mail."""

    def queue(*to: str, key: str | None = None, subject: str = "Hello") -> Message:
        email = Email(to=[*to] or ["ops@example.com"], subject=subject, text="92 %")
        return outbox.enqueue(email, source="api", idempotency_key=key)

    return queue


def with_key(text: str) -> APIClient:
    """An API client that sends this key."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def signed(plan: str, *, seconds: int = 30 * 86_400, **claims: Any) -> str:
    """A licence signed with the evaluation key of this run."""
    payload = {"plan": plan, "exp": int(time.time()) + seconds, "sub": "tests", **claims}
    return jwt.encode(payload, licensekeys.evaluation_key(), algorithm="EdDSA")
