"""What doctor reports about addresses whose mail reaches nobody."""

from __future__ import annotations

import pytest

from mailboxes.monitoring import addresses
from mailrelay.models import RelaySettings
from quazzar.monitoring.doctor import Level
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _node() -> None:
    factories.stack(enabled=True, hostname="mail.a.example")
    factories.mailbox("ada@a.example")


def test_all_is_well() -> None:
    factories.alias("info@a.example", "ada@a.example")
    assert addresses.examine().level == Level.OK


def test_circles_of_before_are_named_once_each() -> None:
    factories.alias("one@a.example", "two@a.example", "out@far.example")
    factories.alias("two@a.example", "one@a.example")
    factories.alias("in@a.example", "one@a.example")
    factories.domain("b.example", catch_all="ring@a.example")
    factories.alias("ring@a.example", "anything@b.example", "out@far.example")
    found = addresses.examine()
    assert found.level == Level.WARNING and found.sentence.count("is forwarded in a circle") == 2
    assert "one@a.example → two@a.example → one@a.example" in found.sentence


def test_dead_aliases_and_role_addresses_are_named_and_the_rest_counted() -> None:
    for number in range(5):
        factories.alias(f"x{number}@a.example", "ghost@a.example")
    found = addresses.examine()
    assert "x0@a.example: Refused: ghost@a.example is not a mailbox here." in found.sentence
    assert "And 2 more problems." in found.sentence


def test_nobody_who_reads_postmaster_is_told() -> None:
    factories.mailbox("x@b.example", can_receive=False)
    assert addresses.examine().level == Level.OK  # the oldest mailbox reads it
    factories.domain("a.example").mailboxes.update(can_receive=False)
    assert "Nobody reads mail for postmaster@a.example and abuse@a.example" in addresses.examine().sentence
    RelaySettings.objects.create(pk=1, alert_recipients=["ops@far.example"])
    assert addresses.examine().level == Level.OK
