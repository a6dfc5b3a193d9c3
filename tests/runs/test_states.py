"""What a client learns of a thread beside its items: ends, notes and thumbs."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, Run, Thread
from chatkit_images.store import DjangoStore
from chatkit_images.testing import (
    FailedImage,
    Gate,
    HTTPError,
    Image,
    Images,
    LoopbackAPI,
    Text,
)
from chatkit_images.views.runs import status_of
from tests.client import ChatClient, message, read_events, thread_id

Events = list[dict[str, Any]]


async def status(chat: ChatClient, key: str, query: str = "?items=20") -> Any:
    response = await chat.get(f"/chatkit/threads/{key}/status/{query}")
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    return response.json()


async def items_of(chat: ChatClient, key: str) -> Events:
    page = await chat.call("items.list", thread_id=key, order="asc", limit=50)
    return list(page["data"])


def count_queries(key: str, context: RequestContext) -> int:
    with CaptureQueriesContext(connection) as queries:
        status_of(key, 100, None, context)
    return len(queries)


def texts(items: Events) -> list[str]:
    return [
        item["content"][0]["text"]
        for item in items
        if item["type"] == "assistant_message"
    ]


async def test_a_failure_that_nobody_saw_is_told_with_its_retry(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(HTTPError(500))
    key = thread_id(await chat.say("hello"))

    asked, note = await items_of(chat, key)
    told = await status(chat, key)

    run = await Run.objects.aget()
    why = {"status": "failed", "reason": "overloaded", "allow_retry": True}
    assert told["end"] == why | {
        "run": str(run.pk),
        "retry_after": asked["id"],
        "note": note["id"],
        "message": note["content"][0]["text"],
    }
    assert told["items"] == {note["id"]: {"kind": "note", "of": "answer"} | why}
    model.respond_with(Text("Hello."))
    await chat.stream("threads.retry_after_item", thread_id=key, item_id=asked["id"])
    told = await status(chat, key)
    run = await Run.objects.afirst()
    assert told["items"] == {}
    assert run is not None
    assert told["end"] == {
        "run": str(run.pk),
        "status": "completed",
        "retry_after": asked["id"],
    }


async def test_a_blocked_image_is_told_with_what_was_found(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    found = ("violence", "self-harm")
    model.respond_with(
        Text("Here you are:"), FailedImage(categories=found), Text("I may not.")
    )
    key = thread_id(await chat.say("something awful"))

    told = await status(chat, key)

    (_, first, note, last) = await items_of(chat, key)
    assert texts([first, last]) == ["Here you are:", "I may not."]
    assert told["end"]["status"] == "completed"
    assert told["items"] == {
        note["id"]: {
            "kind": "note",
            "of": "image",
            "status": "blocked",
            "reason": "blocked",
            "allow_retry": False,
            "categories": list(found),
        }
    }


async def test_a_preview_is_told_from_an_image_and_has_a_note_beside_it(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    model.respond_with(Image("a fox", partials=1, gate=gate))
    response = await chat.request_op("threads.create", {"input": message("a fox")})
    events: Events = []
    async for event in read_events(response):
        events.append(event)
        if event.get("update", {}).get("type") == "generated_image.updated":
            key = thread_id(events)
            before = await status(chat, key)
            if before["busy"]:
                assert before["end"] is None
            await chat.post(f"/chatkit/threads/{key}/stop/")
    gate.open()

    asked, image, note = await items_of(chat, key)
    told = await status(chat, key)

    text = "This is only a preview. The image was stopped before it was ready."
    assert texts([note]) == [text]
    assert note in [event.get("item") for event in events]
    why = {"status": "cancelled", "reason": "stopped", "allow_retry": True}
    assert told["end"]["retry_after"] == asked["id"]
    assert told["end"]["message"] == "The answer was stopped."
    assert told["items"] == {
        image["id"]: {"kind": "preview", "of": "image"} | why,
        note["id"]: {"kind": "note", "of": "image", "item": image["id"]} | why,
    }


async def test_a_removed_image_leaves_words_to_the_person_and_none_to_the_model(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext
) -> None:
    model.respond_with(Image("a fox"))
    key = thread_id(await chat.say("a fox"))
    _, shown = await items_of(chat, key)
    await GeneratedImage.objects.all().adelete()

    _, item = await items_of(chat, key)

    assert (item["id"], texts([item])) == (shown["id"], ["This image was removed."])
    assert item["created_at"] == shown["created_at"]
    thread = await chat.call("threads.get_by_id", thread_id=key)
    assert thread["items"]["data"][1] == item
    told = await status(chat, key)
    assert told["items"] == {item["id"]: {"kind": "removed", "of": "image"}}
    model.respond_with(Text("It is gone."))
    await chat.say("and now?", key)
    assert "This image was removed." not in str(model.requests[-1])
    kept = await DjangoStore().load_thread_items(key, None, 9, "asc", context)
    assert kept.data[1].type == "generated_image"


async def test_thumbs_are_told_to_the_person_who_pressed_them(
    chat: ChatClient, model: LoopbackAPI, bob: User
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    _, answer = await items_of(chat, key)
    for kind in ("positive", "negative"):
        await chat.call(
            "items.feedback", thread_id=key, item_ids=[answer["id"]], kind=kind
        )
        told = await status(chat, key)
        assert told["items"] == {answer["id"]: {"feedback": kind}}
    assert "items" not in await status(chat, key, "")
    stranger = ChatClient()
    await sync_to_async(stranger.force_login)(bob)
    response = await stranger.get(f"/chatkit/threads/{key}/status/?items=9")
    assert response.status_code == 404


async def test_pages_of_states_and_odd_questions(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(HTTPError(500))
    key = thread_id(await chat.say("hello"))
    model.respond_with(HTTPError(500))
    await chat.say("hello again", key)
    notes = [item["id"] for item in await items_of(chat, key)][1::2]
    newest = await status(chat, key, "?items=1")
    assert list(newest["items"]) == notes[1:]
    before = await status(chat, key, f"?items=9&after={notes[1]}")
    assert list(before["items"]) == notes[:1]
    assert list((await status(chat, key, "?items=999999"))["items"]) == notes[::-1]
    for query, code in (
        ("?items=x", 400),
        ("?items=-1", 400),
        ("?items=٣", 400),
        ("?items=1&after=nobody", 404),
        ("?items=1&after=%00", 404),
        (f"?items=1&after={'x' * 999}", 404),
    ):
        response = await chat.get(f"/chatkit/threads/{key}/status/{query}")
        assert response.status_code == code, query


async def test_a_message_that_was_not_saved_is_not_answered_again(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."))
    key = thread_id(await chat.say("hello"))
    thread = await Thread.objects.aget()
    run = {"thread": thread, "owner": thread.owner, "status": "failed"}
    await Run.objects.acreate(**run, operation="threads.add_user_message")
    assert (await status(chat, key))["end"]["retry_after"] is None
    asked = (await items_of(chat, key))[0]["id"]
    await Run.objects.acreate(**run, operation="threads.custom_action")
    assert (await status(chat, key))["end"]["retry_after"] == asked


async def test_the_number_of_queries_does_not_depend_on_the_items(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext
) -> None:
    counts = []
    key = None
    for count in (1, 3):
        each = [FailedImage(), Image(result=False, partials=1), Image("a fox")]
        model.respond_with(Images(*(each * count)), Text("There."))
        key = thread_id(await chat.say("many")) if key is None else key
        if count > 1:
            await chat.say("more", key)
        counts.append(await sync_to_async(count_queries)(key, context))
    assert counts[0] == counts[1] <= 12
