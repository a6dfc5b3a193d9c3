"""Threads, items and attachments of every kind that the SDK has."""

from __future__ import annotations

import datetime
import typing
from collections.abc import Iterator
from typing import Any

from chatkit import types
from chatkit.actions import ActionConfig
from chatkit.widgets import Button, Card, Col, Image, Row, Text
from pydantic import BaseModel, TypeAdapter

T0 = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)
SECOND = datetime.timedelta(seconds=1)

#: Unions of the SDK each of whose members the samples must contain.
UNIONS = {
    "ThreadItem": types.ThreadItem,
    "Attachment": types.Attachment,
    "UserMessageContent": types.UserMessageContent,
    "Source": types.Source,
    "StructuredInput": types.StructuredInput,
    "Task": types.Task,
    "WorkflowSummary": types.WorkflowSummary,
}


def make_thread(key: str = "thr_1", **fields: Any) -> types.ThreadMetadata:
    """Return a thread that no store has seen."""
    return types.ThreadMetadata.model_validate({"id": key, "created_at": T0} | fields)


def make_message(
    key: str = "msg_1", thread_id: str = "thr_1", text: str = "Hello", **fields: Any
) -> types.AssistantMessageItem:
    """Return an assistant's message."""
    content = [types.AssistantMessageContent(text=text)]
    base = {"id": key, "thread_id": thread_id, "created_at": T0, "content": content}
    return types.AssistantMessageItem.model_validate(base | fields)


def make_attachment(
    key: str = "atc_1", thread_id: str | None = None
) -> types.FileAttachment:
    """Return an attachment without a file."""
    return types.FileAttachment(
        id=key, name="notes.txt", mime_type="text/plain", thread_id=thread_id
    )


def sample_items(
    thread_id: str,
    attachments: list[types.Attachment],
    image: types.GeneratedImage,
) -> list[types.ThreadItem]:
    """Return items of every type that the SDK has, with every field filled."""
    url = types.URLSource(
        title="Foxes", url="https://example.com/fox?a=1&b=ü#x", attribution="A",
        description="d", timestamp="2026-01-02", group="g",
    )  # fmt: skip
    file = types.FileSource(title="F", filename="fox.pdf", description="d")
    entity = types.EntitySource(
        title="E", id="e1", icon="sparkle", label="l", inline_label="i",
        interactive=True, data={"deep": {"none": None, "n": 1.5}},
    )  # fmt: skip
    answer = types.StructuredInputAnswer(values=["red", "grün"])
    option = types.StructuredInputMultipleChoiceOption
    tasks: list[types.Task] = [
        types.CustomTask(title="T", icon="bolt", content="c", status_indicator="none"),
        types.SearchTask(title_query="q", queries=["a", "b"], sources=[url]),
        types.ThoughtTask(title="T", content="hm", status_indicator="loading"),
        types.FileTask(title="T", sources=[file]),
        types.ImageTask(title="T", status_indicator="complete"),
    ]
    arguments = {"none": None, "list": [None, {"none": None}], "": "", "ключ": "🦊"}
    again = ActionConfig(type="again", payload={"n": 1})
    sources: list[types.Source] = [url, file, entity]
    card = Card(
        children=[
            Text(value="Fuchs 🦊", id="text"),
            Row(children=[Col(children=[Image(src="https://example.com/fox.png")])]),
            Button(label="Again", onClickAction=again),
        ]
    )
    fields: list[tuple[type[BaseModel], dict[str, Any]]] = [
        (
            types.UserMessageItem,
            {
                "content": [
                    types.UserMessageTextContent(text="Draw "),
                    types.UserMessageTagContent(
                        id="t1", text="fox", data={"none": None}, group="animals",
                        interactive=True,
                    ),
                ],
                "attachments": attachments,
                "quoted_text": "before",
                "inference_options": types.InferenceOptions(
                    tool_choice=types.ToolChoice(id="draw"), model="gpt-5"
                ),
            },
        ),
        (types.UserMessageItem, {"content": [], "inference_options": {}}),
        (
            types.AssistantMessageItem,
            {
                "content": [
                    types.AssistantMessageContent(
                        text="**Look**\n",
                        annotations=[
                            types.Annotation(source=source, index=index)
                            for index, source in enumerate(sources)
                        ],
                    ),
                    types.AssistantMessageContent(text=""),
                ]
            },
        ),
        (
            types.ClientToolCallItem,
            {
                "call_id": "call_1", "name": "pick", "status": "completed",
                "arguments": arguments | {"big": 2**53, "f": -1.5e-7, "t": True},
                "output": [None, {"none": None}, 0, False, ""],
            },
        ),
        (types.ClientToolCallItem, {"call_id": "c", "name": "n", "arguments": {}}),
        (types.WidgetItem, {"widget": card, "copy_text": "Fuchs"}),
        (types.GeneratedImageItem, {}),
        (types.GeneratedImageItem, {"image": image}),
        (
            types.StructuredInputItem,
            {
                "status": "answered",
                "inputs": [
                    types.StructuredInputMultipleChoice(
                        id="q1", question="Which?", multiple=True, answer=answer,
                        options=[option(value="red"), option(value="grün")],
                    ),
                    types.StructuredInputFreeform(
                        id="q2", question="Why?", description="d",
                        answer=types.StructuredInputAnswer(skipped=True),
                    ),
                ],
            },
        ),
        (
            types.WorkflowItem,
            {
                "workflow": types.Workflow(
                    type="custom", tasks=tasks, expanded=True,
                    summary=types.CustomSummary(title="S", icon="bolt"),
                )
            },
        ),
        (
            types.WorkflowItem,
            {
                "workflow": types.Workflow(
                    type="reasoning", tasks=[],
                    summary=types.DurationSummary(duration=0),
                )
            },
        ),
        *((types.TaskItem, {"task": task}) for task in tasks),
        (types.HiddenContextItem, {"content": "secret"}),
        (types.HiddenContextItem, {"content": {"none": None, "list": [1, "2"]}}),
        (types.HiddenContextItem, {"content": None}),
        (types.SDKHiddenContextItem, {"content": "cancelled"}),
        (types.EndOfTurnItem, {}),
    ]  # fmt: skip
    adapter: TypeAdapter[types.ThreadItem] = TypeAdapter(types.ThreadItem)
    base = {"thread_id": thread_id, "created_at": T0}
    return [
        adapter.validate_python(model(id=f"msg_{n}", **base, **values))
        for n, (model, values) in enumerate(fields)
    ]


def models_in(value: Any) -> Iterator[type]:
    """Yield the type of every model in a value."""
    if isinstance(value, BaseModel):
        yield type(value)
        value = dict(value)
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, BaseModel | dict | list):
            yield from models_in(inner)


def members(union: Any) -> set[type]:
    """Return the members of a union, annotated or not."""
    if typing.get_origin(union) is typing.Annotated:
        union = typing.get_args(union)[0]
    return set(typing.get_args(union))


def make_attachments(thread_id: str | None) -> list[types.Attachment]:
    """Return attachments of every kind."""
    preview = "https://example.com/fox.png?a=1"
    fields: dict[str, Any] = {"thread_id": thread_id, "metadata": {"none": None}}
    return [
        types.FileAttachment(
            id="atc_f", name="füchse.pdf", mime_type="application/pdf", **fields
        ),
        types.ImageAttachment.model_validate(
            {"id": "atc_i", "name": "fox.png", "mime_type": "image/png"}
            | {"preview_url": preview, **fields}
        ),
    ]
