"""The domain's own DKIM columns go: 0005 copied them. Apart from it, because PostgreSQL changes no table with open events."""

from django.db import migrations

_COLUMNS = (
    *(f"dkim_{group}{column}" for group in ("", "next_", "old_", "ed25519_") for column in ("selector", "private_key", "public_key")),
    "dkim_rotated_at",
    "dkim_ed25519_signs",
)


class Migration(migrations.Migration):

    dependencies = [
        ('mailboxes', '0005_dkimkey'),
    ]

    operations = [migrations.RemoveField(model_name='domain', name=name) for name in _COLUMNS]
