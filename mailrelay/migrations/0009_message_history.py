from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mailrelay', '0008_findings_are_the_nodes'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='message',
            options={'ordering': ['-id'], 'permissions': [('read_message', 'Can read the content of messages')]},
        ),
        migrations.AddField(
            model_name='message',
            name='history',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='message',
            name='submitted_by',
            field=models.CharField(blank=True, default='', max_length=300),
        ),
    ]
