"""A server whose answers are the SDK's own: only the converter is this app's."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agents import Runner
from chatkit import agents as sdk
from chatkit import types
from chatkit.agents import AgentContext

from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from tests.chat import TestServer


class SdkServer(TestServer):
    """Answers through ``chatkit.agents.stream_agent_response``."""

    __test__ = False

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        agent_context = AgentContext(
            thread=thread, store=self.store, request_context=context
        )
        result = Runner.run_streamed(
            self.get_agent(thread, context),
            "a fox",
            context=agent_context,
            run_config=self.get_run_config(thread, context),
        )
        converter = DjangoResponseStreamConverter(thread, context, partial_images=2)
        async for event in sdk.stream_agent_response(
            agent_context, result, converter=converter
        ):
            yield event
