"""The agent of a long thread, and the model that it asks in this process."""

from __future__ import annotations

from typing import Any

import httpx2
from agents import Agent, ImageGenerationTool, OpenAIResponsesModel
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from chatkit_images.testing import LoopbackAPI


def designer(api: LoopbackAPI) -> Agent[Any]:
    """Return the agent, which asks a model in this process."""
    transport = httpx2.ASGITransport(app=api)
    client = AsyncOpenAI(
        base_url="http://loopback/v1",
        api_key="loopback",
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(transport=transport),
    )
    tool = {"type": "image_generation", "partial_images": 0}
    return Agent(
        name="designer",
        instructions="Generate images when asked.",
        model=OpenAIResponsesModel(model="gpt-4.1", openai_client=client),
        tools=[ImageGenerationTool(tool_config=tool)],  # type: ignore[arg-type]
    )


class Model(LoopbackAPI):
    """Tells when it has a request."""

    def __init__(self, meter: Any) -> None:
        super().__init__()
        self._meter = meter

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        self._meter.arrived()
        await super().__call__(scope, receive, send)
