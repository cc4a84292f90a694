"""Mailboxes that fill up: who gets a mail, when, and how often."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from django.db import connection

from mailboxes.models import Mailbox
from mailboxes.quota import warnings
from mailboxes.quota.warnings import Warned, decide
from mailrelay.models import Message, RelaySettings
from tests.mailboxes import factories

MIB = 1 << 20


# --- when: pure --------------------------------------------------------------------------------------------
def test_a_level_that_is_reached_is_warned_of() -> None:
    for percent, level in ((0, 0), (79, 0), (80, 80), (94, 80), (95, 95), (99, 95), (100, 100), (140, 100)):
        assert decide(0, percent) == (level, level > 0)


def test_the_same_level_is_warned_of_once() -> None:
    for warned, percent in ((80, 80), (80, 94), (95, 95), (95, 99), (100, 100), (100, 140)):
        assert decide(warned, percent) == (warned, False)


def test_a_higher_level_is_warned_of_again() -> None:
    for warned, percent, level in ((80, 95, 95), (80, 100, 100), (95, 100, 100)):
        assert decide(warned, percent) == (level, True)


def test_a_little_below_a_level_it_holds() -> None:
    for warned, percent in ((80, 75), (80, 79), (95, 90), (95, 94), (100, 95), (100, 99)):
        assert decide(warned, percent) == (warned, False)


def test_clearly_below_a_level_it_is_forgotten_quietly() -> None:
    for warned, percent, level in (
        (80, 74, 0),
        (95, 89, 80),
        (95, 74, 0),
        (100, 94, 95),
        (100, 89, 80),
        (100, 75, 80),
        (100, 0, 0),
    ):
        assert decide(warned, percent) == (level, False)


def test_a_mailbox_at_the_edge_does_not_flap() -> None:
    level, warnings = 0, 0
    for percent in [79, 80, 79, 80, 79, 78, 80, 81, 76, 80]:
        level, warn = decide(level, percent)
        warnings += warn
    assert warnings == 1


# --- whom --------------------------------------------------------------------------------------------------
@pytest.fixture
def relay(db: None, rings: list[str]) -> RelaySettings:
    return RelaySettings.objects.create(
        pk=1, host="smtp.example.com", from_address="node@example.com", alert_recipients=["ops@example.net"]
    )


def filled(address: str, percent: int, **columns: Any) -> Mailbox:
    return factories.mailbox(address, **{"quota_mb": 100, "usage_bytes": percent * MIB, **columns})


def warned() -> dict[str, int]:
    return dict(Mailbox.objects.values_list("address", "warned_percent"))


def test_the_alert_recipients_get_one_mail_about_all(relay: RelaySettings, rings: list[str]) -> None:
    filled("ada@example.com", 96)
    filled("bob@example.com", 81)
    filled("cyn@example.com", 79)
    assert warnings.warn() == 2
    row = Message.objects.get()
    assert (row.source, row.to) == ("alert", ["ops@example.net"])
    assert row.subject == "[Quota] 2 mailboxes are filling up; ada@example.com is 96 % full"
    assert warned() == {"ada@example.com": 95, "bob@example.com": 80, "cyn@example.com": 0}


def test_it_is_told_once(relay: RelaySettings) -> None:
    filled("ada@example.com", 96)
    assert (warnings.warn(), warnings.warn()) == (1, 0)
    assert Message.objects.count() == 1


def test_after_the_mailbox_was_emptied_it_is_told_again(relay: RelaySettings) -> None:
    row = filled("ada@example.com", 96)
    warnings.warn()
    for percent in (10, 85):
        Mailbox.objects.filter(pk=row.pk).update(usage_bytes=percent * MIB)
        warnings.warn()
    assert Message.objects.count() == 2 and warned() == {"ada@example.com": 80}


def test_a_quota_that_was_raised_or_taken_away_forgets_the_warning(relay: RelaySettings) -> None:
    filled("ada@example.com", 100, quota_mb=0, warned_percent=100)
    filled("bob@example.com", 100, quota_mb=1000, warned_percent=100)
    assert warnings.warn() == 0
    assert warned() == {"ada@example.com": 0, "bob@example.com": 0}


def test_a_mailbox_without_quota_or_deleted_is_no_matter(relay: RelaySettings) -> None:
    filled("ada@example.com", 5000, quota_mb=0)
    filled("bob@example.com", 100, deleted_at="2026-11-01T00:00:00Z")
    assert warnings.warn() == 0 and not Message.objects.exists()


def test_the_owner_is_told_only_when_that_is_wanted(relay: RelaySettings) -> None:
    filled("ada@example.com", 96)
    factories.stack(warn_mailbox_owners=True)
    warnings.warn()
    assert sorted(row.to[0] for row in Message.objects.all()) == ["ada@example.com", "ops@example.net"]


@pytest.mark.parametrize(
    "columns",
    [{"enabled": False}, {"can_receive": False}, {"usage_bytes": 100 * MIB}, {"usage_bytes": 120 * MIB}],
)
def test_a_mailbox_that_takes_no_mail_gets_none(relay: RelaySettings, columns: dict[str, Any]) -> None:
    filled("ada@example.com", 96, **columns)
    factories.stack(warn_mailbox_owners=True)
    assert warnings.warn() == 1
    assert [row.to for row in Message.objects.all()] == [["ops@example.net"]]


@pytest.mark.parametrize("missing", [{"host": ""}, {"alert_recipients": []}])
def test_without_relay_or_recipient_it_is_a_line_in_the_log(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture, missing: dict[str, Any]
) -> None:
    RelaySettings.objects.update(**missing)
    filled("ada@example.com", 96)
    with caplog.at_level(logging.WARNING):
        assert warnings.warn() == 1
    assert "ada@example.com: 96 %" in caplog.text and "not mailed" in caplog.text
    assert not Message.objects.exists() and warned() == {"ada@example.com": 95}


def test_what_could_not_be_queued_is_not_marked_as_told(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("disk full")

    filled("ada@example.com", 96)
    monkeypatch.setattr(warnings, "notify_operator", fail)
    with pytest.raises(OSError):
        warnings.warn()
    assert warned() == {"ada@example.com": 0}


@pytest.mark.django_db(transaction=True)
def test_two_workers_warn_once(relay: RelaySettings) -> None:
    for number in range(5):
        filled(f"u{number}@example.com", 96)
    together, counts = threading.Barrier(2), []

    def work() -> None:
        together.wait(10)
        counts.append(warnings.warn())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(counts) == [0, 5] and Message.objects.count() == 1


# --- what --------------------------------------------------------------------------------------------------
def mailbox_at(address: str = "ada@example.com", percent: int = 96) -> Warned:
    return Warned(address, percent, percent * MIB, 100 * MIB, True)


def test_one_mailbox_is_in_the_subject() -> None:
    subject, text = warnings.operator_mail([mailbox_at()])
    assert subject == "[Quota] ada@example.com is 96 % full"
    assert "ada@example.com: 96 % (96 MiB of 100 MiB)" in text


def test_the_fullest_comes_first_and_a_long_list_is_cut() -> None:
    many = [mailbox_at(f"u{number}@example.com", 80 + number % 20) for number in range(250)]
    _, text = warnings.operator_mail(many)
    assert text.index("99 %") < text.index("90 %") and "… and 50 more" in text


def test_the_owner_reads_what_to_do() -> None:
    subject, text = warnings.owner_mail(mailbox_at())
    assert subject == "Your mailbox is 96 % full"
    assert "96 MiB of 100 MiB" in text and "Delete" in text
