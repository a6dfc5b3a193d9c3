"""What commands find: people with all that they have, things past their time, drift."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from chatkit_images import storage
from chatkit_images.models import (
    DeletedFile,
    Feedback,
    GeneratedImage,
    ImageSource,
    LegalHold,
    Run,
    Thread,
    UseEntry,
)
from tests.exchange.person import furnish
from tests.image_files import image_file
from tests.maintenance.planting import SECOND, Planter

# What the sweep and the flush settle.
LEFT_BEHIND = [
    *("stale-runs", "stale-images", "unsent-attachments", "unfinished-uploads"),
    *("undeleted-files", "untold-ends", "unknown-files", "spooled-files"),
]


def drift(seed: int) -> None:
    """Plant what the sweep settles, and what a killed write has left."""
    planter = Planter(seed)
    # The sweep looks into storages that rows name.
    kept, data = storage.new_name("images", "png"), image_file("red")
    storage.store(kept, data, SECOND)
    planter.thread().images.create(
        call_id="ig",
        file=kept,
        storage_alias=SECOND,
        bytes=len(data),
        mime="image/png",
        status="completed",
    )
    planter.plant(LEFT_BEHIND, most=3)
    name = planter.undeleted_files().name
    half = Path(storage.get_storage().path(name)).with_name(".half.tmp")
    half.write_bytes(b"half")


def people(seed: int) -> None:
    """Make people with one of everything, a team, and a thread that is held."""
    planter = Planter(seed)
    ann, bob = (User.objects.create_user(name) for name in ("ann", "bob"))
    owner = furnish(ann).owner
    furnish(bob, "bob_")
    planter.sound()
    planter.unfinished_uploads()
    planter.spooled_files()
    team = Thread.objects.create(pk="team", owner="team:1", user=ann)
    held = Thread.objects.create(pk="held", owner=owner, user=ann)
    LegalHold.objects.create(thread_id=held.pk)
    for thread in (team, held, *(planter.thread() for _ in range(3))):
        image = planter.image(thread=thread)
        planter.variant(planter.shown(image))
        planter.partial(image)
        asked = planter.item(thread, "user_message", "Draw")
        Feedback.objects.create(item=asked, thread=thread, kind="positive", owner=owner)
        Run.objects.create(
            thread=thread, owner=thread.owner, user=ann, status="completed"
        )
    _moved(GeneratedImage.objects.filter(thread="thr_1").exclude(file="")[0])
    # One whose bytes were found behind its end.
    lost = planter.generating(status="interrupted", finished_at=planter.old)
    storage.store(storage.name_of("images", lost.key, "png"), image_file("black"))
    planter.stale_runs()


def aged(seed: int) -> None:
    """Make things past their time, some of them young, held, or in large threads."""
    planter = Planter(seed)
    chance, now = planter.random, timezone.now()
    month = now.date().replace(day=1) - datetime.timedelta(days=20)
    for number in range(10):
        thread = planter.thread()
        source: GeneratedImage | None = None
        for _ in range(chance.randint(1, 4)):
            image = planter.shown(planter.image(thread=thread))
            planter.variant(image)
            planter.partial(image)
            values = chance.choice(
                [{}, {"superseded_at": planter.old}, {"status": "failed"}]
            )
            GeneratedImage.objects.filter(pk=image.pk).update(**values)
            if source is not None:
                ImageSource.objects.create(
                    image=image, role="edited", source_image=source
                )
            source = image
        planter.attachment(thread=thread, owner=thread.owner)
        ended: dict[str, Any] = {"status": "completed", "finished_at": planter.old}
        run = Run.objects.create(thread=thread, owner=thread.owner, **ended)
        used = {"day": month, "kind": "image", "amount": 1, "run_id": run.pk}
        UseEntry.objects.create(owner=thread.owner, created_at=planter.old, **used)
        if number < 2:
            LegalHold.objects.create(
                **{"thread_id": thread.pk} if number else {"owner": thread.owner}
            )
        if number % 2 == 0:
            Thread.objects.filter(pk=thread.pk).update(updated_at=planter.old)
    planter.undeleted_files()


def _moved(image: GeneratedImage) -> None:
    """Plant what a move has left of a file, for those who read it before."""
    name = storage.new_name("images", "png")
    storage.store(name, b"moved")
    DeletedFile.objects.create(
        name=name,
        moved_to=image.file.name,
        due_at=timezone.now() + datetime.timedelta(days=1),
    )
