"""Alerts and backup reports become mail, or a line in the log that says why not."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mailrelay import notifiers
from mailrelay.models import AlertState, Message, RelaySettings
from mailrelay.notices.notify import notify
from mailrelay.notifiers import (
    BackupReport,
    Notification,
    notify_alert,
    notify_backup,
    notify_operator,
    rule_notice,
)
from mailrelay.sender import Sender
from quazzar.errors import RelayNotConfigured
from tests.mailrelay.notices.bodies import notice
from tests.mailrelay.notices.test_alerts import alert, group

pytestmark = pytest.mark.django_db
ALERT = rule_notice("Disk full", severity="critical", summary="92 %")
FAILED, SUCCEEDED = BackupReport("nightly", succeeded=False), BackupReport("nightly", succeeded=True)


@pytest.fixture
def relay() -> RelaySettings:
    return RelaySettings.objects.create(
        pk=1,
        host="smtp.example.com",
        from_address="node@example.com",
        alert_recipients=["ops@example.com"],
        backup_recipients=["archive@example.com"],
    )


def change(**values: object) -> None:
    RelaySettings.objects.filter(pk=1).update(**values)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Level and text of what the notifiers logged."""
    return [
        (line.levelno, line.getMessage()) for line in caplog.records if line.name.startswith("mailrelay.no")
    ]


# --- mailed ------------------------------------------------------------------------------------------------
def test_an_alert_is_queued_for_the_alert_recipients(relay: RelaySettings) -> None:
    notification = notify_alert(ALERT)
    assert notification.delivery == "queued" and notification.message is not None
    row = Message.objects.get()
    assert (row.pk, row.source, row.to) == (notification.message.pk, "alert", ["ops@example.com"])
    assert row.subject == "[FIRING] Disk full: 92 % (critical)"


def test_alertmanagers_body_is_queued(relay: RelaySettings) -> None:
    assert notify_alert(notice(group())).delivery == "queued"
    assert Message.objects.get().subject == "[FIRING] HighLoad on web1 (critical)"


def test_a_failed_backup_is_queued_for_the_backup_recipients(relay: RelaySettings) -> None:
    assert notify_backup(FAILED).delivery == "queued"
    row = Message.objects.get()
    assert (row.source, row.to, row.subject) == ("backup", ["archive@example.com"], "[Backup failed] nightly")


def test_a_successful_backup_is_queued_when_the_operator_wishes(relay: RelaySettings) -> None:
    change(notify_backup_success=True)
    assert notify_backup(SUCCEEDED).delivery == "queued"
    assert Message.objects.get().subject == "[Backup ok] nightly"


# --- logged ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "why"),
    [({"host": ""}, "no relay is configured"), ({"alert_recipients": []}, "no recipient is set for alerts")],
)
def test_an_alert_that_cannot_be_mailed_is_one_warning(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture, values: dict[str, object], why: str
) -> None:
    change(**values)
    assert notify_alert(rule_notice("Disk full", "critical", summary="92 %\nof /var")) == Notification(
        "logged"
    )
    line = f"alert logged, not mailed: [FIRING] Disk full: 92 % of /var (critical) ({why})"
    assert logged(caplog) == [(logging.WARNING, line)]
    assert not Message.objects.exists() and not AlertState.objects.exists()


def test_without_any_settings_all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert notify_alert(ALERT).delivery == notify_backup(FAILED).delivery == "logged"
    assert [level for level, _ in logged(caplog)] == [logging.WARNING, logging.WARNING]


def test_a_failed_backup_without_a_recipient_is_one_warning(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture
) -> None:
    change(backup_recipients=[])
    assert notify_backup(FAILED).delivery == "logged"
    why = "no recipient is set for backups"
    assert logged(caplog) == [
        (logging.WARNING, f"backup logged, not mailed: [Backup failed] nightly ({why})")
    ]


