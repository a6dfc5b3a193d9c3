"""Drift of every class, planted at random among rows and files that are sound."""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from chatkit_images import receiving, storage
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    GeneratedImage,
    PartialImage,
    Run,
    Thread,
    UseCounter,
)
from chatkit_images.periods import now_here
from chatkit_images.queries import images, use
from tests.image_files import image_file

DAYS = datetime.timedelta(days=3)
Planted = dict[str, set[str]]


class Planter:
    """Makes sound rows and drift, and knows what it has planted.

    Args:
        seed: What is made, and in which order, follows from it.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.planted: Planted = {}
        self._numbers = iter(range(10**6))
        self.old = timezone.now() - DAYS

    def plant(self, drifts: list[str], most: int = 3) -> Planted:
        """Plant so many of each class at most, and of sound rows; return what."""
        kinds: list[Callable[[], Any]] = [
            getattr(self, name.replace("-", "_"))
            for name in drifts
            for _ in range(self.random.randint(1, most))
        ]
        kinds += [self.sound for _ in range(self.random.randint(1, most))]
        self.random.shuffle(kinds)
        for kind in kinds:
            self.note(kind.__name__.replace("_", "-"), kind())
        storage.drain()
        return self.planted

    def note(self, drift: str, row: Any) -> None:
        """Note what was planted; nothing is wrong with what is sound."""
        if row is not None:
            what = row if isinstance(row, str) else f"{type(row).__name__} {row.pk}"
            self.planted.setdefault(drift, set()).add(what)

    # What is sound

    def sound(self) -> None:
        """Make one of each row, none of which is drift."""
        self.run()
        self.run(images=2)
        # What goes on at this moment.
        live = self.run(status="running")
        image = self.generating(run=live)
        self.partial(image)
        thread = self.thread()
        now = {"thread": thread, "call_id": "ig"}
        GeneratedImage.objects.create(**now)
        young = Attachment(pk=self.key(), owner=thread.owner, name="a")
        young.save()
        Attachment.objects.create(
            pk=self.key(), owner=thread.owner, thread=thread, created_at=self.old
        )
        DeletedFile.objects.create(name=storage.new_name("images", "png"))

    def key(self) -> str:
        return f"key_{next(self._numbers)}"

    def thread(self) -> Thread:
        key = self.key()
        return Thread.objects.create(pk=key, owner=f"user:{key}")

    def run(self, *, images: int = 1, status: str = "completed", **fields: Any) -> Run:
        """Return a run with its images, settled if it has ended."""
        thread, ended = self.thread(), status != "running"
        fields |= {"heartbeat_at": self.old, "finished_at": self.old} if ended else {}
        usage = {"total_tokens": self.random.randint(1, 1000)} if ended else {}
        values = {"owner": thread.owner, "status": status, "usage": usage}
        run = Run.objects.create(thread=thread, **values | fields)
        use.grant_run(run.pk, run.owner, "")
        if ended:
            for _ in range(images):
                self.image(run=run)
            use.settle(run.pk, ended=True)
        return run

    def generating(self, **fields: Any) -> GeneratedImage:
        run = fields.get("run")
        values = {"thread": run.thread if run else self.thread(), "call_id": "ig"}
        return GeneratedImage.objects.create(**values | fields)

    def image(self, **fields: Any) -> GeneratedImage:
        """Return a complete image with its file and its thumbnail."""
        row = self.generating(created_at=self.old, **fields)
        data = image_file("red", self.random.choice(["PNG", "JPEG", "WEBP"]))
        images.complete(row, receiving.store(data, row.key))
        GeneratedImage.objects.filter(pk=row.pk).update(finished_at=self.old)
        row.refresh_from_db()
        return row

    def partial(self, image: GeneratedImage) -> PartialImage:
        data = image_file("blue")
        name = storage.new_name("images", "png")
        storage.store(name, data)
        measures = {"mime": "image/png", "width": 64, "height": 48, "bytes": len(data)}
        return image.partials.create(index=0, file=name, **measures)

    def attachment(self, **fields: Any) -> Attachment:
        thread = self.thread()
        name, data = storage.new_name("attachments", "png"), image_file("green")
        storage.store(name, data)
        values = {"kind": "image", "name": "a", "mime_type": "image/png"}
        values |= {"width": 64, "height": 48, "bytes": len(data), "file": name}
        values |= {"created_at": self.old, "thread": thread, "owner": thread.owner}
        return Attachment.objects.create(pk=self.key(), **values | fields)

    # Drift

    def stale_runs(self) -> Run:
        run = self.run(status="running", heartbeat_at=self.old)
        self.partial(self.generating(run=run))
        return run

    def stale_images(self) -> GeneratedImage:
        run = self.random.choice([None, self.run(images=0)])
        return self.generating(run=run, created_at=self.old)

    def old_partials(self) -> PartialImage:
        return self.partial(self.image())

    def unsent_attachments(self) -> Attachment:
        return self.attachment(thread=None)

    def unfinished_uploads(self) -> Attachment:
        upload = storage.new_name("uploads", "png")
        storage.store(upload, b"bytes")
        values = {"awaits_upload": True, "file": "", "upload": upload}
        found = self.attachment(**values)
        return found

    def undeleted_files(self) -> DeletedFile:
        name = storage.new_name("images", "png")
        storage.store(name, b"bytes")
        return DeletedFile.objects.create(name=name, created_at=self.old)

    def ledger(self) -> Run:
        kind = self.random.randrange(4)
        if kind == 0:  # Its end was never settled.
            run = self.run(status="running")
            Run.objects.filter(pk=run.pk).update(
                status="cancelled", finished_at=self.old, usage={}
            )
        elif kind == 1:  # It has used more than the ledger has seen.
            run = self.run()
            Run.objects.filter(pk=run.pk).update(usage={"total_tokens": 5000})
        elif kind == 2:  # An image was found after the end.
            run = self.run()
            self.image(run=run)
        else:  # Two calls that came to nothing were never given back.
            run = self.run(images=0, usage={})
            for _ in range(2):
                self.generating(run=run, status="failed", finished_at=self.old)
            use.models.UseEntry.objects.filter(run_id=run.pk, amount__lt=0).delete()
            self.count(run.owner, "image", 1)
        return run

    def counters(self) -> str:
        run = self.run()
        return self.count(run.owner, "image", self.random.choice([-1, 3]))

    def count(self, owner: str, kind: str, by: int) -> str:
        """Change the counter of today, and return what the doctor calls it."""
        day = now_here().date().isoformat()
        row = UseCounter.objects.get(owner=owner, kind=kind, period=day)
        row.amount += by
        row.save()
        return f"UseCounter {owner} {kind} {day}"


def token() -> str:
    """Return what no other row has."""
    return uuid.uuid4().hex
