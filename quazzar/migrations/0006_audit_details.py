"""The audit log has addresses, ids, and values before and after; an index for each filter of its page."""

import django.utils.timezone
from django.db import migrations, models

SIGN_INS = [f"operator.{what}" for what in ("signed_in", "signed_out", "sign_in_failed", "locked_out")]


def take_addresses(apps, schema_editor):
    """Entries of sign-ins had the address at the end of their target."""
    entries = apps.get_model("quazzar", "AuditEntry").objects.using(schema_editor.connection.alias)
    found, last = entries.filter(action__in=SIGN_INS, target__contains=" from ").order_by("pk"), 0
    while batch := list(found.filter(pk__gt=last).values_list("pk", "target")[:1000]):
        for last, text in batch:
            target, _, address = text.rpartition(" from ")
            entries.filter(pk=last).update(target=target, address=address[:45])


class Migration(migrations.Migration):

    dependencies = [
        ("quazzar", "0005_first_steps"),
    ]

    operations = [
        migrations.AddField(
            model_name='auditentry',
            name='address',
            field=models.CharField(blank=True, default='', max_length=45),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='changes',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='key_id',
            field=models.BigIntegerField(blank=True, default=None, null=True),
        ),
        migrations.AddField(
            model_name='auditentry',
            name='user_id',
            field=models.BigIntegerField(blank=True, default=None, null=True),
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='at',
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['at', 'id'], name='audit_at'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['actor', 'at', 'id'], name='audit_actor'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['action', 'at', 'id'], name='audit_action'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['address', 'at', 'id'], name='audit_address'),
        ),
        migrations.RunPython(take_addresses, migrations.RunPython.noop),
    ]
