"""The check of `doctor` on this node's own backups: how old the last one is, and whether one failed since."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from quazzar import words
from quazzar.models import AuditEntry
from quazzar.monitoring import doctor

MADE, FAILED = "backup.made", "backup.failed"
#: A weekly backup is late after eight days. Other schedules are watched under Expected reports.
_OLD = timedelta(days=8)


def examine() -> doctor.Finding:
    """When the node was last backed up. A node without any backup may be backed up by other means."""
    made = AuditEntry.objects.filter(action=MADE).order_by("-at", "-id").first()
    failed = AuditEntry.objects.filter(action=FAILED).order_by("-at", "-id").first()
    if failed is not None and (made is None or failed.at > made.at):
        last = f" The last one was made {words.distance(made.at - timezone.now())}." if made else ""
        return doctor.failed(
            f"The last backup failed {words.distance(failed.at - timezone.now())}.{last}",
            "The backup report and the output of manage.py backup say why.",
            since=failed.at,
        )
    if made is None:
        return doctor.idle("No backup has been made with manage.py backup yet.")
    sentence = f"The last backup was made {words.distance(made.at - timezone.now())}."
    if timezone.now() - made.at > _OLD:
        return doctor.warning(sentence, "Run manage.py backup, and find out why its timer does not.")
    return doctor.ok(sentence)
