"""A scripted server that the saved relay points at, and requests with an Idempotency-Key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from mailboxes.models import Alias, Domain, Mailbox
from mailrelay.models import RelaySettings
from tests.mailboxes import factories
from tests.rig.faults import FaultServer


@pytest.fixture
def server(relay: RelaySettings) -> Iterator[FaultServer]:
    """The saved relay; its script can be changed at any time."""
    with FaultServer() as server:
        relay.host, relay.port = "127.0.0.1", server.port
        relay.save()
        yield server


@pytest.fixture
def domain(db: None) -> Domain:
    """A domain, without the slow making of a key."""
    return factories.domain(dkim_private_key="PEM")


@pytest.fixture
def box(domain: Domain) -> Callable[..., Mailbox]:
    """``box("ada", quota_mb=5)``: a mailbox, without the slow hashing of a password."""

    def make(local_part: str = "ada", **fields: Any) -> Mailbox:
        address = f"{local_part}@{domain.name}"
        row = {
            "domain": domain,
            "local_part": local_part,
            "address": address,
            "home": f"{domain.name}/{local_part}",
        }
        return Mailbox.objects.create(**(row | fields))

    return make


@pytest.fixture
def forward(domain: Domain) -> Callable[..., Alias]:
    """``forward("info", "ada@example.com")``: an alias."""

    def make(local_part: str = "info", *destinations: str, **fields: Any) -> Alias:
        address = f"{local_part}@{domain.name}"
        row = {"domain": domain, "local_part": local_part, "address": address}
        return Alias.objects.create(**row, destinations=[*destinations] or ["ops@example.net"], **fields)

    return make


@pytest.fixture
def keyed(api: APIClient) -> Callable[..., Any]:
    """``keyed(path, body, key)``: a POST with an Idempotency-Key."""

    def post(path: str, body: Any, key: str = "k1") -> Any:
        return api.post(path, body, headers={"Idempotency-Key": key})

    return post


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """``at_once(8, call)``: the answers of this many threads that begin together."""

    def run(count: int, call: Callable[[], Any]) -> list[Any]:
        answers: list[Any] = []
        begin = threading.Barrier(count)

        def one() -> None:
            begin.wait(timeout=30)
            try:
                answers.append(call())
            finally:
                connection.close()

        threads = [threading.Thread(target=one) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert len(answers) == count
        return answers

    return run
