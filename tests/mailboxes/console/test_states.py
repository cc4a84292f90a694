"""How rows, phases and storage are shown."""

from __future__ import annotations

import pytest
from django.utils import timezone

from mailboxes.console import listing, states
from mailboxes.models import Alias, Mailbox, Stack
from tests.mailboxes import factories

NOW = timezone.now()
MIB = 1 << 20


@pytest.mark.parametrize(
    ("used", "percent", "tone"),
    [
        (0, 0, ""),
        (79, 79, ""),
        (80, 80, "near"),
        (94, 94, "near"),
        (95, 95, "high"),
        (100, 100, "full"),
        (130, 130, "full"),
    ],
)
def test_the_bar_changes_colour_at_80_95_and_100_percent(used: int, percent: int, tone: str) -> None:
    usage = states.usage(Mailbox(quota_mb=100, usage_bytes=used * MIB))
    assert (usage.percent, usage.tone) == (percent, tone)


def test_without_a_limit_there_is_no_bar() -> None:
    assert states.usage(Mailbox(quota_mb=0, usage_bytes=MIB)) == states.Usage("1 MiB, no limit", None, "")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Mailbox(password_hash="x", applied_at=NOW), "Live"),
        (Mailbox(password_hash="x"), "On its way"),
        (Mailbox(applied_at=NOW), "No password"),
        (Mailbox(), "On its way"),
        (Mailbox(password_hash="x", applied_at=NOW, enabled=False), "Disabled"),
        (Alias(applied_at=NOW), "Live"),
        (Alias(applied_at=NOW, enabled=False), "Disabled"),
        (Alias(), "On its way"),
    ],
)
def test_a_row_says_whether_it_is_live(row: Mailbox | Alias, words: str) -> None:
    assert f">{words}<" in states.row_badge(row, enabled=True)


def test_a_row_of_a_server_that_is_off_says_so() -> None:
    assert "Server is off" in states.row_badge(Alias(), enabled=False)


@pytest.mark.parametrize(
    ("enabled", "phase", "stage"),
    [
        (False, "disabled", "off"),
        (False, "failed", "off"),
        (False, "stopping", "stopping"),
        (True, "disabled", "working"),
        (True, "preflight", "working"),
        (True, "starting", "working"),
        (True, "failed", "failed"),
        (True, "healthy", "on"),
        (True, "degraded", "on"),
    ],
)
def test_each_phase_has_its_page(enabled: bool, phase: str, stage: str) -> None:
    assert states.stage(Stack(enabled=enabled, phase=phase)) == stage


@pytest.mark.parametrize("phase", Stack.Phase.values)
def test_each_phase_has_a_word(phase: str) -> None:
    assert "q-badge" in states.stack_badge(Stack(enabled=True, phase=phase))


def test_unreadable_hashes_are_found_without_opening_any(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.mailbox(password_hash="x")
    factories.mailbox("ben@example.com")
    factories.mailbox("cleo@example.com", password_hash="x", deleted_at=NOW)
    assert not listing.unreadable().exists()
    monkeypatch.setattr("quazzar.sealing.keyring.existing", lambda: None)
    assert [row.address for row in listing.unreadable()] == ["ada@example.com"]


def test_full_mailboxes_are_found_also_with_a_quota_beyond_small_numbers(db: None) -> None:
    factories.mailbox(quota_mb=2**31 - 1, usage_bytes=(2**31 - 1) * MIB)
    factories.mailbox("ben@example.com", quota_mb=100, usage_bytes=79 * MIB)
    assert [row.address for row in listing.mailboxes({"state": "full"}).page] == ["ada@example.com"]
