"""The answer to a message, by the project's agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from chatkit import types

from ..agents import stream_agent_response
from ..context import RequestContext
from ..queries import threads
from .hooks import awaited
from .quotas import QuotaMixin
from .titles import TitleMixin


class AnsweringMixin(TitleMixin, QuotaMixin):
    """Answers with the project's agent."""

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        """Run the project's agent on the thread and stream its answer."""
        threads.remember(thread)
        title = self.begin_title(thread, input_user_message, context)
        refusal = await self.refusal(thread, context)
        if refusal is not None:
            yield types.ThreadItemDoneEvent(item=refusal)
            await self.wait_for_title(title)
            return
        agent = await awaited(self.get_agent(thread, context))
        converter = self.get_thread_item_converter(thread, context)
        history = await self.get_history(thread, context)
        agent_context = self.get_agent_context(thread, context)
        result = self.run_agent(
            agent, await converter.to_agent_input(history), agent_context
        )
        events = stream_agent_response(
            agent_context,
            result,
            converter=self.get_response_stream_converter(thread, context, agent),
        )
        async with aclosing(events):
            async for event in events:
                yield event
        await self.wait_for_title(title)
