"""What holds for every row, whatever was said."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from django.apps import apps
from django.db import models as db

from chatkit_images.testing import FailedImage, Image, Images, LoopbackAPI, Text
from tests.client import ChatClient, done_items, thread_id
from tests.pictures import picture

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


async def test_no_column_holds_base64_or_a_url_of_ours(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    from asgiref.sync import sync_to_async
    from django.core.files.uploadedfile import SimpleUploadedFile

    upload = await chat.post(
        "/chatkit/attachments/", {"file": SimpleUploadedFile("plan.png", png)}
    )
    attachment: dict[str, Any] = upload.json()
    model.respond_with(
        Images(Image(data=picture("red", size=(400, 300))), Image(partials=2)),
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
