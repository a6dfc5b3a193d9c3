"""What the examples of contexts tell a tool, at both doors, later and on retries."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chatkit_images.models import Run
from chatkit_images.testing import LoopbackAPI, Text, ToolCall
from tests.asgi import doors
from tests.client import ChatClient, ask_asgi, message, receive_stream

from .pages import block
from .shop import serving

# Sends a request with what the page says, and returns its events.
Send = Callable[..., Awaitable[list[dict[str, Any]]]]
each_door = pytest.mark.parametrize("door", doors)


def sender(chat: ChatClient, door: str) -> Send:
    cookie = f"sessionid={chat.cookies['sessionid'].value}".encode()

    async def send(op: str, page: dict[str, Any], **params: Any) -> Any:
        asked = await ask_asgi(doors[door], op, params, cookie, **page)
        body = await receive_stream(asked)
        if not body.startswith(b"data: "):
            return json.loads(body)
        frames = [part for part in body.split(b"\n\n") if part.startswith(b"data: ")]
        return [json.loads(frame.removeprefix(b"data: ")) for frame in frames]

    return send


async def check_turns(
    send: Send, model: LoopbackAPI, tool: str, pages: list[tuple[dict[str, Any], str]]
) -> None:
    """Ask for a first message, a second one and a retry, each from a page of its own.

    Args:
        send: Sends a request.
        model: Calls the tool.
        tool: The tool.
        pages: What each request says, and what the tool says then.
    """
    thread, question = "", ""
    for number, (page, told) in enumerate(pages):
        model.respond_with(ToolCall(tool, {}))
        model.respond_with(Text("Done."))
        if number == 0:
            events = await send("threads.create", page, input=message("this"))
            thread = events[0]["thread"]["id"]
            question = events[1]["item"]["id"]
        elif number == 1:
            op = "threads.add_user_message"
            await send(op, page, thread_id=thread, input=message("this"))
        else:
            op = "threads.retry_after_item"
            await send(op, page, thread_id=thread, item_id=question)
        (output,) = [
            item["output"]
            for item in model.requests[-1]["input"]
            if item.get("type") == "function_call_output"
        ]
        assert output == told


async def contexts() -> list[Any]:
    """Return the contexts of all runs, as another process makes them."""
    runs = Run.objects.select_related("user").order_by("created_at")
    return [run.to_context() async for run in runs]


@each_door
async def test_a_tool_reads_a_header(
    chat: ChatClient, model: LoopbackAPI, door: str
) -> None:
    send = sender(chat, door)
    part = block("context.md", "From a header")
    with serving(part) as shop:
        pages = [
            ({"headers": [(b"article-id", b"harbour")]}, shop.ARTICLES["harbour"]),
            ({"headers": [(b"article-id", b"lights")]}, shop.ARTICLES["lights"]),
            ({}, "No article is open."),
        ]
        await check_turns(send, model, "get_current_page", pages)
        articles = [context.article for context in await contexts()]
        assert articles == ["harbour", "lights", ""]
        assert await send("threads.list", {}, limit=1)


@each_door
async def test_a_tool_reads_what_the_page_says(
    chat: ChatClient, model: LoopbackAPI, door: str
) -> None:
    send = sender(chat, door)
    part = block("context.md", "From the page")
    with serving(part) as shop:
        mug, bowl = shop.PRODUCTS.values()
        pages = [
            ({"metadata": {"marked": ["bowl", "gone", "mug"]}}, f"{mug}; {bowl}"),
            ({"metadata": {"marked": ["mug"]}}, mug),
            ({"metadata": {"marked": {"bowl": 1}}}, bowl),
        ]
        await check_turns(send, model, "get_marked_products", pages)
        marked = [context.marked for context in await contexts()]
        assert marked == [("mug", "bowl"), ("mug",), ("bowl",)]

        for metadata in ({}, {"marked": None}, {"marked": 7}):
            events = await send(
                "threads.create", {"metadata": metadata}, input=message("this")
            )
            assert events[-1]["type"] != "error"
            names = [tool.get("name") for tool in model.requests[-1]["tools"]]
            assert names == [None]
