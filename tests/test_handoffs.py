"""Images of an agent to which another one has handed over."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent, ImageGenerationTool
from openai.types.responses import Response

from chatkit_images.agents.tools import expected_previews_of
from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall, Wait
from tests.chat import TestServer
from tests.client import ChatClient, done_items, of_type

IMAGES: dict[str, Any] = {"type": "image_generation"}


@pytest.mark.parametrize(
    ("tools", "count"),
    [
        ([IMAGES | {"partial_images": 2}], 2),
        ([{"type": "web_search"}, IMAGES | {"partial_images": 1}], 1),
        ([IMAGES | {"partial_images": 0}], None),
        ([IMAGES | {"partial_images": None}], None),
        ([IMAGES], None),
        ([{"type": "web_search"}], None),
        ([], None),
        (None, None),
    ],
)
def test_a_response_says_how_many_previews_to_expect(
    tools: Any, count: int | None
) -> None:
    assert expected_previews_of(Response.construct(tools=tools)) == count


@pytest.mark.parametrize("first", [None, 3])
async def test_the_progress_after_a_handoff_is_that_of_the_agent_who_paints(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    first: int | None,
) -> None:
    """Whether or not the first agent can paint too."""
    get_agent = TestServer.get_agent

    def tool(count: int) -> ImageGenerationTool:
        config: Any = {"type": "image_generation", "partial_images": count}
        return ImageGenerationTool(tool_config=config)

    def hand_over(*args: Any) -> Agent[Any]:
        agent = get_agent(*args)
        painter = agent.clone(name="painter", tools=[tool(2)])
        own: list[Any] = [tool(first)] if first else []
        return agent.clone(tools=own, handoffs=[painter])

    monkeypatch.setattr(TestServer, "get_agent", hand_over)
    model.respond_with(ToolCall("transfer_to_painter"))
    model.respond_with(Image(delay=0.3), Wait(0.1), Text("Done."))

    events = await chat.say("a fox")

    assert of_type(events, "error") == []
    assert len(done_items(events, "generated_image")) == 1
    updates = [event["update"] for event in of_type(events, "thread.item.updated")]
    shown = [update["progress"] for update in updates if "progress" in update]
    assert shown == pytest.approx([1 / 3, 2 / 3, 1])
