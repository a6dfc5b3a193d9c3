"""The servers of docs/image-sources.md, with the clients that their readers install."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image as Pillow

from chatkit_images.models import GeneratedImage, ImageSource
from chatkit_images.testing import (
    FailedImage,
    Gate,
    Image,
    LoopbackAPI,
    Text,
    ToolCall,
    Usage,
)
from tests.client import (
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)
from tests.image_files import image_file

from .pages import Block, blocks
from .shop import module, serving

PAGE = "image-sources.md"
FINAL, PREVIEW = image_file("green"), image_file("red")


def part(name: str) -> Block:
    (found,) = blocks("python", name=f"shop/{name}.py")
    return found


def call(model: LoopbackAPI, tool: str = "generate", **arguments: Any) -> None:
    """Let the model call a tool, and then say something."""
    model.respond_with(ToolCall(tool, arguments or {"prompt": "a fox"}))
    model.respond_with(Text("Here."))


async def shown(chat: ChatClient, events: list[dict[str, Any]]) -> bytes:
    """Return the bytes of the one image in an answer."""
    assert of_type(events, "error") == []
    (item,) = done_items(events, "generated_image")
    return bytes((await chat.get(item["image"]["url"])).content)


def previews(events: list[dict[str, Any]]) -> int:
    updates = [event["update"] for event in of_type(events, "thread.item.updated")]
    return len([each for each in updates if each["type"] == "generated_image.updated"])


def answers(model: LoopbackAPI) -> list[str]:
    """Return what tools have told the model."""
    items = model.requests[-1]["input"]
    return [str(i["output"]) for i in items if i.get("type") == "function_call_output"]


@contextmanager
def with_pipeline() -> Iterator[ModuleType]:
    """Let ``shop.pipeline`` be the page's."""
    package = sys.modules["shop"] = ModuleType("shop")
    package.__path__ = []
    made = sys.modules["shop.pipeline"] = module("shop.pipeline", part("pipeline"))
    try:
        yield made
    finally:
        for name in ("shop", "shop.pipeline"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "name", ["openai_images", "edits", "gemini", "local", "images_mcp", "mcp_images"]
)
def test_an_example_is_short(name: str) -> None:
    assert len([line for line in part(name).text.splitlines() if line.strip()]) < 30


@pytest.mark.parametrize("name", ["openai_images", "gemini"])
async def test_a_provider_draws_with_previews(
    chat: ChatClient, model: LoopbackAPI, name: str
) -> None:
    if name == "gemini":
        pytest.importorskip("google.genai", reason="It is not installed.")
    asked = model.gemini if name == "gemini" else model.images
    call(model)
    gate = Gate()
    drawn = Image(partials=1, data=FINAL, preview=PREVIEW, gate=gate)
    asked.respond_with(drawn, Usage(10, 1100))
    with serving(part(name)):
        request = {"input": message("a red fox")}
        response = await chat.request_op("threads.create", request)
        events = []
        async for event in read_events(response):
            events.append(event)
            if previews(events) == 1:
                # The image would overtake its preview.
                gate.open()
        assert await shown(chat, events) == FINAL
        assert previews(events) == 2
        row = await GeneratedImage.objects.aget()
        assert (row.source, row.prompt, row.status) == ("own", "a fox", "completed")
        assert 1100 in row.usage.values()
        assert row.image_id in answers(model)[0]

        call(model)
        asked.respond_with(FailedImage())
        events = await chat.say("another one", thread_id(events))
    row = await GeneratedImage.objects.exclude(pk=row.pk).aget()
    assert (row.status, row.reason) == ("blocked", "blocked")
    assert "Do not try again" in answers(model)[-1]
    assert len(asked.requests) == 2


async def test_an_edit_is_a_version_of_the_newest_image(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    call(model)
    with serving(part("openai_images")):
        events = await chat.say("a red fox")
    before = await shown(chat, events)
    call(model, "edit", prompt="now at night")
    with serving(part("edits")):
        events = await chat.say("now at night", thread_id(events))
    assert "The image is ready" in answers(model)[-1], answers(model)
    assert await shown(chat, events) != before
    first, second = [row async for row in GeneratedImage.objects.order_by("created_at")]
    asked = model.images.requests[-1]
    assert (asked["path"], asked["image"], asked["stream"]) == ("edits", [before], True)
    edited = [source async for source in ImageSource.objects.filter(role="edited")]
    assert [(e.image_id, e.source_image_id) for e in edited] == [(second.pk, first.pk)]


async def test_a_generator_in_a_thread_shows_each_step(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    call(model)
    with with_pipeline(), serving(part("local")):
        events = await chat.say("a red fox")
    image = Pillow.open(io.BytesIO(await shown(chat, events)))
    assert image.getpixel((300, 300)) == (255, 165, 0)
    row = await GeneratedImage.objects.aget()
    assert (row.source, row.model, row.status) == ("own", "local", "completed")


async def test_a_generator_is_told_when_the_person_stops(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    gate = Gate()
    call(model)
    with with_pipeline() as made:
        steps: list[bool] = []
        over = threading.Event()

        def pipeline(prompt: str, callback_on_step_end: Any) -> Any:
            canvas = Pillow.new("RGB", (8, 8))
            for step in range(2):
                callback_on_step_end(generator, step, 1, {"latents": canvas})
                steps.append(generator._interrupt)
                if step == 0:
                    gate.reached.set()
                    gate.opened.wait(30)
            over.set()
            return canvas

        generator, made.pipeline = made.pipeline, pipeline
        with serving(part("local")):
            saying = asyncio.ensure_future(chat.say("a red fox"))
            await asyncio.to_thread(gate.reached.wait, 30)
            row = await GeneratedImage.objects.aget()
            await chat.post(f"/chatkit/threads/{row.thread_id}/stop/")
            await saying
            gate.open()
            assert await asyncio.to_thread(over.wait, 30)
    assert steps == [False, True]
    row = await GeneratedImage.objects.aget()
    assert row.status == "cancelled"


async def test_an_mcp_server_returns_an_image(
    chat: ChatClient,
    model: LoopbackAPI,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "images_mcp.py").write_text(part("images_mcp").text)
    # Where manage.py is; the program is started beside it.
    monkeypatch.chdir(tmp_path)
    call(model, "chart", shares=[60, 40])
    with serving(part("mcp_images")):
        events = await chat.say("the shares of 60 and 40 as a chart")
    image = Pillow.open(io.BytesIO(await shown(chat, events)))
    assert image.size == (512, 512)
    assert len(image.getcolors() or ()) >= 3
    row = await GeneratedImage.objects.aget()
    assert (row.source, row.status) == ("mcp", "completed")
