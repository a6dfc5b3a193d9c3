"""The server under test: every hook a project would write, on the loopback model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import (
    Agent,
    ImageGenerationTool,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    StopAtTools,
    function_tool,
)
from chatkit import types
from chatkit.actions import Action
from chatkit.agents import AgentContext, ClientToolCall
from chatkit.errors import CustomStreamError
from chatkit.widgets import Card, Text
from django.conf import settings
from django.utils.module_loading import import_string
from openai import AsyncOpenAI

from chatkit_images import times
from chatkit_images.agents import ImageHttpxClient
from chatkit_images.context import RequestContext
from chatkit_images.server import DjangoChatKitServer


@function_tool
async def pick_colour(wrapper: RunContextWrapper[AgentContext[Any]], hint: str) -> str:
    """Ask the page for a colour."""
    wrapper.context.client_tool_call = ClientToolCall(
        name="pick_colour", arguments={"hint": hint}
    )
    return "asked"


@function_tool
async def show_card(wrapper: RunContextWrapper[AgentContext[Any]], text: str) -> str:
    """Show a card."""
    await wrapper.context.stream_widget(Card(children=[Text(value=text, id="text")]))
    return "shown"


@function_tool
async def ask(wrapper: RunContextWrapper[AgentContext[Any]], question: str) -> str:
    """Ask the person."""
    context = wrapper.context
    item = types.StructuredInputItem(
        id=context.generate_id("message"),
        thread_id=context.thread.id,
        created_at=times.now(),
        inputs=[types.StructuredInputFreeform(id="q1", question=question)],
    )
    await context.stream(types.ThreadItemDoneEvent(item=item))
    return "asked"


@function_tool
async def whisper(wrapper: RunContextWrapper[AgentContext[Any]], text: str) -> str:
    """Keep something from the client, by every event there is."""
    context = wrapper.context
    item = types.HiddenContextItem(
        id=context.generate_id("message"),
        thread_id=context.thread.id,
        created_at=times.now(),
        content=text,
    )
    context.thread.metadata["secret"] = text
    for event in (
        types.ThreadItemAddedEvent(item=item),
        types.ThreadItemReplacedEvent(item=item),
        types.ThreadItemDoneEvent(item=item),
        types.ThreadUpdatedEvent(
            thread=types.Thread(
                **context.thread.model_dump(exclude={"items"}), items=types.Page()
            )
        ),
    ):
        await context.stream(event)
    return "kept"


class EveryImage(ImageHttpxClient):
    """Takes the small images of the tests out of the stream, too."""

    shortest = 1


class TestServer(DjangoChatKitServer):
    """Answers with whatever the loopback model has been told to do."""

    __test__ = False

    def get_openai_client(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            base_url=settings.LOOPBACK_URL,
            api_key="loopback",
            max_retries=0,
            # It speaks no TLS; each client would read all certificates for it.
            http_client=import_string(settings.HTTP_CLIENT)(verify=False),
            # A test's event loop ends with the test; so must its connections.
            default_headers={"Connection": "close"},
        )

    def get_run_config(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> RunConfig:
        return RunConfig(tracing_disabled=True)

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        return Agent(
            name="designer",
            model=OpenAIResponsesModel(
                model="gpt-4.1", openai_client=self.get_openai_client()
            ),
            tools=[
                pick_colour,
                show_card,
                ask,
                whisper,
                ImageGenerationTool(
                    tool_config={"type": "image_generation", "partial_images": 3}
                ),
            ],
            tool_use_behavior=StopAtTools(
                stop_at_tool_names=["pick_colour", "show_card", "ask", "whisper"]
            ),
        )

    async def action(
        self,
        thread: types.ThreadMetadata,
        action: Action[str, Any],
        sender: types.WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        yield types.ThreadItemDoneEvent(
            item=types.AssistantMessageItem(
                id=self.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                created_at=times.now(),
                content=[types.AssistantMessageContent(text=f"did {action.type}")],
            )
        )
        if action.type == "refuse":
            raise CustomStreamError("No more of that.")

    async def sync_action(
        self,
        thread: types.ThreadMetadata,
        action: Action[str, Any],
        sender: types.WidgetItem | None,
        context: RequestContext,
    ) -> types.SyncCustomActionResponse:
        return types.SyncCustomActionResponse(updated_item=sender)
