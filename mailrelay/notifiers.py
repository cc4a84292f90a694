"""The public interface for notices: alerts and backup reports become mail, or a line in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from mailrelay.expected import arrivals, signatures
from mailrelay.models import AlertState, Message, RelaySettings
from mailrelay.notices import alertmail, backups, origin
from mailrelay.notices.alerts import AlertNotice, group_notice, rule_notice
from mailrelay.notices.backups import BackupReport
from mailrelay.notices.notify import Notification, mail_or_log, notify_operator
from mailrelay.sender import Sender
from quazzar.backups.registry import Report as OwnReport

__all__ = [
    "AlertNotice",
    "BackupReport",
    "Notification",
    "group_notice",
    "notify_alert",
    "notify_backup",
    "notify_operator",
    "notify_own_backup",
    "rule_notice",
]

#: The same news about the same group is mailed once in this time: two Alertmanagers post each notice twice.
REPEAT_WINDOW = timedelta(minutes=10)
#: The job of this node's own backups, in mails and among the expected reports.
OWN_JOB = "quazzar"

logger = logging.getLogger(__name__)


def notify_alert(notice: AlertNotice) -> Notification:
    """Mail an alert to the alert recipients, or log it when that cannot be.

    Args:
        notice: made by ``rule_notice`` or ``group_notice``.
    """
    names = {alert.name for alert in notice.firing}
    # Together: a heartbeat counts as come if it was taken.
    with transaction.atomic():
        for signature in filter(None, map(signatures.of_heartbeat, sorted(names))):
            arrivals.record(signature)
        return mail_or_log("alert", alertmail.subject(notice), partial(_queue_once, notice))


def notify_backup(report: BackupReport) -> Notification:
    """Mail a backup report to the backup recipients, or log it when that cannot be.

    A successful backup is mailed only if the relay settings ask for it.
    """
    with transaction.atomic():
        arrivals.record(signatures.of_backup(report.job), succeeded=report.succeeded)
        return _notify_backup(report)


def notify_own_backup(result: OwnReport) -> Notification:
    """Mail, or log, how a run of ``manage.py backup`` ended: as every other backup report."""
    return notify_backup(
        BackupReport(
            OWN_JOB, result.succeeded, result.started_at, result.finished_at, result.size, result.message
        )
    )


def _notify_backup(report: BackupReport) -> Notification:
    subject = backups.subject(report)
    if report.succeeded and not RelaySettings.load().notify_backup_success:
        logger.info("backup logged, not mailed: %s (mail about successful backups is off)", subject)
        return Notification("logged")

    def queue(recipients: Sequence[str]) -> Message:
        return Sender().queue(backups.render(report, recipients, origin.here()), source="backup")

    return mail_or_log("backup", subject, queue)


def _queue_once(notice: AlertNotice, recipients: Sequence[str]) -> Message:
    """Queue the mail, or return the one that brought the same news within ``REPEAT_WINDOW``.

    The state's row stays locked until the end, so of two posts at once the second sees what the first did. If nothing
    could be queued, no state is kept.
    """
    with transaction.atomic():
        state, created = AlertState.objects.select_for_update().get_or_create(key=notice.key)
        if not created and (earlier := _same_news(state, notice)):
            return earlier
        message = Sender().queue(alertmail.render(notice, recipients, origin.here()), source="alert")
        state.digest, state.message, state.updated_at = notice.digest, message, timezone.now()
        state.save(update_fields=["digest", "message", "updated_at"])
    return message


def _same_news(state: AlertState, notice: AlertNotice) -> Message | None:
    """The mail that brought this news already; one that failed reached nobody."""
    if state.digest != notice.digest or state.updated_at <= timezone.now() - REPEAT_WINDOW:
        return None
    earlier = state.message
    return earlier if earlier is not None and earlier.status != Message.Status.FAILED else None
