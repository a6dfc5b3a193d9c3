"""Which code answers which request of a client."""

from __future__ import annotations

from abc import ABC
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from chatkit import types
from chatkit.server import NonStreamingResult, StreamingResult
from pydantic import BaseModel, TypeAdapter

from .. import times
from ..context import RequestContext
from ..contexts import given_to
from ..run_state import current_state
from ..store import DjangoStore
from . import encoding, person_texts, visibility
from .first_messages import FirstMessageMixin
from .non_streaming import NonStreamingMixin
from .request_checks import RequestCheckMixin
from .retries import RetryMixin
from .stream_ends import StreamEndMixin
from .turn_messages import TurnMessageMixin
from .writing import WritingMixin

# The SDK compiles the schema for each request, which blocks the event loop for
# milliseconds.
REQUEST: TypeAdapter[types.ChatKitReq] = TypeAdapter(types.ChatKitReq)


class ProtocolServer(
    FirstMessageMixin,
    RetryMixin,
    NonStreamingMixin,
    WritingMixin,
    StreamEndMixin,
    RequestCheckMixin,
    TurnMessageMixin,
    ABC,
):
    """A ``ChatKitServer`` that never shows hidden items and checks before it writes."""

    def thread_to_claim(self, context: RequestContext) -> types.ThreadMetadata | None:
        """Return the thread that the claim of a first message's run has to make.

        Returns:
            ``None`` if a project overrides a method that makes threads, or that may
            decide against one. Then the SDK makes the thread.
        """
        mine, store = type(self), type(self.store)
        if (
            mine.process is not ProtocolServer.process
            or mine._process_streaming is not ProtocolServer._process_streaming
            or mine._process_streaming_impl
            is not ProtocolServer._process_streaming_impl
            or mine._process_new_thread_item_respond
            is not ProtocolServer._process_new_thread_item_respond
            or getattr(store, "save_thread", None) is not DjangoStore.save_thread
        ):
            return None
        key = self.store.generate_thread_id(context)
        return types.ThreadMetadata(id=key, created_at=times.now())

    async def process(
        self, request: str | bytes | bytearray, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request, as ChatKit's own method does.

        Raises:
            TypeError: If the context is no ``RequestContext``.
        """
        context = given_to(self, context)
        parsed = REQUEST.validate_json(request)
        if types.is_streaming_req(parsed):
            return StreamingResult(self._process_streaming(parsed, context))
        return NonStreamingResult(await self._process_non_streaming(parsed, context))

    def _serialize(self, obj: BaseModel) -> bytes:
        return encoding.dump(obj)

    def _to_thread_response(self, thread: types.ThreadMetadata) -> types.Thread:
        return visibility.public_thread(thread)

    async def _process_streaming_impl(
        self, request: types.StreamingReq, context: RequestContext
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        state = current_state.get()
        person_texts.cut(request)
        if isinstance(request, types.ThreadsCreateReq | types.ThreadsAddUserMessageReq):
            message = request.params.input
            message.inference_options = await self.chosen(request, context)
        elif not isinstance(request, types.ThreadsRetryAfterItemReq):
            context = await self.turn_context(request.params.thread_id, None, context)
        if isinstance(request, types.ThreadsRetryAfterItemReq):
            events = self._retry(request, context)
        elif isinstance(request, types.ThreadsCreateReq) and state and state.made:
            events = self._create(state, state.made, request, context)
        else:
            events = super()._process_streaming_impl(request, context)
        async with aclosing(self._shown(events, context)) as shown:
            async for event in shown:
                yield event

    async def write_answer(
        self,
        thread: types.ThreadMetadata,
        context: RequestContext,
        answer: Callable[[], AsyncIterator[types.ThreadStreamEvent]],
    ) -> AsyncGenerator[bytes, None]:
        """Write an answer that no request of a client asks for, as any other.

        Args:
            thread: Where it is saved.
            context: For whom it is made.
            answer: Returns its events.
        """
        events = self._process_events(thread, context, answer)
        async with aclosing(self._written(self._shown(events, context))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _shown(
        self,
        source: AsyncGenerator[types.ThreadStreamEvent, None],
        context: RequestContext,
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Yield what a client may see, and close the generator at the end."""
        async with aclosing(source) as events:
            async for event in events:
                if (shown := visibility.visible(event)) is not None:
                    await self.tell_hosts(shown, context)
                    yield shown
