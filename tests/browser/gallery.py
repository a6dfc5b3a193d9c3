"""Fills the demo's database for the admin: images of each kind, and other rows."""

from __future__ import annotations

import datetime
import io
import shutil
import sys
import zlib
from pathlib import Path

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from . import processes

WORDS = ["A red fox in snow", "Harbour at dusk", "A castle", "Three boats", "An owl"]
LONG = "A very long wish for a lighthouse with many windows. " * 76
ARABIC = "ثعلب أحمر يمشي في الثلج تحت ضوء القمر"

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="320" '
    b'height="320"><circle cx="4.5" cy="4.5" r="4" fill="teal"/></svg>'
)


def drawing(width: int, height: int, number: int, *, clear: bool = False) -> bytes:
    """Return a PNG with a disc, on a ground that may be transparent."""
    from PIL import Image, ImageDraw

    seed = zlib.crc32(str(number).encode())
    hue = [(seed >> shift) & 0xFF for shift in (0, 8, 16)]
    ground = (0, 0, 0, 0) if clear else (*(255 - each // 3 for each in hue), 255)
    image = Image.new("RGBA", (width, height), ground)
    x, y, r = width // 2, height // 2, min(width, height) // 3
    box = (x - r, y - r, x + r, y + r)
    ImageDraw.Draw(image).ellipse(box, fill=(*hue, 255))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def fill(count: int) -> None:
    """Make plain images, and one of each other kind, the newest of all."""
    from chatkit_images import models, storage

    def stored(data: bytes, extension: str = "png") -> str:
        name = storage.new_name("images", extension)
        storage.store(name, data)
        return name

    user = get_user_model().objects.get()
    now = timezone.now()
    mine = models.Thread.objects.create(
        id="thr_gallery", owner=f"user:{user.pk}", user=user, title="Foxes"
    )
    other = models.Thread.objects.create(
        id="thr_visitor", owner="visitor:7ec3a0d2f18b4c55", title="Boats"
    )
    run = models.Run.objects.create(
        thread=mine, owner=mine.owner, user=user, operation="threads.create"
    )

    def item(thread: models.Thread, kind: str, number: int) -> models.ThreadItem:
        words = [{"type": "input_text", "text": f"Draw image {number}"}]
        at = now - datetime.timedelta(minutes=number)
        return thread.items.create(
            item_id=f"it_{thread.pk}_{kind}_{number}",
            type=kind,
            payload={"content": words},
            created_at=at,
        )

    def make(number: int, **fields: object) -> models.GeneratedImage:
        thread = mine if number % 3 else other
        width, height = fields.pop("box", (320, 320))  # type: ignore[misc]
        clear = bool(fields.pop("clear", False))
        data = drawing(width, height, number, clear=clear)
        if fields.get("mime") == "image/svg+xml":
            data = SVG
        if number < 12:
            item(thread, "user_message", number)
        values = {
            "thread": thread,
            "run": run if thread == mine and number < 6 else None,
            "item": item(thread, "generated_image", number),
            "call_id": f"ig_{number}",
            "status": "completed",
            "prompt": f"{WORDS[number % len(WORDS)]}, no. {number}",
            "revised_prompt": "A detailed illustration, soft light",
            "file": stored(data),
            "mime": "image/png",
            "width": width,
            "height": height,
            "bytes": len(data),
            "model": "gpt-image-1",
            "cost": "0.042",
            "final_ms": 6300,
            "usage": {"input_tokens": 25, "output_tokens": 192},
            "created_at": now - datetime.timedelta(minutes=number),
            "finished_at": now,
            **fields,
        }
        return models.GeneratedImage.objects.create(**values)

    plain = {"file": "", "mime": "", "width": None, "height": None, "bytes": None}
    kinds = [
        {**plain, "status": "generating", "partial_count": 2, "finished_at": None},
        {**plain, "status": "generating", "finished_at": None},
        {**plain, "status": "failed", "reason": "quota", "error_message": "No credit."},
        {"status": "failed", "reason": "broken_off"},
        {**plain, "status": "blocked", "reason": "blocked"},
        {"visibility": "hidden"},
        {"visibility": "held", "review_since": now, "review_reason": "check"},
        {"superseded_at": now},
        {"box": (1200, 120)},
        {"box": (100, 1200)},
        {"clear": True},
        {"prompt": LONG},
        {"prompt": ARABIC},
        {"file": "", "thumbnail": ""},
        {"partial_count": 3},
    ]
    kinds.append({"file": stored(SVG, "svg"), "mime": "image/svg+xml"})
    kinds = kinds[:count]
    for number in range(count - 1, -1, -1):
        image = make(number, **(kinds[number] if number < len(kinds) else {}))
        if image.partial_count:
            for index in range(image.partial_count):
                partial = stored(drawing(160, 160, 99 + index))
                image.partials.create(
                    index=index, file=partial, mime="image/png", width=160, height=160
                )
        if number == 16:
            models.Feedback.objects.create(
                item=image.item, thread=image.thread, owner="x", kind="negative"
            )


def fill_others() -> None:
    """Make a row of each kind that the fill of images makes none of."""
    from chatkit_images import models, storage

    thread = models.Thread.objects.get(pk="thr_visitor")
    data = drawing(320, 240, 7)
    storage.store(name := storage.new_name("attachments", "png"), data)
    file = models.Attachment.objects.create(
        id="atc_pond",
        owner=thread.owner,
        thread=thread,
        kind="image",
        name="pond.png",
        mime_type="image/png",
        file=name,
        bytes=len(data),
        width=320,
        height=240,
    )
    models.RefusedInput.objects.create(
        attachment=file, host="api.openai.com", model="gpt-4.1", code="invalid_image"
    )
    models.DeletedFile.objects.create(
        # No sweep takes it meanwhile.
        name=storage.new_name("images", "png"),
        due_at=timezone.now() + datetime.timedelta(days=1),
    )
    models.UseEntry.objects.create(
        owner=thread.owner, day=timezone.localdate(), kind="image", amount=1
    )
    models.OwnerBlock.objects.create(owner="visitor:0f", words="Ask us why.")
    models.Brake.objects.create(is_on=False, words="We are back at noon.")
    models.LegalHold.objects.create(owner="visitor:1a", reason="Asked for by court")
    # Of an image that is gone, as may be.
    models.Decision.objects.create(
        thread_id=thread.pk, action="report", by=thread.owner, reason="Not a fox"
    )


def prepare() -> None:
    """Make the database, and keep a copy of it that has the account alone."""
    User = get_user_model()
    call_command("migrate", verbosity=0)
    name, password = processes.ACCOUNT
    User.objects.create_superuser(name, password=password)
    connection.close()
    file = Path(connection.settings_dict["NAME"])
    shutil.copy(file, file.with_name(processes.EMPTY))


if __name__ == "__main__":
    django.setup()
    prepare()
    fill(int(sys.argv[1]))
    fill_others()
