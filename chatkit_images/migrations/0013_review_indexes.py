"""Indexes of the images that staff have to look at, or have hidden.

It is not one transaction, so that PostgreSQL can make them while the table is in use. If
it is interrupted, the next try goes on.
"""

from django.db import migrations, models

from ._indexes import AddIndexBeside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('chatkit_images', '0012_review'),
    ]

    operations = [
        AddIndexBeside(
            model_name='generatedimage',
            index=models.Index(fields=['review_since'], name='chatkit_image_review'),
        ),
        AddIndexBeside(
            model_name='generatedimage',
            index=models.Index(fields=['visibility', 'created_at'], name='chatkit_image_hidden'),
        ),
    ]
