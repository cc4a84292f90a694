"""Operators' own table, and room for the roles: groups that happen to have a role's name keep their members' rights."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ROLES = ("Owner", "Mail admin", "Sender", "Viewer")


def make_room(apps, schema_editor):
    """Rename groups of the operator's own making: their members must not gain what the role of that name allows."""
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    for group in groups.filter(name__in=ROLES):
        group.name = f"{group.name} (before roles, {group.pk})"
        group.save(update_fields=["name"])


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("quazzar", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Operator",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="operator",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("must_change_password", models.BooleanField(default=False)),
            ],
            options={"default_permissions": ("manage",)},
        ),
        migrations.RunPython(make_room, migrations.RunPython.noop, elidable=True),
    ]
