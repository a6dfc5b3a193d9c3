"""A function tool that returns an image to the model."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from agents import Agent, ToolOutputImage, function_tool
from chatkit import types

from chatkit_images.context import RequestContext
from tests.chat import TestServer
from tests.sources_matrix.gates import planned
from tests.sources_matrix.sources import FINAL


@function_tool
async def generate(prompt: str) -> ToolOutputImage:
    """Generate an image of the prompt."""
    plan = planned()
    await asyncio.to_thread(plan.hold)
    if plan.end == "failure":
        raise RuntimeError("The printer is out of ink.")
    return whole()


@function_tool
async def trace() -> ToolOutputImage:
    """Return an image at once, whatever the plan is."""
    return whole()


def whole() -> ToolOutputImage:
    data = base64.b64encode(FINAL).decode()
    return ToolOutputImage(image_url=f"data:image/png;base64,{data}")


class Server(TestServer):
    """Its agent has the tools."""

    keeps_tool_images = True

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        base: Agent[Any] = super().get_agent(thread, context)
        return base.clone(tools=[generate, trace], tool_use_behavior="run_llm_again")