def test_a_successful_backup_is_only_noted_when_mail_about_it_is_off(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mailrelay.notifiers")
    assert notify_backup(SUCCEEDED).delivery == "logged"
    assert [level for level, _ in logged(caplog)] == [logging.INFO]
    assert not Message.objects.exists()


def test_a_relay_that_goes_meanwhile_is_a_warning_and_leaves_no_state(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object, **kwargs: object) -> None:
        raise RelayNotConfigured

    monkeypatch.setattr(Sender, "queue", gone)
    assert notify_alert(ALERT).delivery == notify_backup(FAILED).delivery == "logged"
    assert [level for level, _ in logged(caplog)] == [logging.WARNING, logging.WARNING]
    assert not AlertState.objects.exists()


def test_a_recipient_that_is_no_address_is_a_warning_not_a_crash(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture
) -> None:
    change(alert_recipients=["nobody"])
    assert notify_alert(ALERT).delivery == "logged"
    assert "'nobody' is not a mail address" in logged(caplog)[0][1]


# --- what the node itself has to say -----------------------------------------------------------------------
def test_a_word_to_the_operator_is_queued_for_the_alert_recipients(relay: RelaySettings) -> None:
    assert notify_operator("[DNS] MX is broken", "Look.\n").delivery == "queued"
    row = Message.objects.get()
    assert (row.source, row.to, row.subject) == ("alert", ["ops@example.com"], "[DNS] MX is broken")


def test_a_word_to_somebody_else_goes_to_them_alone(relay: RelaySettings) -> None:
    assert notify("Your mailbox is full", "Delete something.\n", ["ada@example.com"]).delivery == "queued"
    assert Message.objects.get().to == ["ada@example.com"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"host": ""}, "no relay is configured"),
        ({"alert_recipients": []}, "no recipient is set for alerts"),
        (
            {"alert_recipients": ["nobody"]},
            "'nobody' is not a mail address. Enter one like name@example.com.",
        ),
    ],
)
def test_a_word_to_the_operator_that_cannot_be_mailed_is_one_warning(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture, values: dict[str, object], reason: str
) -> None:
    change(**values)
    assert notify_operator("[DNS] MX is broken", "Look.\n") == Notification("logged")
    line = f"alert logged, not mailed: [DNS] MX is broken ({reason})"
    assert logged(caplog) == [(logging.WARNING, line)]
    assert not Message.objects.exists()


def test_a_word_in_a_transaction_that_fails_is_not_mailed(relay: RelaySettings) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        notify_operator("[DNS] MX is broken", "Look.\n")
        raise RuntimeError
    assert not Message.objects.exists()


# --- the same news once ------------------------------------------------------------------------------------
def test_the_same_news_is_mailed_once(relay: RelaySettings) -> None:
    first, second = notify_alert(notice(group())), notify_alert(notice(group()))
    assert first.message == second.message and second.delivery == "queued"
    assert Message.objects.count() == 1


def test_news_is_mailed_at_once(relay: RelaySettings) -> None:
    resolved = group(alert(status="resolved"))
    for body in (group(), resolved, group(), resolved):
        notify_alert(notice(body))
    assert Message.objects.count() == 4
    assert AlertState.objects.get().message == Message.objects.first()


def test_one_group_does_not_hide_another(relay: RelaySettings) -> None:
    for news in (notice(group()), notice(group(groupKey="other")), ALERT, rule_notice("Other")):
        notify_alert(news)
    assert Message.objects.count() == 4


def test_the_same_news_is_mailed_again_after_the_window(relay: RelaySettings) -> None:
    notify_alert(ALERT)
    AlertState.objects.update(updated_at=timezone.now() - notifiers.REPEAT_WINDOW - timedelta(seconds=1))
    notify_alert(ALERT)
    assert Message.objects.count() == 2


def test_news_whose_mail_failed_or_was_deleted_is_mailed_again(relay: RelaySettings) -> None:
    notify_alert(ALERT)
    Message.objects.update(status=Message.Status.FAILED)
    second = notify_alert(ALERT)
    assert Message.objects.count() == 2 and second.message is not None
    second.message.delete()
    assert notify_alert(ALERT).message is not None


def test_two_backups_that_fail_alike_are_two_mails(relay: RelaySettings) -> None:
    notify_backup(FAILED)
    notify_backup(FAILED)
    assert Message.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_alertmanagers_at_once_make_one_mail(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quazzar.doorbell.ring", lambda task, *ids: None)
    start, notifications = threading.Barrier(4), list[Notification]()

    def post() -> None:
        start.wait(timeout=10)
        notifications.append(notify_alert(notice(group())))
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [notification.delivery for notification in notifications] == ["queued"] * 4
    assert {notification.message for notification in notifications} == {Message.objects.get()}
