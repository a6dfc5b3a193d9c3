"""A process that plants drift, mends it, and may be killed at any statement or file.

``python -m tests.drift.process plant SEED``, ``mend [STEP]`` or ``tell``, with
``DRIFT_HOME`` and the settings of this directory.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import django


def plant(seed: str) -> None:
    from django.core.management import call_command

    from tests.maintenance.examining import NAMES
    from tests.maintenance.planting import Planter

    call_command("migrate", verbosity=0)
    planted = Planter(int(seed)).plant(NAMES, most=2)
    print(json.dumps({name: sorted(rows) for name, rows in planted.items()}))


def mend(step: str = "0") -> None:
    """Mend all, and die at a step; print how many steps there were."""
    from django.db import connection

    from chatkit_images import doctor, storage
    from chatkit_images.storage import backend, disk

    steps = 0

    def take_step() -> None:
        nonlocal steps
        steps += 1
        if steps == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    def count(execute: Any, sql: str, *args: Any) -> Any:
        if not sql.startswith("SELECT"):
            take_step()
        return execute(sql, *args)

    def counted(func: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            take_step()
            found = func(*args, **kwargs)
            take_step()
            return found

        return call

    disk.write = counted(disk.write)
    backend.put = counted(backend.put)
    names = [each.name for each in doctor.CLASSES]
    with connection.execute_wrapper(count):
        report = doctor.examine(fixes=["all", *names], deep=True)
    storage.drain()
    print(json.dumps({"steps": steps, "left": report.to_json()}))


def tell() -> None:
    """Print what there is, without the names that chance has given."""
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
        said[folder] = len([path for path in paths if path.suffix != ".json"])
    print(json.dumps(said, default=str))


def age() -> None:
    """Make all files old, as the next day does."""
    from django.conf import settings
    from django.utils import timezone

    from chatkit_images.models import ImageVariant

    # What a killed process has begun is begun again.
    days = datetime.timedelta(days=3)
    making = ImageVariant.objects.filter(form="thumbnail:making")
    making.update(created_at=timezone.now() - days)
    then = time.time() - days.total_seconds()
    for folder in ("media", "second"):
        for path in (Path(settings.HOME) / folder).rglob("*"):
            os.utime(path, (then, then))


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.drift.settings"
    django.setup()
    name, *args = sys.argv[1:]
    {"plant": plant, "mend": mend, "tell": tell, "age": age}[name](*args)
