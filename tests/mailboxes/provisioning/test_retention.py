"""How long a deleted mailbox can be restored, and when its time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailboxes.models import Mailbox
from mailboxes.provisioning import retention
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _ten_days(settings: Any) -> None:
    settings.QUAZZAR_RESTORE_DAYS = 10


def deleted(address: str, ago: timedelta, **columns: Any) -> Mailbox:
    at = NOW - ago
    return factories.mailbox(address, deleted_at=at, **{"removed_at": at, "live_at": at, **columns})


def test_the_last_moment_is_told() -> None:
    assert retention.restorable_until(deleted("a@example.com", timedelta(days=1))) == NOW + timedelta(days=9)
    assert retention.restorable_until(factories.mailbox("b@example.com")) is None


def test_within_the_period_it_can_be_restored_and_is_not_due() -> None:
    row = deleted("a@example.com", timedelta(days=10) - SECOND)
    factories.mailbox("b@example.com")
    assert [*retention.restorable(NOW)] == [row]
    assert not retention.due(NOW).exists()


def test_between_the_two_nothing_happens_to_it() -> None:
    deleted("a@example.com", timedelta(days=10))
    assert not retention.restorable(NOW).exists() and not retention.due(NOW).exists()


def test_afterwards_it_is_due_the_oldest_first() -> None:
    late = deleted("b@example.com", timedelta(days=10) + retention.GRACE)
    later = deleted("a@example.com", timedelta(days=99))
    assert [*retention.due(NOW)] == [later, late]


def test_what_the_stack_may_still_have_is_not_due() -> None:
    deleted("a@example.com", timedelta(days=99), removed_at=None)
    never = deleted("b@example.com", timedelta(days=99), removed_at=None, live_at=None)
    assert [*retention.due(NOW)] == [never]


def test_without_a_period_it_is_due_at_once(settings: Any) -> None:
    settings.QUAZZAR_RESTORE_DAYS = 0
    row = deleted("a@example.com", timedelta(0))
    assert [*retention.due(NOW)] == [row]
    assert not retention.restorable(NOW).exists()
