"""What the checks found belongs to the whole node: the rows move to the app ``quazzar``."""

from django.db import migrations


def move(apps, schema_editor):
    using = schema_editor.connection.alias
    findings = apps.get_model("quazzar", "Finding").objects.using(using)
    findings.bulk_create(
        findings.model(
            check_name=row.check_name,
            level=row.level,
            sentence=row.sentence,
            advice=row.advice,
            since=row.since,
            # When it was last checked was not stored; the next look is due at once.
            checked_at=row.since,
            told_at=row.told_at,
            told_of=row.told_of,
        )
        for row in apps.get_model("mailrelay", "NodeFinding").objects.using(using).all()
    )


class Migration(migrations.Migration):
    dependencies = [
        ("mailrelay", "0007_expected_reports"),
        ("quazzar", "0004_findings"),
    ]

    operations = [
        migrations.RunPython(move, migrations.RunPython.noop, elidable=True),
        migrations.DeleteModel(name="NodeFinding"),
    ]
