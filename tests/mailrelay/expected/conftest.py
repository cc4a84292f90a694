"""A node whose clock is in Berlin, with a relay and somebody to mail."""

from __future__ import annotations

from typing import Any

import pytest

from mailrelay.expected import arrivals
from mailrelay.models import RelaySettings


@pytest.fixture(autouse=True)
def _berlin(settings: Any) -> None:
    settings.QUAZZAR_TIME_ZONE = "Europe/Berlin"


@pytest.fixture(autouse=True)
def _nothing_recorded() -> None:
    """What this process remembers of another test's reports."""
    arrivals.recent.forget()


@pytest.fixture
def people(db: Any) -> RelaySettings:
    """A relay, and alert recipients."""
    return RelaySettings.objects.create(
        pk=1, host="smtp.example.com", from_address="node@example.com", alert_recipients=["ops@example.com"]
    )
