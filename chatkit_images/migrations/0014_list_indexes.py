"""Indexes for the lists of staff: their orders, their filters and their search.

It is not one transaction, so that PostgreSQL can do it while the tables are in use. If it
is interrupted, the next try goes on.
"""

from django.db import migrations, models

from ._indexes import AddIndexBeside
from ._words import AddWordIndexBeside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('chatkit_images', '0013_review_indexes'),
    ]

    operations = [
        AddIndexBeside(
            model_name='attachment',
            index=models.Index(fields=['created_at'], name='chatkit_attachment_created'),
        ),
        AddIndexBeside(
            model_name='attachment',
            index=models.Index(fields=['owner', 'created_at'], name='chatkit_attachment_of'),
        ),
        AddIndexBeside(
            model_name='feedback',
            index=models.Index(fields=['updated_at'], name='chatkit_feedback_updated'),
        ),
        AddIndexBeside(
            model_name='generatedimage',
            index=models.Index(fields=['thread', 'created_at'], name='chatkit_image_of'),
        ),
        AddIndexBeside(
            model_name='generatedimage',
            index=models.Index(fields=['model', 'created_at'], name='chatkit_image_model'),
        ),
        AddIndexBeside(
            model_name='generatedimage',
            index=models.Index(fields=['reason', 'created_at'], name='chatkit_image_reason'),
        ),
        AddIndexBeside(
            model_name='generatedimage',
            index=models.Index(fields=['call_id'], name='chatkit_image_called'),
        ),
        AddIndexBeside(
            model_name='run',
            index=models.Index(fields=['created_at'], name='chatkit_run_created'),
        ),
        AddIndexBeside(
            model_name='run',
            index=models.Index(fields=['owner', 'created_at'], name='chatkit_run_of'),
        ),
        AddIndexBeside(
            model_name='run',
            index=models.Index(fields=['reason', 'created_at'], name='chatkit_run_reason'),
        ),
        AddIndexBeside(
            model_name='useentry',
            index=models.Index(fields=['day', 'id'], name='chatkit_use_newest'),
        ),
        AddIndexBeside(
            model_name='useentry',
            index=models.Index(fields=['owner', 'day', 'id'], name='chatkit_use_of'),
        ),
        AddWordIndexBeside(
            'generatedimage', ['prompt', 'revised_prompt'], 'chatkit_image_words'
        ),
        AddWordIndexBeside('thread', ['title'], 'chatkit_thread_words'),
    ]
