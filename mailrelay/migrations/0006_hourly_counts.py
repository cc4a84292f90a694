"""Counts per hour, filled from the messages that are still there: what was deleted before cannot be counted any more."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from django.db import migrations, models
from django.utils import timezone

_STOCK = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = timedelta(days=31)


def count_messages(apps, schema_editor):
    """One pass through the messages that are over, in portions; a million take some seconds."""
    alias = schema_editor.connection.alias
    messages = apps.get_model("mailrelay", "Message").objects.using(alias)
    counts = apps.get_model("mailrelay", "HourlyCount").objects.using(alias)
    over = messages.filter(status__in=["sent", "failed"]).order_by()
    rows = over.values_list("status", "sent_at", "created_at", "last_error").iterator(chunk_size=5000)
    oldest = timezone.now() - _KEPT
    numbers = Counter()
    for status, sent_at, created_at, last_error in rows:
        numbers[_STOCK, status] += 1
        at = sent_at or created_at
        if status == "failed" and last_error and "at" in last_error:
            at = datetime.fromisoformat(last_error["at"])
        if at > oldest:
            numbers[at.astimezone(UTC).replace(minute=0, second=0, microsecond=0), status] += 1
    counts.bulk_create(
        [counts.model(hour=hour, outcome=outcome, number=number) for (hour, outcome), number in numbers.items()],
        batch_size=200,
    )


class Migration(migrations.Migration):
    dependencies = [("mailrelay", "0005_node_finding")]

    operations = [
        migrations.CreateModel(
            name="HourlyCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("hour", models.DateTimeField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("deferred", "Deferred"),
                            ("waiting", "Waiting"),
                        ],
                        max_length=8,
                    ),
                ),
                ("number", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "count of an hour",
                "verbose_name_plural": "counts per hour",
                "ordering": ["-hour", "outcome"],
                "constraints": [models.UniqueConstraint(fields=("hour", "outcome"), name="hourly_count_once")],
            },
        ),
        migrations.RunPython(count_messages, migrations.RunPython.noop, elidable=True),
    ]
