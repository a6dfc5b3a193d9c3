"""Images can be hidden, held for review and restored; who decided so is kept."""

import chatkit_images.models.keys
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chatkit_images', '0011_indexes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('image_id', models.UUIDField(default=uuid.uuid4, verbose_name='image')),
                ('thread_id', chatkit_images.models.keys.KeyField(blank=True, default='', max_length=64, verbose_name='thread')),
                ('item_id', chatkit_images.models.keys.KeyField(blank=True, default='', help_text='The id of the item that shows it, if there was one.', max_length=255, verbose_name='item')),
                ('action', models.CharField(choices=[('hide', 'hidden'), ('hold', 'held for review'), ('restore', 'restored'), ('keep', 'reviewed and kept'), ('report', 'reported'), ('remark', 'remarked on by the provider'), ('delete', 'deleted')], max_length=16, verbose_name='decision')),
                ('reason', models.TextField(blank=True, help_text='For staff; the person does not read it.', verbose_name='reason')),
                ('words', models.CharField(blank=True, help_text='What the person reads in the place of the image.', max_length=500, verbose_name='words')),
                ('by', models.CharField(blank=True, help_text='The name of the account at that time, or what else decided.', max_length=255, verbose_name='decided by')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='decided')),
            ],
            options={
                'verbose_name': 'decision',
                'verbose_name_plural': 'decisions',
                'ordering': ['-created_at', '-pk'],
                'base_manager_name': 'objects',
            },
        ),
        migrations.AlterModelOptions(
            name='generatedimage',
            options={'base_manager_name': 'objects', 'ordering': ['-created_at', '-pk'], 'permissions': [('moderate_generatedimage', 'Can hide, restore and review generated image')], 'verbose_name': 'generated image', 'verbose_name_plural': 'generated images'},
        ),
        migrations.AddField(
            model_name='feedback',
            name='reason',
            field=models.CharField(blank=True, db_default='', default='', help_text='What the person wrote who reported the item to staff.', max_length=1000, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='generatedimage',
            name='hidden_words',
            field=models.CharField(blank=True, db_default='', default='', help_text='What the person reads; empty for a standard sentence.', max_length=500, verbose_name='words in its place'),
        ),
        migrations.AddField(
            model_name='generatedimage',
            name='is_aside',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='Whether its file has a name that no URL has had.', verbose_name='moved aside'),
        ),
        migrations.AddField(
            model_name='generatedimage',
            name='review_reason',
            field=models.CharField(blank=True, choices=[('check', 'the check of images'), ('report', "a person's report"), ('remark', 'a remark of the provider'), ('staff', 'asked for by staff')], db_default='', default='', max_length=16, verbose_name='to be reviewed because of'),
        ),
        migrations.AddField(
            model_name='generatedimage',
            name='review_since',
            field=models.DateTimeField(blank=True, help_text='When staff were asked to look at it; empty if nobody has to.', null=True, verbose_name='to be reviewed since'),
        ),
        migrations.AddField(
            model_name='generatedimage',
            name='visibility',
            field=models.CharField(choices=[('shown', 'shown'), ('unchecked', 'not checked yet'), ('held', 'held for review'), ('hidden', 'hidden')], db_default='shown', default='shown', help_text='Whether its person may see it, whatever its status is.', max_length=16, verbose_name='visibility'),
        ),
        migrations.AddField(
            model_name='decision',
            name='user',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='account'),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(fields=['image_id', 'created_at'], name='chatkit_decision_image'),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(fields=['thread_id', 'created_at'], name='chatkit_decision_thread'),
        ),
        migrations.AddIndex(
            model_name='decision',
            index=models.Index(fields=['created_at'], name='chatkit_decision_created'),
        ),
    ]
