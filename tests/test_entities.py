"""What a person can name in a message: their own images, in a list and for the model.

The shapes are those of ``Entity`` and ``Widgets.BasicRoot`` in the types of
``@openai/chatkit`` 1.9.0, ``types/index.d.ts`` and ``types/widgets.d.ts``.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from channels.db import database_sync_to_async
from chatkit.widgets import DynamicWidgetRoot
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydantic import TypeAdapter

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage
from chatkit_images.queries import model_rows, named_images
from chatkit_images.queries.model_rows import ModelRows
from chatkit_images.testing import HTTPError, Image, LoopbackAPI, Text
from tests.client import ChatClient, message, thread_id
from tests.image_files import image_file
from tests.servers.world import build
from tests.test_thread_item_converter import user_message

URL = "/chatkit/entities/"
FIELDS = {"title", "id", "icon", "interactive", "group", "data"}


async def draw(chat: ChatClient, model: LoopbackAPI, prompt: str, data: bytes) -> str:
    """Have an image generated and return its id for clients."""
    model.respond_with(Image(data=data, partials=0), Text("Done."))
    await chat.say(prompt)
    return (await GeneratedImage.objects.alatest("created_at")).image_id


async def search(chat: ChatClient, query: str = "") -> list[dict[str, Any]]:
    response = await chat.get(URL, {"q": query})
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    found = response.json()["entities"]
    for entity in found:
        assert set(entity) == FIELDS
        # A message keeps it, and no row keeps a URL.
        assert "//" not in json.dumps(entity)
        assert all(isinstance(value, str) for value in entity["data"].values())
    return found


def tag(entity_id: str, text: str = "it") -> dict[str, Any]:
    return {"type": "input_tag", "id": entity_id, "text": text, "data": {}}


def naming(*tags: dict[str, Any]) -> dict[str, Any]:
    asked = message("Make this blue: ")
    return asked | {"content": [*asked["content"], *tags]}


def content_of(request: Any) -> list[dict[str, Any]]:
    """Return the parts of the message with the meaning of mentions."""
    for item in request["input"]:
        content = item.get("content")
        if isinstance(content, list) and "@-mentions" in str(content[0]):
            return content[1:]
    raise AssertionError(request["input"])


async def test_a_person_finds_their_images_by_all_words(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    first = await draw(chat, model, "A red\nfox in the snow", image_file("red"))
    await draw(chat, model, "A blue fox", image_file("blue"))
    assert [each["title"] for each in await search(chat)] == [
        "A blue fox",
        "A red fox in the snow",
    ]
    for query in ("snow RED", "fox red", f" {'red ' * 60}"):
        (found,) = await search(chat, query)
        assert (found["id"], found["icon"]) == (first, "square-image")
    for query in ("red whale", "%", "_", "\x00", "\ud800".encode("utf-8", "replace")):
        assert await search(chat, query) == []  # type: ignore[arg-type]
    assert await search(chat, "x" * 10_000) == []

    thread = await models.Thread.objects.aearliest("created_at")
    assert found["data"] == {"thread_id": thread.pk}
    preview = (await chat.get(f"{URL}{first}/")).json()["preview"]
    TypeAdapter(DynamicWidgetRoot).validate_python(preview)
    picture, words, chat_title = preview["children"]
    assert (await chat.get(picture["src"])).status_code == 200
    assert words["value"] == picture["alt"] == "A red fox in the snow"
    assert chat_title["value"] == thread.title

    # What a retry has replaced, and what is hidden, is not there any more.
    await GeneratedImage.objects.aupdate(status="blocked")
    assert await search(chat) == []
    assert (await chat.get(f"{URL}{first}/")).status_code == 404
    assert [i.is_shown async for i in GeneratedImage.objects.all()] == [False] * 2


async def test_a_list_is_short_whatever_somebody_has(
    transactional_db: None, context: RequestContext, chat: ChatClient
) -> None:
    thread = await models.Thread.objects.acreate(pk="thr_1", owner=context.owner)
    rows = [
        GeneratedImage(
            thread=thread, file=f"a{n}", status="completed", prompt="\u202efox " * 99
        )
        for n in range(30)
    ]
    await GeneratedImage.objects.abulk_create(rows)
    found = await search(chat)
    assert len(found) == named_images.MOST_FOUND
    assert found[0]["title"] == ("fox " * 15)[:59] + "…"
    assert (await chat.get(f"{URL}{'x' * 300}/")).status_code == 404
    assert (await chat.get(f"{URL}img_%00/")).status_code == 404


async def test_the_model_gets_the_image_that_is_named(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    red = await draw(chat, model, "a red fox", image_file("red"))
    blue = await draw(chat, model, "a fox", image_file("blue"))
    model.respond_with(Text("Done."))
    asked = naming(tag(red), tag(blue), tag(red), tag("sku-1", "mug"))
    events = await chat.stream("threads.create", input=asked)
    first, red_image, second, blue_image, mug = content_of(model.requests[-1])
    assert first["text"] == f"@it (id: {red}) is the following image:"
    assert second["text"] == f"@it (2) (id: {blue}) is the following image:"
    assert red_image["type"] == blue_image["type"] == "input_image"
    assert red_image["image_url"] != blue_image["image_url"]
    assert mug["text"] == "@mug (id: sku-1)"
    # On later turns too, until it cannot be seen any more; and a note of a refusal
    # counts in every chat.
    key = thread_id(events)
    await GeneratedImage.objects.filter(prompt="a fox").aupdate(status="blocked")
    model.respond_with(HTTPError(400, "invalid_image", "The image is invalid."))
    model.respond_with(Text("Done."))
    await chat.say("again", key)
    model.respond_with(Text("Done."))
    await chat.say("again", key)
    whys = ["cannot be shown to this model", "not there any more", "sku-1"]
    for part, why in zip(content_of(model.requests[-1]), whys, strict=True):
        assert part["type"] == "input_text"
        assert why in part["text"]
    assert len(model.requests) == 6


async def test_what_an_image_was_made_from_has_the_image_that_was_named(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    red = await draw(chat, model, "a red fox", image_file("red"))
    drawn = Image(data=image_file("blue"), base=image_file("red"), partials=0)
    model.respond_with(drawn, Text("Done."))
    await chat.stream("threads.create", input=naming(tag(red)))
    sources = models.ImageSource.objects.select_related("source_image")
    source = await sources.aget(role="edited")
    assert source.source_image is not None
    assert source.source_image.image_id == red


async def test_an_image_of_somebody_else_is_as_one_that_never_was(
    chat: ChatClient, bob: User, model: LoopbackAPI, png: bytes
) -> None:
    theirs = await database_sync_to_async(build)(f"user:{bob.pk}", bob, "secret", png)
    said = []
    for key in (theirs.image, uuid.uuid4()):
        model.respond_with(Text("Done."))
        asked = naming(tag(f"img_{key.hex}"))
        await chat.stream("threads.create", input=asked)
        said.append(content_of(model.requests[-1]))
        assert "secret" not in str(model.requests[-1])
        assert (await chat.get(f"{URL}img_{key.hex}/")).status_code == 404
    assert said[0] == said[1]
    assert await search(chat, "secret") == []


def test_a_search_reads_the_images_of_one_owner_only(
    transactional_db: None, context: RequestContext, png: bytes
) -> None:
    build("user:other", None, "fox", png)
    ids = build(context.owner, None, "fox", png)
    with CaptureQueriesContext(connection) as queries:
        (found,) = named_images.search("fox prompt", context)
    assert found.pk == ids.image
    chats, newest, fitting, whole = (each["sql"] for each in queries)
    assert "LIMIT" in chats
    # With an order and a limit a database may begin with the newest of everybody's.
    for statement in (newest, fitting, whole):
        assert "LIMIT" not in statement


def test_mentions_are_looked_up_in_one_statement(
    transactional_db: None, context: RequestContext
) -> None:
    for number, statements in ((0, 0), (1, 1), (5000, 1)):
        ids = [f"img_{uuid.uuid4().hex}" for _ in range(number)]
        content = [tag(each) for each in ("sku-1", *ids)]
        item = user_message(*content)
        with CaptureQueriesContext(connection) as queries:
            rows = model_rows.of_items([item], context, ModelRows(context.owner))
        assert len(rows.named) == min(number, named_images.MOST_NAMED)
        assert len(queries) == statements
    assert len(queries[0]["sql"]) < named_images.MOST_NAMED * 50 + 3000


@pytest.mark.parametrize("count", [1, 0])
async def test_the_count_of_images_holds_for_mentions(
    chat: ChatClient, model: LoopbackAPI, settings: Any, count: int
) -> None:
    keys = [
        await draw(chat, model, colour, image_file(colour))
        for colour in ("red", "blue")
    ]
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MODEL_IMAGE_COUNT": count}
    model.respond_with(Text("Done."))
    tags = [tag(key, key[-4:]) for key in keys]
    await chat.stream("threads.create", input=naming(*tags))
    kinds = [part["type"] for part in content_of(model.requests[-1])]
    assert kinds.count("input_image") == count
    assert "is not shown again" in content_of(model.requests[-1])[-1]["text"]
