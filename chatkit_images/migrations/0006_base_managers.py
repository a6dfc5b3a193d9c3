"""Rows are read from where they were written; on MySQL and MariaDB keys are exact.

Elsewhere nothing of the tables changes.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

import chatkit_images.models.keys


class AlterKey(migrations.AlterField):
    """Alter a column on MySQL and MariaDB; elsewhere its type is as before."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "mysql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "mysql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    dependencies = [
        ('chatkit_images', '0005_contexts'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='attachment',
            options={'base_manager_name': 'objects', 'ordering': ['-created_at', '-id'], 'verbose_name': 'attachment', 'verbose_name_plural': 'attachments'},
        ),
        migrations.AlterModelOptions(
            name='deletedfile',
            options={'base_manager_name': 'objects', 'ordering': ['pk'], 'verbose_name': 'deleted file', 'verbose_name_plural': 'deleted files'},
        ),
        migrations.AlterModelOptions(
            name='deletedposition',
            options={'base_manager_name': 'objects', 'ordering': ['pk'], 'verbose_name': 'deleted position', 'verbose_name_plural': 'deleted positions'},
        ),
        migrations.AlterModelOptions(
            name='feedback',
            options={'base_manager_name': 'objects', 'ordering': ['-updated_at', '-pk'], 'verbose_name': 'feedback', 'verbose_name_plural': 'feedback'},
        ),
        migrations.AlterModelOptions(
            name='generatedimage',
            options={'base_manager_name': 'objects', 'ordering': ['-created_at', '-pk'], 'verbose_name': 'generated image', 'verbose_name_plural': 'generated images'},
        ),
        migrations.AlterModelOptions(
            name='imagesource',
            options={'base_manager_name': 'objects', 'ordering': ['pk'], 'verbose_name': 'source of an image', 'verbose_name_plural': 'sources of images'},
        ),
        migrations.AlterModelOptions(
            name='partialimage',
            options={'base_manager_name': 'objects', 'ordering': ['image', 'index'], 'verbose_name': 'partial image', 'verbose_name_plural': 'partial images'},
        ),
        migrations.AlterModelOptions(
            name='refusedinput',
            options={'base_manager_name': 'objects', 'ordering': ['-created_at', '-pk'], 'verbose_name': 'refused input', 'verbose_name_plural': 'refused inputs'},
        ),
        migrations.AlterModelOptions(
            name='run',
            options={'base_manager_name': 'objects', 'ordering': ['-created_at', '-pk'], 'verbose_name': 'run', 'verbose_name_plural': 'runs'},
        ),
        migrations.AlterModelOptions(
            name='thread',
            options={'base_manager_name': 'objects', 'ordering': ['-created_at', '-id'], 'verbose_name': 'thread', 'verbose_name_plural': 'threads'},
        ),
        migrations.AlterModelOptions(
            name='threaditem',
            options={'base_manager_name': 'objects', 'ordering': ['created_at', 'pk'], 'verbose_name': 'thread item', 'verbose_name_plural': 'thread items'},
        ),
        AlterKey(
            model_name='attachment',
            name='id',
            field=chatkit_images.models.keys.KeyField(max_length=64, primary_key=True, serialize=False, verbose_name='id'),
        ),
        AlterKey(
            model_name='attachment',
            name='owner',
            field=chatkit_images.models.keys.KeyField(max_length=255, verbose_name='owner'),
        ),
        AlterKey(
            model_name='deletedposition',
            name='key',
            field=chatkit_images.models.keys.KeyField(max_length=255, verbose_name='id'),
        ),
        AlterKey(
            model_name='deletedposition',
            name='position',
            field=chatkit_images.models.keys.KeyField(max_length=255, verbose_name='position'),
        ),
        AlterKey(
            model_name='deletedposition',
            name='scope',
            field=chatkit_images.models.keys.KeyField(help_text="A thread's id, or an owner.", max_length=255, verbose_name='scope'),
        ),
        AlterKey(
            model_name='feedback',
            name='owner',
            field=chatkit_images.models.keys.KeyField(help_text='The key of the person, not of a team.', max_length=255, verbose_name='owner'),
        ),
        AlterKey(
            model_name='generatedimage',
            name='call_id',
            field=chatkit_images.models.keys.KeyField(help_text="The provider's id of the call, which it may repeat.", max_length=255, verbose_name='call id'),
        ),
        AlterKey(
            model_name='generatedimage',
            name='identity',
            field=chatkit_images.models.keys.KeyField(blank=True, editable=False, help_text='The place of the call: its turn, its response, its index in it.', max_length=300, null=True, verbose_name='identity'),
        ),
        AlterKey(
            model_name='run',
            name='idempotency_key',
            field=chatkit_images.models.keys.KeyField(blank=True, max_length=255, null=True, verbose_name='idempotency key'),
        ),
        AlterKey(
            model_name='run',
            name='owner',
            field=chatkit_images.models.keys.KeyField(max_length=255, verbose_name='owner'),
        ),
        AlterKey(
            model_name='thread',
            name='id',
            field=chatkit_images.models.keys.KeyField(max_length=64, primary_key=True, serialize=False, verbose_name='id'),
        ),
        AlterKey(
            model_name='thread',
            name='owner',
            field=chatkit_images.models.keys.KeyField(help_text='The isolation key: a user, or the session of a visitor.', max_length=255, verbose_name='owner'),
        ),
        AlterKey(
            model_name='threaditem',
            name='item_id',
            field=chatkit_images.models.keys.KeyField(max_length=255, verbose_name='item id'),
        ),
    ]
