"""Operators save filters of the message list."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("quazzar", "0006_audit_details"),
    ]

    operations = [
        migrations.AddField(
            model_name="operator",
            name="saved_filters",
            field=models.JSONField(default=dict),
        ),
    ]
