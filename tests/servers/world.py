"""One row of every kind for one owner, with a canary wherever a text can be."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from chatkit.types import AttachmentCreateParams
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.files.base import ContentFile

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.queries import uploads
from chatkit_images.store import generate_id


@dataclass(frozen=True)
class Ids:
    """What a request can name.

    Attributes:
        thread: A thread with one item of every kind.
        tool_thread: A thread that waits for the output of a client tool.
        message: Item id of the user message.
        widget: Item id of the widget.
        question: Item id of the structured input.
        image: Primary key of a finished image with a preview.
        attachment: Id of a file that is uploaded and in no thread.
        upload: Id of a file that is announced.
        run: Primary key of a run that has ended.
    """

    thread: str
    tool_thread: str
    message: str
    widget: str
    question: str
    image: uuid.UUID
    attachment: str
    upload: str
    run: uuid.UUID


def unknown() -> Ids:
    """Return ids of nothing."""
    message, widget, question = (generate_id("message") for _ in range(3))
    return Ids(
        thread=generate_id("thread"),
        tool_thread=generate_id("thread"),
        message=message,
        widget=widget,
        question=question,
        image=uuid.uuid4(),
        attachment=generate_id("attachment"),
        upload=generate_id("attachment"),
        run=uuid.uuid4(),
    )


def build(owner: str, user: AbstractBaseUser | None, mark: str, png: bytes) -> Ids:
    """Make the rows and files of an owner, every text of them with the mark."""
    ids = unknown()
    person = {"owner": owner, "user": user}
    texts = {"title": f"title {mark}", "metadata": {"secret": f"metadata {mark}"}}
    thread = models.Thread.objects.create(pk=ids.thread, **person, **texts)
    waiting = models.Thread.objects.create(pk=ids.tool_thread, **person, **texts)
    run = models.Run.objects.create(
        pk=ids.run, **person, thread=thread, status="failed", error=f"error {mark}"
    )
    call_id = f"ig_{mark}"
    for item_id, payload in {
        ids.message: {
            "type": "user_message",
            "content": [{"type": "input_text", "text": f"message {mark}"}],
            "attachments": [],
            "inference_options": {},
            "quoted_text": f"quote {mark}",
        },
        generate_id("message"): {
            "type": "hidden_context_item",
            "content": f"hidden {mark}",
        },
        ids.widget: {"type": "widget", "widget": card(f"widget {mark}")},
        ids.question: {
            "type": "structured_input",
            "status": "pending",
            "inputs": [{"type": "freeform", "id": "q1", "question": f"ask {mark}"}],
        },
        generate_id("message"): {"type": "generated_image", "image": {"id": call_id}},
    }.items():
        item = add(thread, item_id, payload)
    add(waiting, generate_id("message"), {"type": "user_message", "content": []})
    add(
        waiting,
        generate_id("tool_call"),
        {
            "type": "client_tool_call",
            "status": "pending",
            "call_id": "call_1",
            "name": f"tool {mark}",
            "arguments": {"text": f"arguments {mark}"},
        },
    )
    facts = {"mime": "image/png", "width": 64, "height": 48, "bytes": len(png)}
    image = models.GeneratedImage(
        pk=ids.image,
        thread=thread,
        item=item,
        run=run,
        call_id=call_id,
        status="completed",
        prompt=f"prompt {mark}",
        revised_prompt=f"revised {mark}",
        **facts,
    )
    image.file.save("a.png", ContentFile(png), save=False)
    image.thumbnail.save("a.png", ContentFile(png), save=True)
    partial = models.PartialImage(image=image, index=0, **facts)
    partial.file.save("a.png", ContentFile(png), save=True)
    attachment = models.Attachment(
        pk=ids.attachment,
        **person,
        kind="image",
        name=f"file {mark}.png",
        mime_type="image/png",
        bytes=len(png),
        metadata={"secret": f"metadata {mark}"},
    )
    attachment.file.save("a.png", ContentFile(png), save=False)
    attachment.thumbnail.save("a.png", ContentFile(png), save=True)
    announced = {"name": f"announced {mark}", "size": 9, "mime_type": "image/png"}
    uploads.announce(
        ids.upload,
        AttachmentCreateParams(**announced),
        RequestContext(user, owner),  # type: ignore[arg-type]
        {},
    )
    models.Feedback.objects.create(**person, thread=thread, item=item, kind="positive")
    models.RefusedInput.objects.create(image=image, host="llm.example", code=mark)
    models.DeletedFile.objects.create(name=f"deleted/{mark}.png")
    return ids


def add(thread: models.Thread, item_id: str, payload: dict[str, Any]) -> Any:
    """Add an item to a thread."""
    payload = {"attachments": [], "inference_options": {}} | payload
    return thread.items.create(item_id=item_id, type=payload["type"], payload=payload)


def card(text: str) -> dict[str, Any]:
    """Return a widget."""
    return {"type": "Card", "children": [{"type": "Text", "value": text}]}
