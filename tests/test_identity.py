"""Which call an event is about, whatever the provider's ids are worth."""

from __future__ import annotations

import base64
from typing import Any

from chatkit_images.models import GeneratedImage
from chatkit_images.queries import identity
from chatkit_images.testing import ErrorEvent, Image, LoopbackAPI, Raw, Text, wire
from tests.client import ChatClient, done_items, of_type, read_events, thread_id
from tests.image_files import image_file
from tests.rows import some

RED, GREEN, BLUE = (image_file(colour) for colour in ("red", "green", "blue"))
SAFE: dict[str, Any] = {"code": "moderation_blocked", "message": "No.", "type": "user"}


def item(key: str | None, data: bytes | None, **fields: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "image_generation_call", "status": "completed"}
    said["result"] = base64.b64encode(data).decode() if data else None
    return said | ({} if key is None else {"id": key}) | fields


def added(key: str | None, index: int | None = 0) -> Raw:
    begun = item(key, None, status="in_progress")
    return event("output_item.added", index, item=begun)


def partial(key: str | None, data: bytes, index: int | None = 0) -> Raw:
    fields = {"partial_image_index": 0, "item_id": key}
    fields["partial_image_b64"] = base64.b64encode(data).decode()
    return event("image_generation_call.partial_image", index, **fields)


def done(
    key: str | None, data: bytes | None, index: int | None = 0, **fields: Any
) -> Raw:
    return event("output_item.done", index, item=item(key, data, **fields))


def event(name: str, index: int | None, **fields: Any) -> Raw:
    place = {} if index is None else {"output_index": index}
    return Raw({"type": f"response.{name}", **place, **fields})


def end(*output: dict[str, Any], kind: str = "completed", **fields: Any) -> Raw:
    response = wire.new_response({"model": "gpt-4.1", "tools": []})
    response |= {"status": kind, "output": list(output), **fields}
    return Raw({"type": f"response.{kind}", "response": response})


def wrapped(call: dict[str, Any]) -> dict[str, Any]:
    return call | {"result": f"data:image/png;base64,{call['result']}"}


# By name: what comes, the images that are kept in their order, and whether it fails.
SAME = [added("ig_1"), done("ig_1", RED)]
STREAMS: dict[str, tuple[list[Any], list[bytes]]] = {
    "ids change": (
        [added("ig_a"), partial("ig_b", BLUE), done("ig_c", RED)],
        [RED],
    ),
    "ids change, two calls": (
        [
            *(added("a", 0), added("b", 1), partial("c", BLUE, 1)),
            *(done("d", GREEN, 1), done("e", RED, 0)),
        ],
        [RED, GREEN],
    ),
    "no ids": ([added(None), partial(None, BLUE), done(None, RED)], [RED]),
    "no ids, two calls": (
        [added("", 0), added("", 1), done("", GREEN, 1), done("", RED, 0)],
        [RED, GREEN],
    ),
    "one id for two calls": (
        [added("ig", 0), added("ig", 1), done("ig", GREEN, 1), done("ig", RED, 0)],
        [RED, GREEN],
    ),
    "one id for two calls, without beginnings": (
        [done("ig", RED, 0), done("ig", GREEN, 1)],
        [RED, GREEN],
    ),
    "one index for two calls": (
        [added("a"), added("b"), partial("b", BLUE), done("a", RED), done("b", GREEN)],
        [RED, GREEN],
    ),
    "one index for two calls, one after the other": (
        [added("a"), done("a", RED), added("b"), done("b", GREEN)],
        [RED, GREEN],
    ),
    "one index and no ids, one after the other": (
        [added(None), done(None, RED), added(None), done(None, GREEN)],
        [RED, GREEN],
    ),
    "one index and one id, one after the other": (
        [added("ig"), done("ig", RED), added("ig"), done("ig", GREEN)],
        [RED, GREEN],
    ),
    "no index": (
        [added("a", None), added("b", None), done("b", GREEN, None)]
        + [done("a", RED, None)],
        [RED, GREEN],
    ),
    "the index moves": ([added("ig", 0), done("ig", RED, 3)], [RED]),
    "every event twice": (
        [each for step in SAME for each in (step, step)],
        [RED],
    ),
    "the call twice": ([*SAME, *SAME], [RED]),
    "a longer id than the column": (
        [added("x" * 260 + "a", 0), added("x" * 260 + "b", 1)]
        + [done("x" * 260 + "b", GREEN, 1), done("x" * 260 + "a", RED, 0)],
        [RED, GREEN],
    ),
    "done before the image": (
        [added("ig"), done("ig", None), end(item("ig", RED))],
        [RED],
    ),
    "done before the image, in a second one": (
        [added("ig"), done("ig", None, status="generating"), done("ig", RED)],
        [RED],
    ),
    "done before the image, at the end under another id": (
        [added("ig"), done("ig", None), end(item("other", RED))],
        [RED],
    ),
    "an error before the image": (
        [added("ig"), done("ig", None, error=SAFE), end(item("ig", RED))],
        [RED],
    ),
    "an error before the image, in a second one": (
        [added("ig"), done("ig", None, error=SAFE), done("ig", RED)],
        [RED],
    ),
    "the end alone, one id": (
        [end(item("ig", RED), item("ig", GREEN))],
        [RED, GREEN],
    ),
    "the end repeats one id": (
        [added("ig", 0), added("ig", 1), done("ig", RED, 0)]
        + [end(item("ig", RED), item("ig", GREEN))],
        [RED, GREEN],
    ),
    "the end repeats under other ids, one of two is new": (
        [added("a", 0), added("b", 1), done("a", RED, 0)]
        + [end(item("x", RED), item("y", GREEN))],
        [RED, GREEN],
    ),
    "the end sends an image in another form": (
        [added("a"), done("a", RED), end(wrapped(item("b", RED)))],
        [RED],
    ),
    "a preview after its final, under another id": (
        [added("a"), done("a", RED), partial("b", BLUE)],
        [RED],
    ),
    "the beginning has the image": (
        [event("output_item.added", 0, item=item("a", RED)), done("a", None)],
        [RED],
    ),
    "the beginning has the image, and the end too": (
        [event("output_item.added", 0, item=item("a", RED)), done("b", RED)],
        [RED],
    ),
    "an event of the call has the image": (
        [
            added("a"),
            event(
                "image_generation_call.completed",
                0,
                item_id="b",
                result=base64.b64encode(RED).decode(),
            ),
        ],
        [RED],
    ),
    "the end leaves out what is before": (
        [added("a", 3), done("a", None, 3), end(item("a", RED))],
        [RED],
    ),
}


