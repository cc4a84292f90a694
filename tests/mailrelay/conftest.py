"""A saved relay, and mails to put into the queue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailrelay import doorbell, outbox
from mailrelay.emails import Email
from mailrelay.models import Message, RelaySettings


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each ring of the doorbell."""
    heard: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda: heard.append("ring"))
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
