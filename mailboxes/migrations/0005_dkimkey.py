"""DKIM keys get a table of their own: from four groups of columns of the domain to a row for each key.

Sealed private keys are copied as they are, byte for byte, so that nothing here needs the key file: the new column
opens blobs that were sealed for the old ones (its ``former_contexts``), even if their key is put back only later.
"""

import django.db.models.deletion
from django.db import migrations, models

import quazzar.sealing.fields

# (algorithm, state) → the start of its columns' names, the column with the time, and which domains have such a key.
# 0.3 set a group's columns together. Without a private key nothing can sign, so nothing waits or signs there.
_GROUPS = {
    ("rsa", "signing"): ("dkim_", "dkim_rotated_at", "dkim_private_key IS NOT NULL"),
    ("rsa", "waiting"): ("dkim_next_", "NULL", "dkim_next_selector <> '' AND dkim_next_private_key IS NOT NULL"),
    ("rsa", "retired"): ("dkim_old_", "dkim_rotated_at", "dkim_old_selector <> ''"),
    ("ed25519", "signing"): (
        "dkim_ed25519_", "NULL",
        "dkim_ed25519_selector <> '' AND dkim_ed25519_private_key IS NOT NULL AND dkim_ed25519_signs",
    ),
    ("ed25519", "waiting"): (
        "dkim_ed25519_", "NULL",
        "dkim_ed25519_selector <> '' AND dkim_ed25519_private_key IS NOT NULL AND NOT dkim_ed25519_signs",
    ),
}


def columns_to_rows(apps, schema_editor):
    for (algorithm, state), (prefix, since, condition) in _GROUPS.items():
        schema_editor.execute(
            "INSERT INTO mailboxes_dkimkey (domain_id, algorithm, state, selector, private_key, public_key, since) "
            f"SELECT id, %s, %s, {prefix}selector, {prefix}private_key, {prefix}public_key, {since} "
            f"FROM mailboxes_domain WHERE {condition}",
            [algorithm, state],
        )


def rows_to_columns(apps, schema_editor):
    """Private keys are sealed for their columns again; those that do not open keep their bytes."""
    alias = schema_editor.connection.alias
    domains = apps.get_model("mailboxes", "Domain").objects.using(alias)
    for key in apps.get_model("mailboxes", "DkimKey").objects.using(alias):
        prefix, since, _ = _GROUPS[key.algorithm, key.state]
        values = {f"{prefix}selector": key.selector, f"{prefix}public_key": key.public_key}
        if since != "NULL":
            values[since] = key.since
        if key.algorithm == "ed25519":
            values["dkim_ed25519_signs"] = key.state == "signing"
        if key.private_key is None or key.private_key.readable:
            values[f"{prefix}private_key"] = key.private_key
        else:
            schema_editor.execute(
                f"UPDATE mailboxes_domain SET {prefix}private_key = "
                "(SELECT private_key FROM mailboxes_dkimkey WHERE id = %s) WHERE id = %s",
                [key.pk, key.domain_id],
            )
        domains.filter(pk=key.domain_id).update(**values)


class Migration(migrations.Migration):

    dependencies = [
        ('mailboxes', '0004_mailbox_waiting'),
    ]

    operations = [
        migrations.CreateModel(
            name='DkimKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('algorithm', models.CharField(choices=[('rsa', 'RSA'), ('ed25519', 'Ed25519')], max_length=7)),
                ('selector', models.CharField(max_length=63)),
                ('state', models.CharField(choices=[('waiting', 'Waiting to be published'), ('signing', 'Signing'), ('retired', 'Retired')], max_length=7)),
                ('since', models.DateTimeField(default=None, null=True)),
                ('private_key', quazzar.sealing.fields.SealedTextField(context='mailboxes.dkimkey.private_key', former_contexts=('mailboxes.domain.dkim_private_key', 'mailboxes.domain.dkim_next_private_key', 'mailboxes.domain.dkim_old_private_key', 'mailboxes.domain.dkim_ed25519_private_key'), null=True)),
                ('public_key', models.TextField(blank=True, default='')),
                ('domain', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dkim_keys', to='mailboxes.domain')),
            ],
            options={
                'verbose_name': 'DKIM key',
                'ordering': ['domain_id', '-algorithm', 'id'],
                'constraints': [
                    models.UniqueConstraint(fields=('domain', 'selector'), name='dkim_key_selector'),
                    models.UniqueConstraint(fields=('domain', 'algorithm', 'state'), name='dkim_key_state'),
                    models.CheckConstraint(condition=models.Q(('state', 'retired'), ('private_key__isnull', False), _connector='OR'), name='dkim_key_private'),
                ],
            },
        ),
        migrations.RunPython(columns_to_rows, rows_to_columns),
    ]
