"""How answers end, and what is told of it: rows, wire, thread, retries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from chatkit import types
from chatkit.errors import CustomStreamError
from chatkit.widgets import Card
from chatkit.widgets import Text as WidgetText
from django.test import override_settings

from chatkit_images import notes, times
from chatkit_images.admin.filters import ModeratedFilter
from chatkit_images.models import GeneratedImage, Run, ThreadItem
from chatkit_images.testing import (
    Drop,
    ErrorEvent,
    FailedImage,
    HTTPError,
    Image,
    LoopbackAPI,
    Raw,
    ResponseFailed,
    ResponseIncomplete,
    Text,
    Wait,
)
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type, thread_id

BLOCKED = "This request was blocked by the safety system."
IMAGE_BLOCKED = "The image was blocked by the safety system."
PREVIEW = Image(partials=1, finish=False)


async def shown(chat: ChatClient, events: list[dict[str, Any]]) -> list[str]:
    """Return what a reload shows: types, and the words of messages of the model's."""
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    return [
        item["content"][0]["text"]
        if item["type"] == "assistant_message"
        else item["type"]
        for item in page["items"]["data"]
    ]


def open_items(events: list[dict[str, Any]]) -> set[str]:
    """Return the ids of the items that a client has seen begin, and not end."""
    begun: set[str] = set()
    for event in events:
        if event["type"] == "thread.item.added":
            begun.add(event["item"]["id"])
        elif event["type"] in ("thread.item.done", "thread.item.replaced"):
            begun.discard(event["item"]["id"])
        elif event["type"] == "thread.item.removed":
            begun.discard(event["item_id"])
    return begun


@pytest.mark.parametrize(
    "last",
    [
        ErrorEvent(code="moderation_blocked", message="No."),
        ErrorEvent(code="content_policy_violation", message="No."),
        ResponseFailed(code="moderation_blocked", message="No."),
        ResponseIncomplete("content_filter"),
    ],
    ids=["event", "policy", "failed", "incomplete"],
)
async def test_a_block_is_one_by_whatever_channel(
    chat: ChatClient, model: LoopbackAPI, last: Any
) -> None:
    model.respond_with(PREVIEW, Wait(0.3), last)

    events = await chat.say("a fox")

    image = await GeneratedImage.objects.aget()
    run = await Run.objects.aget()
    assert (image.status, image.reason) == ("blocked", "blocked")
    assert (run.status, run.reason, run.error_code) == (
        "failed",
        "blocked",
        image.error_code,
    )
    (error,) = of_type(events, "error")
    assert (error["message"], error["allow_retry"]) == (BLOCKED, False)
    # The note of the image says it already.
    assert await shown(chat, events) == ["user_message", IMAGE_BLOCKED]
    assert open_items(events) == set()
    assert not image.is_shown
    assert await GeneratedImage.objects.filter(ModeratedFilter.yes).aexists()


@pytest.mark.parametrize(
    ("refusal", "reason", "words", "may_retry"),
    [
        (HTTPError(400, "moderation_blocked", "No."), "blocked", BLOCKED, False),
        (
            HTTPError(429, "insufficient_quota", "You exceeded your current quota."),
            "quota",
            "The quota of this service is used up.",
            False,
        ),
        (
            HTTPError(403, "x", "Your organization must be verified"),
            "not_allowed",
            "This site may not use the service for that.",
            False,
        ),
        (
            HTTPError(429, "rate_limit_exceeded", "Try again in 90s."),
            "rate_limited",
            "There are too many requests. Try again in 90 seconds.",
            True,
        ),
        (
            HTTPError(400, "invalid_value", "Bad."),
            "bad_request",
            "The service does not accept this request.",
            False,
        ),
    ],
    ids=["blocked", "quota", "unverified", "rate limit", "bad request"],
)
async def test_why_a_run_failed_is_in_its_row_and_is_told(
    chat: ChatClient,
    model: LoopbackAPI,
    refusal: HTTPError,
    reason: str,
    words: str,
    may_retry: bool,
) -> None:
    model.respond_with(refusal)

    events = await chat.say("a fox")

    run = await Run.objects.aget()
    assert (run.status, run.reason, run.error_code) == ("failed", reason, refusal.code)
    assert run.failure["status"] == refusal.status
    assert run.failure["message"] == refusal.message
    assert refusal.message in run.error
    assert of_type(events, "error") == [
        {
            "type": "error",
            "code": "custom",
            "message": words,
            "allow_retry": may_retry,
        }
    ]
    assert ("again" in words) == may_retry
    assert await shown(chat, events) == ["user_message", words]
    note = await ThreadItem.objects.aget(is_note=True)
    assert note.item_id == f"note_{run.pk.hex}"
    # The live reader has the same note, before the error.
    (told,) = done_items(events, "assistant_message")
    assert told["id"] == note.item_id


