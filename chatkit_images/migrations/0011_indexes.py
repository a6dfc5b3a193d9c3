"""Indexes that repeat the beginning of others go; the thumbs of a person get one.

It is not one transaction, so that PostgreSQL can do it while the tables are in use. If it
is interrupted, the next try goes on.
"""

import django.db.models.deletion
from django.db import migrations, models

from ._indexes import AddIndexBeside, DropForeignKeyIndex


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('chatkit_images', '0010_storages'),
    ]

    operations = [
        DropForeignKeyIndex(
            model_name='feedback',
            name='item',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='feedback', to='chatkit_images.threaditem', verbose_name='item'),
        ),
        DropForeignKeyIndex(
            model_name='generatedimage',
            name='thread',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='images', to='chatkit_images.thread', verbose_name='thread'),
        ),
        DropForeignKeyIndex(
            model_name='partialimage',
            name='image',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='partials', to='chatkit_images.generatedimage', verbose_name='image'),
        ),
        DropForeignKeyIndex(
            model_name='threaditem',
            name='thread',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='chatkit_images.thread', verbose_name='thread'),
        ),
        AddIndexBeside(
            model_name='feedback',
            index=models.Index(fields=['owner'], name='chatkit_feedback_owner'),
        ),
    ]
