import django.db.models.deletion
from django.db import migrations, models

class Migration(migrations.Migration):

    dependencies = [
        ("mailrelay", "0009_message_history"),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.CharField(max_length=320)),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mailrelay.message"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "message addresses",
                "indexes": [models.Index(fields=["address", "message"], name="message_address")],
            },
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["message_id"], name="message_message_id"),
        ),
        *(
            migrations.AddIndex(
                model_name="message",
                index=models.Index(fields=["-id"], name=f"message_{source}", condition=models.Q(("source", source))),
            )
            for source in ("alert", "backup", "test")
        ),
    ]
