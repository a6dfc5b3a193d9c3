"""A process that plants drift, mends it, and may be killed at any step.

Its settings are those of this directory. See ``tests.drift.homes``.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import django


def begin(function: str, arguments: dict[str, Any]) -> Any:
    """Set Django up as a new process does, and call a function of this module."""
    django.setup()
    return globals()[function](*arguments["args"])


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def plant(seed: str) -> dict[str, list[str]]:
    from tests.maintenance.examining import NAMES
    from tests.maintenance.planting import Planter

    planted = Planter(int(seed)).plant(NAMES, most=2)
    return {name: sorted(rows) for name, rows in planted.items()}


def mend(step: str = "0") -> dict[str, Any]:
    """Mend all, and die at a step; return how many steps there were."""
    from chatkit_images import doctor, storage
    from tests.drift import killing

    steps = killing.die_at(int(step))
    names = [each.name for each in doctor.CLASSES]
    report = doctor.examine(fixes=["all", *names], deep=True)
    storage.drain()
    return {"steps": steps.count, "left": report.to_json()}


def furnish(kind: str, seed: str) -> None:
    from chatkit_images import storage
    from tests.drift import furnishing

    getattr(furnishing, kind)(int(seed))
    storage.drain()


def command(step: str, *args: str) -> dict[str, Any]:
    """Run a command that dies at a step; return what was not readable before."""
    from django.core.management import CommandError, call_command
    from django.db import connections

    from chatkit_images import deleted_files, storage
    from chatkit_images.maintenance import (
        erasure_rows,
        moving,
        retention,
        slices,
        threads_retention,
    )
    from chatkit_images.queries import in_pages
    from tests.drift import killing, telling

    said: dict[str, Any] = {"unreadable": telling.unreadable()}
    # Those of the process from here on have its steps.
    connections.close_all()
    # So that a few rows are many pages.
    deleted_files.PAGE = in_pages.PAGE = 4
    erasure_rows.THREADS = 2
    erasure_rows.SLICE = slices.SLICE = 3
    moving.PAGE = 6
    retention.PAGE, retention.BATCH = 8, 4
    threads_retention.MOST_ROWS = 20
    steps = killing.die_at(int(step))
    out = io.StringIO()
    try:
        call_command(*args, stdout=out)
        said["code"] = 0
    except CommandError as error:
        said |= {"code": error.returncode, "error": str(error)}
    storage.drain()
    return said | {"steps": steps.count, "out": out.getvalue()}


def look() -> dict[str, Any]:
    """Return all rows and files."""
    from tests.drift import telling

    return {
        "rows": telling.rows(),
        "files": telling.files(),
        "left over": telling.left_over(),
        "unreadable": telling.unreadable(),
    }


def tell() -> dict[str, Any]:
    """Return what there is, without the names that chance has given."""
    from django.conf import settings

    from chatkit_images import models

    image = ("pk", "status", "reason", "storage_alias", "mime", "width", "bytes")
    said: dict[str, Any] = {
        "images": [
            [*map(str, row), bool(file), bool(thumbnail)]
            for *row, file, thumbnail in models.GeneratedImage.objects.exclude(
                source="inline"
            )
            .order_by("pk")
            .values_list(*image, "file", "thumbnail")
        ],
        "attachments": list(
            models.Attachment.objects.order_by("pk").values_list("pk", "bytes", "file")
        ),
        "items": [
            [key, re.sub(r"chatkit-image:[0-9a-f-]+", "image", json.dumps(payload))]
            for key, payload in models.ThreadItem.objects.order_by(
                "thread", "item_id"
            ).values_list("item_id", "payload")
        ],
        "runs": list(models.Run.objects.order_by("pk").values_list("status")),
        "counters": list(
            models.UseCounter.objects.order_by("owner", "kind", "period").values_list(
                "owner", "kind", "amount"
            )
        ),
        "rows": {
            model.__name__: model._default_manager.count()
            for model in (
                *(models.PartialImage, models.ImageVariant, models.DeletedFile),
                *(models.RunEnd, models.GeneratedImage),
            )
        },
    }
    home = Path(settings.HOME)
    for folder in ("media", "second", "spool"):
        paths = [path for path in (home / folder).rglob("*") if path.is_file()]
        # What is half-written is the sweep's.
        said[folder] = len([p for p in paths if p.suffix not in (".json", ".tmp")])
    told: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return told


def age() -> None:
    """Make all files old, and have all times come, as they do some days later."""
    from django.conf import settings
    from django.utils import timezone

    from chatkit_images.models import DeletedFile, ImageVariant, RunEnd

    # What a killed process has begun is begun again.
    then = timezone.now() - datetime.timedelta(days=3)
    making = ImageVariant.objects.filter(form="thumbnail:making")
    making.update(created_at=then)
    for outbox in (DeletedFile, RunEnd):
        outbox._default_manager.exclude(due_at=None).update(due_at=then)
    for folder in ("media", "second", "s3"):
        for path in (Path(settings.HOME) / folder).rglob("*"):
            os.utime(path, (then.timestamp(),) * 2)
