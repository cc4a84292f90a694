from django.db import migrations

_BATCH = 2000
_STAGES = ("resolve", "connect", "tls", "auth")


def _waits_for(error):
    stage = str((error or {}).get("stage", ""))
    if "keys" in (error or {}):
        return "password" if stage == "auth" else "key"
    return stage if stage in _STAGES else None


def say_what_they_wait_for(apps, schema_editor):
    """Copy what holds up each message from its latest failure into its own column."""
    messages = apps.get_model("mailrelay", "Message").objects.using(schema_editor.connection.alias)
    last = 0
    while rows := list(
        messages.filter(status="retrying", id__gt=last).order_by("id").values_list("id", "last_error")[:_BATCH]
    ):
        held = {}
        for pk, error in rows:
            held.setdefault(_waits_for(error), []).append(pk)
        for what, ids in held.items():
            for first in range(0, len(ids), 500):
                if what:
                    messages.filter(id__in=ids[first : first + 500]).update(waits_for=what)
        last = rows[-1][0]


class Migration(migrations.Migration):

    dependencies = [
        ("mailrelay", "0014_waits_for"),
    ]

    operations = [
        migrations.RunPython(say_what_they_wait_for, migrations.RunPython.noop, elidable=True),
    ]
