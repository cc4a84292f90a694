"""Name the options of a domain also in the singular."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("dnsrecords", "0010_proofs")]

    operations = [
        migrations.AlterModelOptions(
            name="domainoptions",
            options={"verbose_name": "set of domain options", "verbose_name_plural": "domain options"},
        ),
    ]
