"""Images of before get an identity: their call's id, which was unique in a thread."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import Count, F, Value
from django.db.models.functions import Concat

# Rows of one statement, which locks them until it is through.
BATCH = 2_000


def identify(apps: Any, schema_editor: Any) -> None:
    """Give the images of before an identity, some at a time."""
    images = apps.get_model("chatkit_images", "GeneratedImage").objects
    rows = images.using(schema_editor.connection.alias).filter(identity=None)
    # No index finds those without an identity, so a batch begins where the last ended.
    left = rows.order_by("pk").values_list("pk", flat=True)
    keys = list(left[:BATCH])
    while keys:
        rows.filter(pk__in=keys).update(identity=Concat(Value("call:"), F("call_id")))
        keys = list(left.filter(pk__gt=keys[-1])[:BATCH])


def make_call_ids_unique(apps: Any, schema_editor: Any) -> None:
    """Tell apart the calls that share an id, which the table of before refuses."""
    images = apps.get_model("chatkit_images", "GeneratedImage").objects
    rows = images.using(schema_editor.connection.alias)
    shared = (
        rows.order_by("thread", "call_id")
        .values_list("thread", "call_id")
        .annotate(count=Count("pk"))
        .filter(count__gt=1)
    )
    for thread, call_id, _ in list(shared):
        same = rows.filter(thread=thread, call_id=call_id).order_by("created_at", "pk")
        for pk in list(same.values_list("pk", flat=True))[1:]:
            # The first one keeps the id, which items of before may name.
            rows.filter(pk=pk).update(call_id=f"{call_id[:200]}-{pk.hex}")


class Migration(migrations.Migration):
    # What went through stays if it is cut off, and it goes on from there.
    atomic = False

    dependencies = [
        ("chatkit_images", "0003_providers"),
    ]

    operations = [
        migrations.RunPython(identify, make_call_ids_unique, elidable=True),
    ]
