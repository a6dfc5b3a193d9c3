"""The entries of the ledger that no sum has are found by an index.

It is not one transaction, so that PostgreSQL can do it while the table is in use. If it
is interrupted, the next try goes on.
"""

from django.db import migrations, models

from ._indexes import AddIndexBeside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('chatkit_images', '0015_costs'),
    ]

    operations = [
        AddIndexBeside(
            model_name='useentry',
            index=models.Index(fields=['is_summed', 'id'], name='chatkit_use_summed'),
        ),
    ]
