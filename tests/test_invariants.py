"""What holds for every row, whatever was said."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit import types
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models as db
from django.db.backends.signals import connection_created
from pydantic import TypeAdapter

from chatkit_images.models import Run, ThreadItem
from chatkit_images.run_state import current_run
from chatkit_images.testing import FailedImage, Gate, Image, Images, LoopbackAPI, Text
from tests.client import ChatClient, done_items, read_events, thread_id
from tests.client import message as user_message
from tests.image_files import image_file

BASE64_RUN = re.compile(r"[A-Za-z0-9+/]{200,}")


def every_value() -> list[tuple[str, str]]:
    """Return model, field and text of every column of every row."""
    found = []
    for model in apps.get_models():
        for row in model._base_manager.all():
            for field in model._meta.concrete_fields:
                value = field.value_from_object(row)
                if isinstance(field, db.JSONField):
                    value = json.dumps(value)
                found.append((f"{model.__name__}.{field.name}", str(value)))
    return found


@pytest.mark.row("S27")
async def test_no_column_holds_base64_or_a_url_of_ours(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    upload = await chat.post(
        "/chatkit/attachments/", {"file": SimpleUploadedFile("plan.png", png)}
    )
    attachment: dict[str, Any] = upload.json()
    model.respond_with(
        Images(Image(data=image_file("red", size=(400, 300))), Image(partials=2)),
        Text(
            f"Look: ![inline](data:image/png;base64,{base64.b64encode(png).decode()})"
        ),
    )
    events = await chat.say("two foxes", attachments=[attachment["id"]])
    key = thread_id(events)
    (first, _) = done_items(events, "generated_image")
    model.respond_with(FailedImage(partials=1), Text("No."))
    await chat.say(f"Like {first['image']['url']} but wilder", key)
    await chat.call(
        "items.feedback", thread_id=key, item_ids=[first["id"]], kind="positive"
    )

    values = await sync_to_async(every_value)()

    assert len(values) > 200
    for where, text in values:
        assert "data:image" not in text, where
        assert "testserver" not in text, where
        assert "/chatkit/" not in text, where
        assert not BASE64_RUN.search(text), where
    # What was taken out of the rows is there for the reader.
    page = await chat.call("threads.get_by_id", thread_id=key)
    text = json.dumps(page)
    assert "chatkit-image:" not in text
    assert text.count("http://testserver/chatkit/images/") == 4
    assert attachment["preview_url"] in text


@pytest.mark.row("O07")
async def test_no_connection_is_held_while_the_model_thinks(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    made = []

    def note(sender: Any, connection: Any, **kwargs: Any) -> None:
        # The request's own connections are Django's affair.
        if current_run.get() is not None:
            made.append(connection)

    gate = Gate()
    model.respond_with(Text("Wait."), gate, Text("Done."))
    connection_created.connect(note)
    try:
        response = await chat.request_op(
            "threads.create", {"input": user_message("hello")}
        )
        async with asyncio.timeout(30):
            while not gate.reached.is_set():
                await asyncio.sleep(0.01)
            # The first words may be on their way to their row just now.
            while any(connection.connection is not None for connection in made):
                await asyncio.sleep(0.01)
        assert made
        assert not any(connection.in_atomic_block for connection in made)
        assert (await Run.objects.aget()).status == "running"
    finally:
        connection_created.disconnect(note)
        gate.open()
    assert [event async for event in read_events(response)]


async def test_the_wire_is_chatkits(chat: ChatClient, model: LoopbackAPI) -> None:
    event_type: TypeAdapter[Any] = TypeAdapter(types.ThreadStreamEvent)
    model.respond_with(Images(Image(partials=1, delay=0.1), Image()), Text("Done."))

    events = await chat.say("two foxes")

    for event in events:
        parsed = event_type.validate_python(event)
        again = json.loads(
            parsed.model_dump_json(
                by_alias=True, exclude_none=True, context={"exclude_metadata": True}
            )
        )
        assert again == event


async def test_a_url_of_the_storages_is_a_reference_too(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"IMAGE_URLS": "storage"}
    events = await chat.say("a red fox")
    (item,) = done_items(events, "generated_image")
    url = item["image"]["url"]
    assert url.startswith("http://testserver/media/chatkit_images/images/")

    model.respond_with(Text("Yes."))
    signed = f"{url}?X-Amz-Signature=abc"
    said = await chat.say(f"like ![it]({signed})?", thread_id(events))

    row = await ThreadItem.objects.order_by("-pk").filter(type="user_message").afirst()
    assert row is not None
    text = row.payload["content"][0]["text"]
    assert re.fullmatch(r"like !\[it\]\(chatkit-image:[0-9a-f-]{36}\)\?", text)
    (message,) = done_items(said, "user_message")
    page = await chat.call("items.list", thread_id=thread_id(events), limit=100)
    (shown,) = [found for found in page["data"] if found["id"] == message["id"]]
    assert shown["content"][0]["text"] == f"like ![it]({url})?"
