from django.db import migrations

_BATCH = 2000


def index_what_is_there(apps, schema_editor):
    """Make the messages of before findable by their recipients."""
    messages = apps.get_model("mailrelay", "Message").objects.using(schema_editor.connection.alias)
    addresses = apps.get_model("mailrelay", "MessageAddress").objects.using(schema_editor.connection.alias)
    last = 0
    while rows := list(messages.filter(id__gt=last).order_by("id").values_list("id", "recipients")[:_BATCH]):
        addresses.bulk_create(
            [
                addresses.model(address=address, message_id=pk)
                for pk, recipients in rows
                for address in dict.fromkeys(str(one["address"]).lower() for one in recipients)
            ],
            batch_size=500,
        )
        last = rows[-1][0]


class Migration(migrations.Migration):

    dependencies = [
        ("mailrelay", "0010_message_search"),
    ]

    operations = [
        migrations.RunPython(index_what_is_there, migrations.RunPython.noop, elidable=True),
    ]
