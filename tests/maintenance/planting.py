"""Drift of every class, planted at random among rows and files that are sound."""

from __future__ import annotations

import base64
import datetime
import os
import random
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from chatkit_images import file_urls, receiving, storage, times
from chatkit_images.context import RequestContext
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    GeneratedImage,
    ImageVariant,
    PartialImage,
    Run,
    RunEnd,
    Thread,
    ThreadItem,
    UseCounter,
)
from chatkit_images.periods import now_here
from chatkit_images.queries import endings, images, use, variants
from tests.image_files import image_file

DAYS = datetime.timedelta(days=3)
# The alias of another storage.
SECOND = "second"
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
        # A write that succeeds moves a file of the spool along.
        kinds.sort(key=lambda kind: kind.__name__ == "spooled_files")
        for kind in kinds:
            if kind.__name__ == "spooled_files":
                storage.drain()
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
        RunEnd.objects.create(run_id=self.run().pk)
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
        # Files that no row names yet, or that wait for the storage.
        storage.store(storage.new_name("images", "png"), b"bytes")
        storage.spool.keep(storage.new_name("images", "png"), b"bytes")
        image = self.shown(self.image())
        self.variant(image)
        self.attachment()
        for text in ("words", "https://example.org/a.png", f"chatkit-image:{image.pk}"):
            self.item(thread, "assistant_message", text)

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
        # Its process lives for as long as the test.
        values |= {"heartbeat_at": times.Now() + DAYS}
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
        values["thumbnail"] = storage.new_name("thumbnails", "webp")
        storage.store(str(values["thumbnail"]), image_file("green", "WEBP"))
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
        row = self.attachment(awaits_upload=True, upload=upload)
        storage.delete(str(row.file.name))
        Attachment.objects.filter(pk=row.pk).update(file="")
        return row

    def undeleted_files(self) -> DeletedFile:
        name = storage.new_name("images", "png")
        storage.store(name, b"bytes")
        return DeletedFile.objects.create(name=name, created_at=self.old)

    def untold_ends(self) -> RunEnd:
        run = self.run()
        due = self.random.choice([None, self.old])
        return RunEnd.objects.create(run_id=run.pk, due_at=due)

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

    def missing_files(self) -> str:
        kind = self.random.randrange(7)
        if kind == 0:  # Its thumbnail is a preview by then.
            return self.lost(self.shown(self.run().images.get()))
        if kind == 1:
            image = self.shown(self.image())
            self.bare(image)
            return self.lost(image)
        if kind == 2:
            return self.lost(self.image(), "thumbnail")
        if kind == 3:
            return self.lost(self.attachment())
        if kind == 4:
            return self.lost(self.variant(self.image()))
        if kind == 5:  # All that it has is in another storage.
            image = self.image()
            self.move(image.file.name)
            self.move(image.thumbnail.name)
        else:  # A part of it is.
            image = self.image()
            self.move(image.file.name)
            return f"GeneratedImage {image.pk} file"
        self.note("missing-files", f"GeneratedImage {image.pk} thumbnail")
        return f"GeneratedImage {image.pk} file"

    def unknown_storages(self) -> GeneratedImage:
        image = self.image()
        GeneratedImage.objects.filter(pk=image.pk).update(storage_alias="gone")
        return image

    def shared_files(self) -> Any:
        image = self.image()
        if self.random.randrange(2):
            return DeletedFile.objects.create(
                name=image.file.name, storage_alias=image.storage_alias
            )
        other = self.image()
        storage.delete(str(other.file.name))
        columns = "file", "mime", "bytes", "sha256"
        same = {name: getattr(image, name) for name in columns}
        GeneratedImage.objects.filter(pk=other.pk).update(**same)
        return f"GeneratedImage {other.pk} file"

    def wrong_facts(self) -> Any:
        row: Any = self.random.choice([self.image, self.attachment])()
        facts: list[dict[str, Any]] = [{"bytes": 7}, {"width": 7, "height": 9}]
        mime = "mime" if isinstance(row, GeneratedImage) else "mime_type"
        facts.append({mime: "image/gif"})
        type(row).objects.filter(pk=row.pk).update(**self.random.choice(facts))
        return row

    def changed_bytes(self) -> GeneratedImage:
        image = self.image()
        name = str(image.file.name)
        storage.delete(name)
        storage.store(name, image_file("yellow", size=(32, 32)))
        return image

    def missing_thumbnails(self) -> GeneratedImage | Attachment:
        row = self.random.choice([self.image, self.attachment])()
        self.bare(row)
        return row

    def urls_in_items(self) -> ThreadItem:
        thread = self.thread()
        image = self.image(thread=thread)
        context = RequestContext(None, thread.owner, "https://example.com")
        text = base64.b64encode(image_file("orange")).decode()
        url = self.random.choice(
            [f"data:image/png;base64,{text}", file_urls.image_url(image, context)]
        )
        item = self.random.choice(["assistant_message", "user_message"])
        return self.item(thread, item, f"Look: {url} and so on")

    def spooled_files(self) -> str:
        if self.random.randrange(2):
            thread = self.thread()
            name, data = storage.new_name("images", "png"), image_file("red")
            measures = {"mime": "image/png", "bytes": len(data), "width": 64}
            measures |= {"status": "completed", "finished_at": timezone.now()}
            thread.images.create(call_id="ig", file=name, **measures)
            storage.spool.keep(name, data)
            storage.spool.hand_over(name)
            return name
        name = storage.new_name("images", "png")
        storage.spool.keep(name, b"bytes")
        then = self.old.timestamp() - storage.spool.HANDED_OVER
        os.utime(storage.spool.path_of(name), (then, then))
        return name

    def unknown_files(self) -> str:
        kind = self.random.randrange(3)
        if kind == 0:  # Of an image that is said to be lost.
            image = self.generating(status="interrupted", finished_at=self.old)
            name = storage.name_of("images", image.key, "png")
        elif kind == 1:  # In another storage.
            name = storage.new_name("images", "png")
            storage.store(name, image_file("black"), SECOND)
            return self.age(name, SECOND)
        else:
            name = storage.new_name("images", "png")
        storage.store(name, image_file("black"))
        return self.age(name)

    # What drift is made of

    def age(self, name: str, alias: str | None = None) -> str:
        """Make a file old, in a storage that is a directory."""
        path = storage.get_storage(alias).path(name)
        os.utime(path, (self.old.timestamp(), self.old.timestamp()))
        return name

    def lost(self, row: Any, field: str = "file") -> str:
        """Delete a file of a row, and return what the doctor calls it."""
        storage.delete(str(getattr(row, field).name))
        return f"{type(row).__name__} {row.pk} {field}"

    def bare(self, row: GeneratedImage | Attachment) -> None:
        """Take the thumbnail of an image away, as if it was never made."""
        storage.delete(str(row.thumbnail.name))
        type(row)._default_manager.filter(pk=row.pk).update(thumbnail="")

    def move(self, name: str) -> None:
        """Move a file to the second storage."""
        storage.store(name, storage.read(name), SECOND)
        storage.delete(name)

    def variant(self, image: GeneratedImage) -> ImageVariant:
        name, data = storage.new_name("variants", "png"), image_file("red")
        storage.store(name, data)
        measures = {"mime": "image/png", "width": 64, "height": 48, "bytes": len(data)}
        return image.variants.create(
            form=variants.form(), file=name, created_at=self.old, **measures
        )

    def item(self, thread: Thread, kind: str, text: str) -> ThreadItem:
        content = [{"type": f"{kind.partition('_')[0]}_text", "text": text}]
        payload = {"type": kind, "content": content}
        return thread.items.create(item_id=self.key(), type=kind, payload=payload)

    def shown(self, image: GeneratedImage) -> GeneratedImage:
        """Give an image its item."""
        said = {"id": image.call_id, "key": image.pk.hex}
        item = image.thread.items.create(
            item_id=endings.message_id(image),
            type="generated_image",
            payload={"type": "generated_image", "image": said},
        )
        GeneratedImage.objects.filter(pk=image.pk).update(item=item)
        image.refresh_from_db()
        return image
