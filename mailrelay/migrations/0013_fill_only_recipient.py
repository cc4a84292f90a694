from django.db import migrations
from django.db.models import Count, Min, OuterRef, Subquery


def move_lone_recipients(apps, schema_editor):
    """Keep the address of a message to one recipient in the message itself."""
    alias = schema_editor.connection.alias
    messages = apps.get_model("mailrelay", "Message").objects.using(alias)
    addresses = apps.get_model("mailrelay", "MessageAddress").objects.using(alias)
    alone = addresses.filter(message=OuterRef("pk")).values("message").annotate(number=Count("pk"), only=Min("address"))
    messages.update(only_recipient=Subquery(alone.filter(number=1).values("only")))
    addresses.filter(message__only_recipient__isnull=False).delete()


def move_back(apps, schema_editor):
    alias = schema_editor.connection.alias
    messages = apps.get_model("mailrelay", "Message").objects.using(alias)
    addresses = apps.get_model("mailrelay", "MessageAddress").objects.using(alias)
    alone = messages.filter(only_recipient__isnull=False).values_list("only_recipient", "pk")
    addresses.bulk_create(
        (addresses.model(address=address, message_id=pk) for address, pk in alone.iterator()), batch_size=500
    )


class Migration(migrations.Migration):

    dependencies = [
        ("mailrelay", "0012_only_recipient"),
    ]

    operations = [
        migrations.RunPython(move_lone_recipients, move_back, elidable=True),
    ]
