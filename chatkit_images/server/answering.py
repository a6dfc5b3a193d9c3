"""The answer to a message, by the project's agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from chatkit import types

from ..awaiting import awaited
from ..context import RequestContext
from ..queries import threads
from .attempts import stream_answer
from .hooks import turn_config
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
        # The project may call this with a message of its own.
        context = await self.turn_context(thread.id, input_user_message, context)
        threads.remember(thread)
        title = await self.begin_title(thread, input_user_message, context)
        refusal = await self.refusal(thread, context)
        if refusal is not None:
            yield types.ThreadItemDoneEvent(item=refusal)
            await self.wait_for_title(title)
            return
        agent = await awaited(self.get_agent(thread, context))
        agent_context = await awaited(self.get_agent_context(thread, context))
        config = await awaited(self.get_run_config(thread, context))
        turn_config.set((agent_context, config))
        events = stream_answer(
            agent_context,
            await awaited(self.get_history(thread, context)),
            lambda agent_input: self.run_agent(agent, agent_input, agent_context),
            agent=agent,
            config=config,
            converter=self.get_thread_item_converter(thread, context),
            saver=self.get_response_stream_converter(thread, context, agent),
            keeps_tool_images=self.keeps_tool_images,
        )
        async with aclosing(events):
            async for event in events:
                yield event
        await self.wait_for_title(title)
