"""What the task of a run does while the project's code generates an image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from agents import Agent, RunResultStreaming, StreamEvent
from chatkit import types
from chatkit.agents import AgentContext

from .. import models, notes, times
from ..agents import stream_agent_response
from ..awaiting import awaited
from ..context import RequestContext
from ..exceptions import GenerationRefused, GenerationStopped
from ..protocol import person_texts
from ..queries import preflight
from ..server import DjangoChatKitServer
from .generation_request import ImagesGenerateParams, ImagesGenerateReq
from .task import RunTask


class GenerationTask(RunTask):
    """Streams what a block of the project's code generates, in a task of its own.

    The block goes on in the task of its caller.

    Attributes:
        ready: Set when the block may begin, or when it never will.
        agent_context: The context of the stream; ``None`` if the block cannot begin.
        result: What the stream has of the block, in the place of an agent's run.
    """

    needs_reader = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.unasked = True
        self.ready = asyncio.Event()
        self.agent_context: AgentContext[RequestContext] | None = None
        self.result = BlockResult(self.ready)

    async def claim(self) -> None:
        """Claim the thread, if the server takes what the person says.

        Raises:
            Exception: Why the thread cannot be claimed, or the database's own.
        """
        params = self._params
        if params.input is not None:
            said = types.ThreadsAddUserMessageReq(
                params=types.ThreadAddUserMessageParams(
                    thread_id=params.thread_id, input=params.input
                )
            )
            person_texts.cut(said)
            params.input = said.params.input
            await self._django.check_request(said, self._context)
        preflight.check_ids([params.thread_id])
        await super().claim()

    async def answer(self, body: bytes) -> None:
        """Do as any run. Whoever waits to begin is told if it ends before."""
        try:
            await super().answer(body)
        finally:
            self.ready.set()

    def error(self) -> Exception | None:
        """Return why an ended run has no result, for whoever called for it."""
        if self.failure is not None:
            return self.failure
        if self.end is None or self.end.status == models.Run.Status.COMPLETED:
            return None
        run = models.Run(status=self.end.status, **self.end.columns())
        return GenerationStopped(run.reason, notes.words(run))

    async def _chunks(self, body: bytes) -> AsyncIterator[bytes]:
        server, context, params = self._django, self._context, self._params
        thread = await server.store.load_thread(params.thread_id, context)
        if (refusal := await server.refusal(thread, context)) is not None:
            raise GenerationRefused("".join(part.text for part in refusal.content))
        message = None
        if params.input is not None:
            message = types.UserMessageItem(
                id=server.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                created_at=times.now(),
                attachments=[],
                content=params.input.content,
                inference_options=params.input.inference_options,
            )
            context = await server.turn_context(thread.id, message, context)
        return server.write_answer(
            thread, context, lambda: self._events(thread, message, context)
        )

    async def _events(
        self,
        thread: types.ThreadMetadata,
        message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        if message is not None:
            yield types.ThreadItemDoneEvent(item=message)
        server, agent = self._django, Agent[Any](name=self._request.type)
        saver = await awaited(
            server.get_response_stream_converter(thread, context, agent)
        )
        self.agent_context = await awaited(server.get_agent_context(thread, context))
        asked = self.state.asked
        asked.ask(self._params.provider, self._params.model)
        events = stream_agent_response(
            self.agent_context,
            cast("RunResultStreaming", self.result),
            converter=saver,
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, types.ThreadItemUpdatedEvent):
                    asked.hear("image")
                yield event

    @property
    def _params(self) -> ImagesGenerateParams:
        return cast("ImagesGenerateReq", self._request).params

    @property
    def _django(self) -> DjangoChatKitServer:
        return cast("DjangoChatKitServer", self._server)


class BlockResult:
    """Stands in for the streamed run of an agent while a block goes on.

    Args:
        ready: Set when the stream takes images.
    """

    def __init__(self, ready: asyncio.Event) -> None:
        self._ready = ready
        self._over = asyncio.Event()
        self._error: Exception | None = None

    async def stream_events(self) -> AsyncIterator[StreamEvent]:
        """Yield no event of a model, until the block is over.

        Raises:
            Exception: What the block has raised.
        """
        self._ready.set()
        await self._over.wait()
        if self._error is not None:
            raise self._error
        return
        yield

    def cancel(self, mode: str = "immediate") -> None:
        """Do nothing: a stream that closes cancels the blocks of its images."""

    def finish(self, error: Exception | None) -> None:
        """End the stream of the block, which has raised an error or none."""
        self._error = error
        self._over.set()
