"""Titles are made beside the answer, and harm nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from chatkit import types

from chatkit_images.models import Run, Thread
from chatkit_images.server import titles
from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.client import message as user_message


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """Return a function that sets the hook; it returns what the hook was asked."""
    asked: list[str] = []

    def name(title: Any) -> list[str]:
        async def get_title(
            self: Any, thread: types.ThreadMetadata, message: Any, context: Any
        ) -> Any:
            asked.append(message.content[0].text)
            return await title()

        monkeypatch.setattr(TestServer, "get_title", get_title)
        return asked

    return name


def titles_of(events: list[dict[str, Any]]) -> list[Any]:
    return [event["thread"]["title"] for event in of_type(events, "thread.updated")]


async def failing() -> str:
    raise RuntimeError("no title")


async def hanging() -> str:
    await asyncio.Event().wait()
    return "Never"


async def given() -> str:
    return "A fox"


async def test_a_title_comes_with_the_answer(
    chat: ChatClient, model: LoopbackAPI, named: Any
) -> None:
    asked = named(given)
    model.respond_with(Text("Done."))
    events = await chat.say("a fox, please")
    assert titles_of(events) == ["A fox"]
    assert (await Thread.objects.aget()).title == "A fox"
    # It is asked for once.
    await chat.say("and a hare", thread_id(events))
    assert asked == ["a fox, please"]


async def test_the_model_does_not_wait_for_the_title(
    chat: ChatClient, model: LoopbackAPI, named: Any
) -> None:
    begun = asyncio.Event()

    async def after_the_model() -> str:
        while not model.requests:
            await asyncio.sleep(0.01)
        begun.set()
        return "Thought over"

    named(after_the_model)
    model.respond_with(Text("Done."))
    events = await chat.say("a fox")
    assert begun.is_set()
    assert done_items(events, "assistant_message")
    assert titles_of(events) == ["Thought over"]


@pytest.mark.parametrize("title", [failing, hanging])
async def test_a_title_that_fails_or_hangs_costs_nothing(
    chat: ChatClient,
    model: LoopbackAPI,
    named: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    title: Any,
) -> None:
    monkeypatch.setattr(titles, "MOMENT", 0.05)
    monkeypatch.setattr(titles, "TITLE_SECONDS", 0.2)
    named(title)
    model.respond_with(Text("Done."))
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="chatkit_images"):
        events = await chat.say("a fox")
        assert time.monotonic() - began < 5
        await until(lambda: "has no title yet" in caplog.text)
    assert of_type(events, "error") == []
    assert done_items(events, "assistant_message")
    assert (await Run.objects.aget()).status == "completed"
    assert (await Thread.objects.aget()).title is None

    # A later turn asks again.
    asked = named(given)
    events = await chat.say("and a hare", thread_id(events))
    assert asked[-1] == "and a hare"
    assert titles_of(events) == ["A fox"]
    assert (await Thread.objects.aget()).title == "A fox"


async def test_a_plain_function_may_fail_too(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def get_title(*args: Any) -> str:
        raise RuntimeError("no title")

    monkeypatch.setattr(TestServer, "get_title", get_title)
    model.respond_with(Text("Done."))
    events = await chat.say("a fox")
    assert of_type(events, "error") == []
    assert done_items(events, "assistant_message")
    assert "has no title yet" in caplog.text
    monkeypatch.setattr(TestServer, "get_title", lambda *args: "A fox")
    assert titles_of(await chat.say("again", thread_id(events))) == ["A fox"]


async def test_a_title_that_comes_after_the_answer_is_saved(
    chat: ChatClient, model: LoopbackAPI, named: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "MOMENT", 0.01)
    gate = asyncio.Event()

    async def late() -> str:
        await gate.wait()
        return "Late"

    asked = named(late)
    model.respond_with(Text("Done."))
    events = await chat.say("a fox")
    assert titles_of(events) == []
    # The next turn does not ask for another one meanwhile.
    await chat.say("and a hare", thread_id(events))
    assert asked == ["a fox"]
    gate.set()

    async def saved() -> bool:
        return (await Thread.objects.aget()).title == "Late"

    while not await saved():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("early", [True, False])
async def test_a_rename_by_the_person_wins(
    chat: ChatClient,
    model: LoopbackAPI,
    named: Any,
    monkeypatch: pytest.MonkeyPatch,
    early: bool,
) -> None:
    """Whether it comes before the title or after it."""
    gate = Gate()
    renamed = asyncio.Event()

    async def wait() -> str:
        if early:
            await renamed.wait()
        return "A fox"

    named(wait)
    model.respond_with(gate, Text("Done."))
    answer = asyncio.ensure_future(chat.say("a fox"))
    await until(gate.reached.is_set)
    if not early:
        while not await Thread.objects.filter(title="A fox").aexists():
            await asyncio.sleep(0.01)
    thread = await Thread.objects.aget()
    await chat.call("threads.update", thread_id=thread.pk, title="My fox")
    renamed.set()
    gate.open()
    events = await answer
    assert of_type(events, "error") == []
    assert (await Thread.objects.aget()).title == "My fox"
    if early:
        assert titles_of(events) == ["My fox"]
    again = await chat.say("and a hare", thread.pk)
    assert done_items(again, "assistant_message")
    assert (await Thread.objects.aget()).title == "My fox"


async def test_what_a_turn_changes_beside_its_title_is_kept(
    chat: ChatClient, model: LoopbackAPI, named: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_agent = TestServer.run_agent

    def noting(self: Any, agent: Any, agent_input: Any, agent_context: Any) -> Any:
        agent_context.thread.metadata["seen"] = True
        return run_agent(self, agent, agent_input, agent_context)

    monkeypatch.setattr(TestServer, "run_agent", noting)
    named(given)
    model.respond_with(Text("Done."))
    await chat.say("a fox")
    thread = await Thread.objects.aget()
    assert (thread.title, thread.metadata) == ("A fox", {"seen": True})


@pytest.mark.parametrize("error", [RuntimeError("none"), asyncio.CancelledError()])
async def test_a_plain_hook_that_fails_costs_no_answer(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    def get_title(*args: Any) -> str:
        raise error

    monkeypatch.setattr(TestServer, "get_title", get_title)
    model.respond_with(Text("Done."))
    events = await chat.say("a fox")
    assert done_items(events, "assistant_message")
    assert (await Run.objects.aget()).status == "completed"


async def test_a_blank_title_is_none(
    chat: ChatClient, model: LoopbackAPI, named: Any
) -> None:
    async def blank() -> str:
        return " \n"

    named(blank)
    await chat.say("a fox")
    assert not (await Thread.objects.aget()).title


async def test_a_thread_that_is_deleted_gets_no_title(
    chat: ChatClient, model: LoopbackAPI, named: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "MOMENT", 0.01)
    gate, ended = asyncio.Event(), asyncio.Event()

    async def late() -> str:
        await gate.wait()
        ended.set()
        return "Late"

    named(late)
    model.respond_with(Text("Done."))
    events = await chat.say("a fox")
    await chat.call("threads.delete", thread_id=thread_id(events))
    gate.set()
    await ended.wait()
    assert not await Thread.objects.aexists()
    # The person can begin another chat.
    named(given)
    params = {"input": user_message("a hare")}
    assert titles_of(await chat.stream("threads.create", **params)) == ["A fox"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