async def test_a_retry_takes_the_note_away(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(HTTPError(500, "server_error", "Sorry."))
    events = await chat.say("hello")
    asked = done_items(events, "user_message")[0]["id"]
    model.respond_with(Text("Hello."))

    await chat.stream(
        "threads.retry_after_item", thread_id=thread_id(events), item_id=asked
    )

    assert await shown(chat, events) == ["user_message", "Hello."]


async def test_words_that_were_read_are_kept_when_an_answer_breaks_off(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    part = {"type": "output_text", "text": "", "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    delta = {"type": "response.output_text.delta", "delta": "Half of an"}
    model.respond_with(
        Raw({"type": "response.output_item.added", "output_index": 0, "item": item}),
        Raw({"type": "response.content_part.added", "part": part} | place),
        Raw(delta | place | {"logprobs": []}),
        Wait(0.2),
        Drop(),
    )

    events = await chat.say("hello")

    assert open_items(events) == set()
    assert await shown(chat, events) == [
        "user_message",
        "Half of an",
        "The connection broke off. Try again.",
    ]
    assert (await Run.objects.aget()).reason == "broken_off"


async def test_a_message_that_ends_under_another_id_is_there_once(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    item = {"id": "msg_0", "type": "message", "role": "assistant", "content": []}
    model.respond_with(
        Raw({"type": "response.output_item.added", "output_index": 0, "item": item}),
        Text("Hello."),
    )

    events = await chat.say("hello")

    assert open_items(events) == set()
    assert await shown(chat, events) == ["user_message", "Hello."]


def added(item: types.ThreadItem) -> types.ThreadItemAddedEvent:
    return types.ThreadItemAddedEvent(item=item)


class Breaking(TestServer):
    """A server whose answer begins an item of each type, and then fails."""

    __test__ = False
    error: Exception = RuntimeError("secret")

    async def respond(
        self, thread: types.ThreadMetadata, message: Any, context: Any
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        shared = {"thread_id": thread.id, "created_at": times.now()}
        card = Card(children=[WidgetText(id="text", value="Hel")])
        yield added(types.WidgetItem(id="widget", widget=card, **shared))
        # As the SDK, it goes on changing what it has sent.
        words = types.WidgetStreamingTextValueDelta(
            component_id="text", delta="lo", done=False
        )
        yield types.ThreadItemUpdatedEvent(item_id="widget", update=words)
        flow = types.Workflow(type="custom", tasks=[])
        yield added(types.WorkflowItem(id="flow", workflow=flow, **shared))
        task = types.CustomTask(title="Looking")
        flow.tasks.append(task)
        update = types.WorkflowTaskAdded(task=task, task_index=0)
        yield types.ThreadItemUpdatedEvent(item_id="flow", update=update)
        idle = types.Workflow(type="reasoning", tasks=[])
        yield added(types.WorkflowItem(id="idle", workflow=idle, **shared))
        empty = types.AssistantMessageItem(id="empty", content=[], **shared)
        yield added(empty)
        call = types.ClientToolCallItem(
            id="call", call_id="call", name="x", arguments={}, **shared
        )
        yield added(call)
        raise self.error


async def test_items_of_every_type_end_before_the_error(
    chat: ChatClient, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.test_ends.Breaking"
    }

    events = await chat.say("hello")

    assert open_items(events) == set()
    assert of_type(events, "thread.item.removed") == [
        {"type": "thread.item.removed", "item_id": name}
        for name in ("idle", "empty", "call")
    ]
    assert events[-1]["type"] == "error"
    assert await shown(chat, events) == [
        "user_message",
        "widget",
        "workflow",
        "This site has a fault that its staff must mend.",
    ]
    page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    _, widget, workflow, _ = page["items"]["data"]
    assert widget["widget"]["children"][0]["value"] == "Hello"
    assert [task["title"] for task in workflow["workflow"]["tasks"]] == ["Looking"]


async def test_the_words_of_the_project_are_kept(
    chat: ChatClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "SERVER": "tests.test_ends.Breaking"
    }
    told = CustomStreamError("The studio is closed.", allow_retry=True)
    monkeypatch.setattr(Breaking, "error", told)

    events = await chat.say("hello")

    assert events[-1] == {
        "type": "error",
        "code": "custom",
        "message": "The studio is closed.",
        "allow_retry": True,
    }
    assert (await shown(chat, events))[-1] == "The studio is closed."


async def test_an_image_without_a_final_keeps_its_newest_preview(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(result=False, partials=1), Text("Sorry."))

    events = await chat.say("a fox")

    image = await GeneratedImage.objects.aget()
    assert (image.status, image.reason, image.is_shown) == ("failed", "no_result", True)
    assert await shown(chat, events) == [
        "user_message",
        "generated_image",
        "This is only a preview. The image could not be generated.",
        "Sorry.",
    ]
    (item,) = done_items(events, "generated_image")
    assert (await chat.get(item["image"]["url"])).status_code == 200


async def test_a_preview_of_a_blocked_image_is_not_shown(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(FailedImage(partials=1), Text("Sorry."))

    events = await chat.say("something awful")

    assert await shown(chat, events) == ["user_message", IMAGE_BLOCKED, "Sorry."]


def own_words(row: GeneratedImage | Run, words: str) -> str | None:
    if row.reason == "rate_limited":
        return f"Wait {row.failure['retry_after']:.0f} s."
    if row.reason == "quota":
        raise ValueError("The project's own fault")
    return None


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (HTTPError(429, "rate_limit_exceeded", "Try again in 7s."), "Wait 7 s."),
        (HTTPError(400, "content_filter", "No."), BLOCKED),
        (
            HTTPError(429, "insufficient_quota", "No."),
            "The quota of this service is used up.",
        ),
    ],
    ids=["own", "default", "fault"],
)
async def test_a_project_has_words_of_its_own(
    chat: ChatClient, model: LoopbackAPI, settings: Any, refusal: Any, words: str
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "NOTES": "tests.test_ends.own_words"
    }
    model.respond_with(refusal)

    events = await chat.say("hello")

    assert of_type(events, "error")[0]["message"] == words
    assert (await shown(chat, events))[-1] == words


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (None, "Try again in a moment."),
        (0.2, "Try again in 1 second."),
        (119, "Try again in 119 seconds."),
        (121, "Try again in 3 minutes."),
        ("soon", "Try again in a moment."),
    ],
)
def test_how_long_the_person_has_to_wait(wait: Any, words: str) -> None:
    run = Run(status="failed", reason="rate_limited", failure={"retry_after": wait})
    assert notes.words(run) == f"There are too many requests. {words}"


@pytest.mark.parametrize(
    ("row", "words", "may_retry"),
    [
        (GeneratedImage(status="blocked"), IMAGE_BLOCKED, False),
        (
            GeneratedImage(status="failed", error_code="not_saved"),
            "The image was made but could not be saved.",
            True,
        ),
        (
            GeneratedImage(status="failed", error_code="x", failure=None),
            "The image could not be generated.",
            True,
        ),
        (Run(status="failed"), "Something went wrong. Try again.", True),
        (
            Run(status="interrupted", reason="of a later version"),
            "The answer was interrupted. Try again.",
            True,
        ),
    ],
)
def test_rows_of_other_versions_have_words_too(
    row: GeneratedImage | Run, words: str, may_retry: bool
) -> None:
    assert notes.words(row) == words
    assert notes.may_retry(row) is may_retry


@override_settings(CHATKIT_IMAGES={"NOTES": "tests.test_ends.nothing"})
def test_a_function_for_notes_that_is_not_there_is_an_error_of_the_checks() -> None:
    from chatkit_images.checks import check_settings

    ids = [message.id for message in check_settings(None)]
    assert "chatkit_images.E011" in ids
