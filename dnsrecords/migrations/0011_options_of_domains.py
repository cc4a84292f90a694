"""Name the options of a domain also in the singular."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("dnsrecords", "0010_proofs")]

    operations = [
        migrations.AlterModelOptions(
            name="domainoptions",
            options={"verbose_name": "options of a domain", "verbose_name_plural": "options of domains"},
        ),
    ]
