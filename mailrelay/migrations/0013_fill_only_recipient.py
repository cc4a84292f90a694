from django.db import migrations, transaction
from django.db.models import Count, Max, Min, OuterRef, Subquery

#: Ids of one transaction: workers of the former release may send meanwhile.
_BATCH = 5000


def _ranges(rows, key):
    last = rows.aggregate(last=Max(key))["last"] or 0
    for first in range(0, last + 1, _BATCH):
        with transaction.atomic(rows.db):
            yield first, first + _BATCH - 1


def move_lone_recipients(apps, schema_editor):
    """Keep the address of a message to one recipient in the message itself."""
    alias = schema_editor.connection.alias
    messages = apps.get_model("mailrelay", "Message").objects.using(alias)
    addresses = apps.get_model("mailrelay", "MessageAddress").objects.using(alias)
    alone = addresses.filter(message=OuterRef("pk")).values("message").annotate(number=Count("pk"), only=Min("address"))
    for span in _ranges(messages, "pk"):
        these = messages.filter(pk__range=span, only_recipient=None)
        these.update(only_recipient=Subquery(alone.filter(number=1).values("only")))
        addresses.filter(message_id__gte=span[0], message_id__lte=span[1], message__only_recipient__isnull=False).delete()


def move_back(apps, schema_editor):
    alias = schema_editor.connection.alias
    messages = apps.get_model("mailrelay", "Message").objects.using(alias)
    addresses = apps.get_model("mailrelay", "MessageAddress").objects.using(alias)
    for span in _ranges(messages, "pk"):
        alone = messages.filter(pk__range=span, only_recipient__isnull=False)
        addresses.bulk_create(
            addresses.model(address=address, message_id=pk) for address, pk in alone.values_list("only_recipient", "pk")
        )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("mailrelay", "0012_only_recipient"),
    ]

    operations = [
        migrations.RunPython(move_lone_recipients, move_back, elidable=True),
    ]
