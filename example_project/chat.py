"""The agent of the example project: a designer that draws what it is asked for."""

from __future__ import annotations

from functools import cache

from agents import Agent, ImageGenerationTool, OpenAIResponsesModel, RunConfig
from chatkit.types import ThreadMetadata
from django.conf import settings
from openai import AsyncOpenAI

from chatkit_images.agents import ImageHttpxClient
from chatkit_images.context import RequestContext
from chatkit_images.server import DjangoChatKitServer

INSTRUCTIONS = """\
You are a designer who works in images. Generate an image whenever the user asks
for one or asks to change one. When the user wants a change, start from the latest
image of the conversation and keep everything they did not mention. Answer in one
or two short sentences."""


@cache
def loopback_client() -> AsyncOpenAI:
    """Return the client of the loopback model, made on first use and kept."""
    return AsyncOpenAI(
        base_url=settings.LOOPBACK_URL,
        api_key="loopback",
        http_client=ImageHttpxClient(),
    )


@cache
def openai_client() -> AsyncOpenAI:
    """Return OpenAI's client, which reads images past the SDKs."""
    return AsyncOpenAI(http_client=ImageHttpxClient())


class DesignServer(DjangoChatKitServer):
    """ChatKit server of the example project."""

    def get_agent(
        self, thread: ThreadMetadata, context: RequestContext
    ) -> Agent[RequestContext]:
        """Return the designer, on OpenAI's model or on the loopback one."""
        return Agent(
            name="Designer",
            instructions=INSTRUCTIONS,
            model=OpenAIResponsesModel(
                model=settings.OPENAI_MODEL, openai_client=self.get_openai_client()
            ),
            tools=[
                ImageGenerationTool(
                    tool_config={"type": "image_generation", "partial_images": 3}
                )
            ],
        )

    def get_run_config(
        self, thread: ThreadMetadata, context: RequestContext
    ) -> RunConfig | None:
        """Send no traces where there is no key to send them with."""
        if settings.LOOPBACK:
            return RunConfig(tracing_disabled=True)
        return super().get_run_config(thread, context)

    def get_openai_client(self) -> AsyncOpenAI:
        """Return the client of the designer and of dictation."""
        return loopback_client() if settings.LOOPBACK else openai_client()
