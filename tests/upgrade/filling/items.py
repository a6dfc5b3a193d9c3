"""Threads with an item of every type, with attachments, and a long one."""

from __future__ import annotations

import datetime
from typing import Any

from chatkit import types
from chatkit.actions import Action
from django.core.files.uploadedfile import SimpleUploadedFile
from images import LOOK, MORE, square, using
from people import Person

from chatkit_images.testing import Image, Reasoning, Text, ToolCall

URL = types.URLSource(title="Foxes", url="https://foxes.example/red")
FILE = types.FileSource(title="Notes", filename="notes.txt")
ENTITY = types.EntitySource(title="Fox", id="fox-1", icon="star", label="A fox")


def of_type(events: list[Any], kind: str) -> Any:
    """Return the one item of a type that a stream has finished."""
    done = [event["item"] for event in events if event["type"] == "thread.item.done"]
    (item,) = (item for item in done if item["type"] == kind)
    return item


async def every_type(ann: Person) -> str:
    """Fill a thread by the tools of its agent, then by a project's own code."""
    tag = {"type": "input_tag", "id": "sku-1", "text": "mug", "data": {"ml": 300}}
    said = {
        "content": [{"type": "input_text", "text": "for the mug "}, tag],
        "quoted_text": "Tell me what to change.",
        "inference_options": {"model": "gpt-4.1", "tool_choice": None},
    }
    image = Image(partials=1)
    key = await ann.begin("Every type", "", LOOK, image, MORE, **said)
    thinks = Reasoning("It asks for a colour first.", chunk=64)
    call = ToolCall("pick_colour", {"hint": "warm"})
    await ann.ask("pick a colour", key, thinks, call)
    here: dict[str, Any] = {"thread_id": key}
    ann.model.respond_with(ToolCall("ask", {"question": "How large?"}))
    result = {"hex": "#ff8800"}
    events = await ann.stream("threads.add_client_tool_output", **here, result=result)
    question = of_type(events, "structured_input")
    ann.model.respond_with(ToolCall("show_card", {"text": "a card"}))
    answer = {"status": "answered", "answers": {"q1": {"values": ["huge"]}}}
    events = await ann.stream(
        "threads.add_structured_input", **here, item_id=question["id"], input=answer
    )
    card = of_type(events, "widget")
    pressed = Action(type="press", payload=1).model_dump()
    await ann.stream(
        "threads.custom_action", **here, item_id=card["id"], action=pressed
    )
    await ann.ask("keep this to yourself", key, ToolCall("whisper", {"text": "psst"}))
    await projects_own(ann, key)
    return key


async def projects_own(ann: Person, key: str) -> None:
    """Add what no agent makes, by the store."""
    page = await ann.call("items.list", thread_id=key, order="asc", limit=100)
    (shown,) = (item for item in page["data"] if item["type"] == "generated_image")
    context = await ann.context(key)
    thread = await ann.store.load_thread(key, context)

    def base(kind: Any = "message") -> dict[str, Any]:
        return {
            "id": ann.store.generate_item_id(kind, thread, context),
            "thread_id": key,
            "created_at": datetime.datetime.now(),
        }

    search = types.SearchTask(title="Foxes", queries=["red fox"], sources=[URL])
    tasks = [
        types.CustomTask(title="Look", icon="search", content="around"),
        types.ThoughtTask(content="Foxes are red.", status_indicator="complete"),
        types.FileTask(title="Read", sources=[FILE]),
        types.ImageTask(title="Draw"),
    ]
    quote = types.AssistantMessageContent(text=f"As here: ![]({shown['image']['url']})")
    cites = types.AssistantMessageContent(
        text="Foxes are red.",
        annotations=[types.Annotation(source=each, index=5) for each in (URL, FILE)]
        + [types.Annotation(source=ENTITY)],
    )
    workflow = types.Workflow(
        type="custom",
        tasks=tasks,
        summary=types.CustomSummary(title="Looked around"),
        expanded=True,
    )
    for item in (
        types.TaskItem(**base("task"), task=search),
        types.WorkflowItem(**base("workflow"), workflow=workflow),
        types.AssistantMessageItem(**base(), content=[quote, cites]),
        types.HiddenContextItem(**base(), content="A fox was seen."),
        types.SDKHiddenContextItem(**base("sdk_hidden_context"), content="The end."),
        types.EndOfTurnItem(**base()),
    ):
        await ann.store.add_thread_item(key, item, context)


async def waiting(ann: Person) -> list[str]:
    """Leave a thread with a tool call open, and one with a question."""
    call = ToolCall("pick_colour", {"hint": "cold"})
    tool = await ann.begin("Waits for a tool", "pick a colour", call)
    question = ToolCall("ask", {"question": "How small?"})
    return [tool, await ann.begin("Waits for an answer", "ask me", question)]


async def upload(person: Person, name: str, data: bytes) -> str:
    """Send a file and return its id."""
    file = SimpleUploadedFile(name, data)
    response = await person.post("/chatkit/attachments/", {"file": file})
    assert response.status_code == 200, response.content
    return str(response.json()["id"])


async def attached(ann: Person) -> str:
    """Send files with a message; leave one unsent, one without bytes, one foreign."""
    files = [
        await upload(ann, "mood.png", square("PNG", "teal")),
        await upload(ann, "brief.txt", "Größer, röter.\n".encode()),
    ]
    image = Image(partials=0)
    key = await ann.begin("Files", "like these", LOOK, image, MORE, attachments=files)
    await upload(ann, "unsent.jpg", square("JPEG", "navy"))
    announced = {"name": "later.png", "size": 300, "mime_type": "image/png"}
    await ann.call("attachments.create", **announced)
    foreign = types.ImageAttachment(
        id="atc_of_another_store",
        name="far.png",
        mime_type="image/png",
        preview_url="https://files.example/far.png",
        metadata={"bucket": "far"},
    )
    await ann.store.save_attachment(foreign, await ann.context(key))
    return key


async def long(ann: Person) -> str:
    """Say so much that the log of the run is folded."""
    with using(RUN_LOG_BYTES=3000):
        words = Text("A fox is a small dog that nobody owns. " * 4, chunk=6)
        return await ann.begin("Long", "hello, tell me of foxes", words)