async def kept(chat: ChatClient, events: list[dict[str, Any]]) -> list[bytes]:
    """Return the bytes that a person sees after a reload, oldest first."""
    page = await chat.call("items.list", thread_id=thread_id(events), order="asc")
    return await shown_in(chat, page)


async def shown_in(chat: ChatClient, page: dict[str, Any]) -> list[bytes]:
    shown = [each for each in page["data"] if each["type"] == "generated_image"]
    return [await served(chat, each) for each in shown]


async def served(chat: ChatClient, shown: dict[str, Any]) -> bytes:
    response = await chat.get(shown["image"]["url"])
    assert response.status_code == 200
    return bytes(response.content)


def left_open(events: list[dict[str, Any]]) -> set[str]:
    begun = {e["item"]["id"] for e in of_type(events, "thread.item.added")}
    ended = {e["item"]["id"] for e in of_type(events, "thread.item.done")}
    return (
        begun - ended - {e["item_id"] for e in of_type(events, "thread.item.removed")}
    )


async def test_every_image_is_kept_once_and_in_its_place(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    for name in some(__name__, list(STREAMS), 15):
        steps, images = STREAMS[name]
        model.respond_with(*steps, Text("Done.", chunk=100))
        events = await chat.say("an image")
        key = thread_id(events)
        page = await chat.call("items.list", thread_id=key, order="asc")
        assert await shown_in(chat, page) == images, name
        assert left_open(events) == set(), name
        rows = GeneratedImage.objects.filter(thread=key)
        statuses = [row.status async for row in rows]
        assert statuses == ["completed"] * len(images), name
        texts = [each for each in page["data"] if each["type"] == "assistant_message"]
        assert all("could not" not in str(each["content"]) for each in texts), name


async def test_another_turn_may_repeat_an_id(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    for key in ("ig_0", "", None):
        model.respond_with(added(key), done(key, RED), Text("One."))
        events = await chat.say("one")
        model.respond_with(added(key), done(key, GREEN), Text("Two."))
        again = await chat.say("two", thread_id(events))
        (shown,) = done_items(again, "generated_image")
        assert await served(chat, shown) == GREEN, key
        assert await kept(chat, events) == [RED, GREEN], key


async def test_a_call_without_an_image_is_told_at_the_end_of_its_response(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(added("ig"), done("ig", None), Text("Sorry."))
    events = await chat.say("an image")
    assert left_open(events) == set()
    assert (await GeneratedImage.objects.aget()).status == "failed"
    said = [i["content"][0]["text"] for i in done_items(events, "assistant_message")]
    # The words of the answer came first.
    assert said[0] == "Sorry." and "could not" in said[1]


async def test_a_reason_that_comes_later_replaces_an_empty_one(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    steps = [added("ig"), done("ig", None), end(item("ig", None, error=SAFE))]
    model.respond_with(*steps)
    await chat.say("an image")
    image = await GeneratedImage.objects.aget()
    assert (image.status, image.error_code) == ("blocked", "moderation_blocked")


async def test_an_image_that_was_shown_before_an_error_stays(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(added("ig"), done("ig", RED), ErrorEvent())
    events = await chat.say("an image")
    assert await kept(chat, events) == [RED]


async def test_an_image_that_comes_after_an_error_keeps_no_reason(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    error = SAFE | {"moderation_details": {"categories": ["violence"]}}
    model.respond_with(added("ig"), done("ig", None, error=error), end(item("ig", RED)))
    events = await chat.say("an image")
    assert await kept(chat, events) == [RED]
    image = await GeneratedImage.objects.aget()
    assert image.status == "completed"
    assert (image.reason, image.error_code, image.error_message) == ("", "", "")
    assert (image.failure, image.moderation) == ({}, {})


async def test_a_client_gets_ids_of_the_apps_own(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(call_id="ig_secret", data=RED, partials=1), Text("Done."))
    events = await chat.say("an image")
    image = await GeneratedImage.objects.aget()
    assert image.call_id == "ig_secret"
    (shown,) = done_items(events, "generated_image")
    assert shown["image"]["id"] == image.image_id
    assert identity.key_of(image.image_id) == image.pk
    assert "ig_secret" not in str(events)


async def test_an_item_of_before_finds_its_image(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    """Its payload names the provider's id, which a later turn has repeated."""
    model.respond_with(Image(call_id="ig_0", data=RED, partials=0), Text("One."))
    events = await chat.say("one")
    image = await GeneratedImage.objects.select_related("item").aget()
    assert image.item is not None
    image.item.payload["image"] = {"id": "ig_0"}
    await image.item.asave()
    await GeneratedImage.objects.aupdate(identity="call:ig_0")
    model.respond_with(Image(call_id="ig_0", data=GREEN, partials=0), Text("Two."))
    await chat.say("two", thread_id(events))
    assert await kept(chat, events) == [RED, GREEN]


async def test_live_ids_are_the_ids_after_a_reload(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(added("ig"), done("ig", None, error=SAFE), end(item("ig", RED)))
    response = await chat.request_op(
        "threads.create",
        {
            "input": {
                "content": [{"type": "input_text", "text": "x"}],
                "attachments": [],
                "inference_options": {},
            }
        },
    )
    events = [each async for each in read_events(response)]
    (replaced,) = of_type(events, "thread.item.replaced")
    page = await chat.call("items.list", thread_id=thread_id(events), order="asc")
    (shown,) = (i for i in page["data"] if i["type"] == "generated_image")
    assert shown["id"] == replaced["item"]["id"]


async def test_an_edit_knows_what_it_was_made_from(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(data=RED, partials=0), Text("One."))
    events = await chat.say("a fox")
    first = await GeneratedImage.objects.aget()
    model.respond_with(Image(data=GREEN, base=RED, partials=0), Text("Two."))
    await chat.say("make it green", thread_id(events))
    edited = await GeneratedImage.objects.exclude(pk=first.pk).aget()
    assert (edited.details or {})["action"] == "edit"
    (source,) = [row async for row in edited.sources.all()]
    assert (source.role, source.source_image_id) == ("edited", first.pk)
    assert not await first.sources.aexists()


async def test_a_mask_is_one_of_the_sources(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(data=RED, partials=0), Text("One."))
    events = await chat.say("a fox")
    mask = await GeneratedImage.objects.aget()
    (shown,) = done_items(events, "generated_image")
    url = shown["image"]["url"]
    tool = {"type": "image_generation", "input_image_mask": {"image_url": url}}
    response = wire.new_response({"model": "gpt-4.1", "tools": [tool]})
    begun = Raw({"type": "response.created", "response": response})
    model.respond_with(begun, added("ig"), done("ig", GREEN), Text("Two."))
    await chat.say("only there", thread_id(events))
    edited = await GeneratedImage.objects.exclude(pk=mask.pk).aget()
    masks = edited.sources.filter(role="mask")
    assert [row.source_image_id async for row in masks] == [mask.pk]
