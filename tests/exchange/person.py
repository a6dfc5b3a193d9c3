"""A person who has one of everything."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from django.contrib.auth.models import User

from chatkit_images import imaging, receiving
from chatkit_images.context import RequestContext
from chatkit_images.exchange import context_of
from chatkit_images.models import (
    Attachment,
    Feedback,
    GeneratedImage,
    ImageSource,
    Run,
    Thread,
    ThreadItem,
)
from chatkit_images.queries import images
from chatkit_images.storage import store
from tests.image_files import image_file

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
EVIL = "<script>alert('x')</script> & ü 🦊"


def at(minute: int) -> Any:
    from chatkit_images.times import to_column

    return to_column(NOON + datetime.timedelta(minutes=minute))


def item(thread: Thread, key: str, minute: int, **payload: Any) -> ThreadItem:
    return ThreadItem.objects.create(
        thread=thread,
        item_id=key,
        type=payload["type"],
        payload=payload,
        created_at=at(minute),
    )


def message(thread: Thread, key: str, minute: int, text: str, *files: str) -> Any:
    return item(
        thread,
        key,
        minute,
        type="user_message",
        content=[{"type": "input_text", "text": text}],
        attachments=list(files),
        quoted_text="quoted",
        inference_options={},
    )


def image(
    thread: Thread, minute: int, *, colour: str = "", key: str = "", **columns: Any
) -> GeneratedImage:
    """Make an image, with its item if it has a key."""
    row = GeneratedImage.objects.create(
        thread=thread,
        call_id="ig_1",
        identity=f"place-{minute}",
        prompt=EVIL,
        model="gpt-image-2",
        provider="api.openai.com",
        usage={"output_tokens": 5},
        created_at=at(minute),
    )
    if colour:
        images.complete(row, receiving.store(image_file(colour), row.key))
    if key:
        said = {"id": "ig_1", "key": row.pk.hex}
        row.item = item(thread, key, minute, type="generated_image", image=said)
        row.save()
    for name, value in ({"finished_at": at(minute + 1)} | columns).items():
        setattr(row, name, value)
    row.save()
    return row


def file(thread: Thread | None, owner: str, key: str, **columns: Any) -> Attachment:
    data = image_file("yellow", size=(30, 20))
    info = imaging.inspect(data)
    name = receiving.storage.new_name("attachments", "png")
    store(name, data)
    return Attachment.objects.create(
        pk=key,
        owner=owner,
        thread=thread,
        kind="image",
        name="a photo.png",
        mime_type=info.mime,
        file=name,
        bytes=info.size,
        width=info.width,
        height=info.height,
        sha256=info.sha256,
        metadata={"from": "phone"},
        created_at=at(0),
        **columns,
    )


def furnish(user: User, prefix: str = "") -> RequestContext:
    """Give a user two chats with one of everything, and return their context."""
    context = context_of(user)
    own: dict[str, Any] = {"owner": context.owner, "user": user}
    thread = Thread.objects.create(
        pk=f"{prefix}thr_1",
        title=EVIL,
        status="locked",
        status_reason="Enough.",
        metadata={"secret": 1},
        created_at=at(0),
        **own,
    )
    run = Run.objects.create(
        thread=thread,
        operation="threads.create",
        status="completed",
        usage={"total_tokens": 9},
        created_at=at(1),
        finished_at=at(2),
        **own,
    )
    sent = file(thread, context.owner, f"{prefix}atc_1", user=user)
    asked = message(thread, "msg_1", 1, f"{EVIL} draw", sent.pk)
    red = image(thread, 2, colour="red", key="img_1", run=run)
    blue = image(thread, 3, colour="blue", key="img_2", run=run, cost="0.040000")
    old = image(thread, 4, colour="green", superseded_at=at(5))
    image(thread, 5, status="blocked", reason="blocked", error_message="no")
    ImageSource.objects.create(image=red, role="input", attachment=sent)
    ImageSource.objects.create(image=blue, role="edited", source_image=red)
    ImageSource.objects.create(image=blue, role="mask")
    words = f"![fox](chatkit-image:{red.pk}) {EVIL}"
    item(
        thread,
        "msg_2",
        6,
        type="assistant_message",
        content=[{"type": "output_text", "text": words, "annotations": []}],
    )
    item(thread, "hid_1", 6, type="hidden_context_item", content="psst")
    item(
        thread,
        "wf_1",
        6,
        type="workflow",
        workflow={"type": "custom", "tasks": [], "expanded": False},
    )
    Feedback.objects.create(
        item=asked, thread=thread, kind="positive", created_at=at(7), **own
    )
    Feedback.objects.create(
        item=asked, thread=thread, owner="user:other", kind="negative"
    )
    second = Thread.objects.create(pk=f"{prefix}thr_2", created_at=at(9), **own)
    copy = image(second, 10, colour="black", key="img_1")
    ImageSource.objects.create(image=copy, role="edited", source_image=old)
    file(None, context.owner, f"{prefix}atc_2", user=user)
    Thread.objects.filter(pk__in=(thread.pk, second.pk)).update(updated_at=at(60))
    return context


def key() -> str:
    return str(uuid.uuid4())
