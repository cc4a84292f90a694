"""The callers of the relay: alerts and backup reports become mail, or a line in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone

from mailrelay.mail.emails import Email
from mailrelay.models import AlertState, Message, RelaySettings
from mailrelay.notices import alertmail, alerts, backups
from mailrelay.notices.alerts import AlertNotice
from mailrelay.notices.backups import BackupReport
from mailrelay.sender import Sender
from quazzar.errors import InvalidEmail, RelayNotConfigured

#: The same news about the same group is mailed once in this time: two Alertmanagers post each notice twice.
REPEAT_WINDOW = timedelta(minutes=10)

_NO_RELAY = "no relay is configured"
_NO_RECIPIENT = "no recipient is set for {}"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notification:
    """Whether it became a mail; ``message`` is its row in the queue."""

    delivery: Literal["queued", "logged"]
    message: Message | None = None


def notify_alert(alert: Mapping[str, Any] | AlertNotice) -> Notification:
    """Mails an alert to the alert recipients, or logs it when that cannot be.

    Raises:
        InvalidAlert: the body is no alert.
    """
    notice = alert if isinstance(alert, AlertNotice) else alerts.parse(alert)
    relay = RelaySettings.load()
    why = _why_not(relay, relay.alert_recipients, "alerts")
    if why:
        return _logged("alert", alertmail.subject(notice), why)
    try:
        return _mail_once(notice, relay.alert_recipients)
    except (RelayNotConfigured, InvalidEmail) as exc:
        return _logged("alert", alertmail.subject(notice), exc.message)


def notify_backup(backup: Mapping[str, Any] | BackupReport) -> Notification:
    """Mails a backup report to the backup recipients, or logs it when that cannot be, or is not wished.

    Raises:
        InvalidBackup: the body is no report.
    """
    report = backup if isinstance(backup, BackupReport) else backups.parse(backup)
    relay = RelaySettings.load()
    subject = backups.subject(report)
    if report.succeeded and not relay.notify_backup_success:
        logger.info("backup logged, not mailed: %s (mail about successful backups is off)", subject)
        return Notification("logged")
    why = _why_not(relay, relay.backup_recipients, "backups")
    if why:
        return _logged("backup", subject, why)
    try:
        return Notification("queued", _queue(backups.render(report, relay.backup_recipients), "backup"))
    except (RelayNotConfigured, InvalidEmail) as exc:
        return _logged("backup", subject, exc.message)


def _why_not(relay: RelaySettings, recipients: list[str], what: str) -> str:
    if not relay.configured:
        return _NO_RELAY
    return "" if recipients else _NO_RECIPIENT.format(what)


def _logged(kind: str, subject: str, why: str) -> Notification:
    logger.warning("%s logged, not mailed: %s (%s)", kind, subject, why)
    return Notification("logged")


def _queue(email: Email, source: str) -> Message:
    return Sender().queue(email, source=source)


def _mail_once(notice: AlertNotice, recipients: list[str]) -> Notification:
    """Queues the mail, unless the same news went out just now. The state's row is locked meanwhile, so of two
    posts at once the second sees what the first did; when nothing could be queued, no state stays."""
    with transaction.atomic():
        state, created = AlertState.objects.select_for_update().get_or_create(key=notice.key)
        if not created and (earlier := _same_news(state, notice)):
            return Notification("queued", earlier)
        message = _queue(alertmail.render(notice, recipients), "alert")
        state.digest, state.message, state.updated_at = notice.digest, message, timezone.now()
        state.save(update_fields=["digest", "message", "updated_at"])
    return Notification("queued", message)


def _same_news(state: AlertState, notice: AlertNotice) -> Message | None:
    """The mail that told this already; one that failed told nobody."""
    if state.digest != notice.digest or state.updated_at <= timezone.now() - REPEAT_WINDOW:
        return None
    earlier = state.message
    return earlier if earlier is not None and earlier.status != Message.Status.FAILED else None
