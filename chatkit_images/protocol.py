"""What ``ChatKitServer`` leaves open: what a client may ask and see."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import cast

from chatkit import types
from chatkit.server import (
    DEFAULT_PAGE_SIZE,
    ChatKitServer,
    NonStreamingResult,
    StreamingResult,
)
from pydantic import BaseModel, TypeAdapter

from . import database, wire
from .agents import trackers
from .context import RequestContext
from .models import GeneratedImage
from .queries import payloads, preflight, threads
from .run_state import RunState, current_state
from .store import DjangoStore

logger = logging.getLogger(__name__)
Status = GeneratedImage.Status
# The SDK compiles it at each request, which takes the event loop milliseconds.
REQUEST: TypeAdapter[types.ChatKitReq] = TypeAdapter(types.ChatKitReq)
# Seconds for which a new thread's message waits at most for the first event.
SERVE_SECONDS = 0.1


class ProtocolServer(ChatKitServer[RequestContext], ABC):
    """A ``ChatKitServer`` that hides what is hidden and checks before it writes."""

    store: DjangoStore

    async def check_request(
        self, request: types.ChatKitReq, context: RequestContext
    ) -> None:
        """Refuse a request before anything is written. Override it to refuse more.

        Raises:
            NotFoundError: If it names what its sender does not have.
            RequestRefused: If it is not possible as things stand.
        """
        if preflight.needs_database(request):
            await database.call(preflight.check, request, context)
        else:
            preflight.check(request, context)

    def thread_to_claim(self, context: RequestContext) -> types.ThreadMetadata | None:
        """Return the thread of a first message, for the claim of its run to make.

        Returns:
            ``None`` where a project's own code makes threads, or may begin with none.
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
        return types.ThreadMetadata(id=key, created_at=payloads.now())

    async def refusal(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> types.AssistantMessageItem | None:
        """Return what answers instead of the model, if nothing may be generated."""
        return None

    async def process(
        self, request: str | bytes | bytearray, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request, as ChatKit's own does."""
        parsed = REQUEST.validate_json(request)
        if types.is_streaming_req(parsed):
            return StreamingResult(self._process_streaming(parsed, context))
        return NonStreamingResult(await self._process_non_streaming(parsed, context))

    def _serialize(self, obj: BaseModel) -> bytes:
        return wire.dump(obj)

    def _to_thread_response(self, thread: types.ThreadMetadata) -> types.Thread:
        return wire.public_thread(thread)

    async def _process_streaming_impl(
        self, request: types.StreamingReq, context: RequestContext
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        state = current_state.get()
        if isinstance(request, types.ThreadsRetryAfterItemReq):
            events = self._retry(request, context)
        elif isinstance(request, types.ThreadsCreateReq) and state and state.made:
            events = self._create(state, state.made, request, context)
        else:
            events = super()._process_streaming_impl(request, context)
        async with aclosing(events):
            async for event in events:
                if (shown := wire.visible(event)) is not None:
                    yield shown

    async def _process_events(
        self,
        thread: types.ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[types.ThreadStreamEvent]],
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Stream an answer, and how its images end, over whatever it ends.

        The SDK leaves the generator of the answer to the garbage collector when
        its own part fails or is cancelled.
        """
        mine = trackers.get() is None
        if mine:
            trackers.set([])
        source = stream()
        # A generator, though the SDK says less of it.
        events = cast(
            "AsyncGenerator[types.ThreadStreamEvent, None]",
            super()._process_events(thread, context, lambda: source),
        )
        forming: set[str] = set()
        try:
            async with aclosing(events):
                async for event in events:
                    _note(event, forming)
                    yield event
            for tracker in trackers.get() or ():
                await tracker.abandon(Status.FAILED, "stream_error")
            for event in _rest(forming):
                yield event
        except asyncio.CancelledError:
            # handle_stream_cancelled() has ended the images.
            for event in _rest(forming):
                yield event
            raise
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
            if mine:
                trackers.set(None)

    async def _create(
        self,
        state: RunState,
        made: types.ThreadMetadata,
        request: types.ThreadsCreateReq,
        context: RequestContext,
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Answer a first message in the thread that the claim has made.

        The SDK makes one of its own, in a transaction of its own.
        """
        thread = types.Thread(**made.model_dump(), items=types.Page())
        yield types.ThreadCreatedEvent(thread=self._to_thread_response(thread))
        storing = asyncio.ensure_future(
            self._store_first(state, thread, request.params.input, context)
        )
        try:
            message = await asyncio.shield(storing)
        except asyncio.CancelledError:
            # The client shows what the person wrote, so it is stored all the same.
            await asyncio.wait([storing])
            if error := storing.exception():
                logger.warning("A first message is not stored", exc_info=error)
            else:
                yield types.ThreadItemDoneEvent(item=storing.result())
            raise
        yield types.ThreadItemDoneEvent(item=message)
        async for event in self._process_events(
            thread, context, lambda: self.respond(thread, message, context)
        ):
            yield event

    async def _store_first(
        self,
        state: RunState,
        thread: types.ThreadMetadata,
        written: types.UserMessageInput,
        context: RequestContext,
    ) -> types.UserMessageItem:
        """Store the message that a thread begins with, and return it.

        Its work and the way of the first event through the door, which may lead
        through threads, take turns in the interpreter, and the client would wait for
        both. So that event goes first, if somebody takes it soon.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(SERVE_SECONDS):
                await state.served.wait()
        message = await self._build_user_message_item(written, thread, context)
        # They have a thread now.
        for attachment in message.attachments:
            await self.store.save_attachment(attachment, context)
        await self.store.add_thread_item(thread.id, message, context)
        return message

    async def _retry(
        self, request: types.ThreadsRetryAfterItemReq, context: RequestContext
    ) -> AsyncGenerator[types.ThreadStreamEvent, None]:
        """Answer a message again; what followed it goes in one transaction.

        The SDK deletes item by item, and a crash leaves half an answer.
        """
        thread_id, item_id = request.params.thread_id, request.params.item_id
        thread = await self.store.load_thread(thread_id, context=context)
        message = await self.store.load_item(thread_id, item_id, context=context)
        if not isinstance(message, types.UserMessageItem):
            raise ValueError(f"Item {item_id} is not a user message")
        # Before anything goes: who may generate nothing keeps what there is.
        refusal = await self.refusal(thread, context)
        if refusal is not None:
            said = types.ThreadItemDoneEvent(item=refusal)
            async for event in self._process_events(
                thread, context, lambda: _one(said)
            ):
                yield event
            return
        later: list[str] = []
        async for item in self._paginate_thread_items_reverse(thread_id, context):
            if item.id == item_id:
                break
            later.append(item.id)
        await self.store.delete_thread_items(thread_id, later, context)
        async for event in self._process_events(
            thread, context, lambda: self.respond(thread, message, context)
        ):
            yield event

    async def _process_non_streaming(
        self, request: types.NonStreamingReq, context: RequestContext
    ) -> bytes:
        # The SDK filters hidden items out of a page: it may come out empty.
        if isinstance(request, types.ItemsListReq):
            asked = request.params
            limit = asked.limit or DEFAULT_PAGE_SIZE
            items = await self.store.load_visible_items(
                asked.thread_id, asked.after, limit, asked.order, context
            )
            return self._serialize(items)
        if isinstance(request, types.ThreadsGetByIdReq):
            key = request.params.thread_id
            thread = await self.store.load_thread(key, context)
            items = await self.store.load_visible_items(
                key, None, DEFAULT_PAGE_SIZE, "asc", context
            )
            full = types.Thread(**thread.model_dump(), items=items)
            return self._serialize(self._to_thread_response(full))
        if isinstance(request, types.ThreadsUpdateReq):
            # The answer says what is stored.
            request.params.title = threads.clean_title(request.params.title)
        answer = await super()._process_non_streaming(request, context)
        if isinstance(request, types.ThreadsSyncCustomActionReq):
            return self._without_hidden(answer)
        return answer

    def _without_hidden(self, answer: bytes) -> bytes:
        response = types.SyncCustomActionResponse.model_validate_json(answer)
        return b"{}" if isinstance(response.updated_item, wire.HIDDEN) else answer


async def _one(
    event: types.ThreadStreamEvent,
) -> AsyncGenerator[types.ThreadStreamEvent, None]:
    yield event


def _note(event: types.ThreadStreamEvent, forming: set[str]) -> None:
    """Keep the ids of the images that a client sees forming."""
    if isinstance(event, types.ThreadItemAddedEvent):
        if isinstance(event.item, types.GeneratedImageItem):
            forming.add(event.item.id)
    elif isinstance(event, types.ThreadItemDoneEvent):
        forming.discard(event.item.id)
    elif isinstance(event, types.ThreadItemRemovedEvent):
        forming.discard(event.item_id)


def _rest(forming: set[str]) -> Iterator[types.ThreadStreamEvent]:
    """Yield the events that end what a stream has left forming."""
    for tracker in trackers.get() or ():
        for event in tracker.take_leftovers():
            _note(event, forming)
            yield event
    # ChatKit's own function forgets a call that ends without an image.
    for item_id in forming:
        yield types.ThreadItemRemovedEvent(item_id=item_id)
