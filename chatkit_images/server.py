"""The ChatKit server of a Django project."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import cache
from typing import Any, TypeVar, cast

from agents import (
    Agent,
    RunConfig,
    Runner,
    RunResultStreaming,
    TResponseInputItem,
)
from chatkit import types
from chatkit.agents import AgentContext
from chatkit.server import ChatKitServer
from chatkit.store import AttachmentStore
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from openai import AsyncOpenAI

from . import database
from .agents import (
    cut_off_status,
    expected_previews,
    stream_agent_response,
    trackers,
)
from .attachment_store import DjangoAttachmentStore
from .conf import settings
from .context import RequestContext
from .converters import DjangoResponseStreamConverter, DjangoThreadItemConverter
from .exceptions import ClaimLost, GenerationRefused, NotFoundError
from .protocol import ProtocolServer
from .queries import endings, payloads, threads
from .queries import feedback as feedback_rows
from .run_state import RunState, current_state
from .store import DjangoStore

T = TypeVar("T")


class DjangoChatKitServer(ProtocolServer):
    """A ``ChatKitServer`` wired to the project's database and storage.

    A project writes ``get_agent``; every other method whose name begins with
    ``get_`` may be overridden, and so may ``respond`` for a server that does not
    use the Agents SDK.
    """

    def __init__(
        self,
        store: DjangoStore | None = None,
        attachment_store: AttachmentStore[RequestContext] | None = None,
    ) -> None:
        super().__init__(
            store or DjangoStore(), attachment_store or DjangoAttachmentStore()
        )
        self._openai: AsyncOpenAI | None = None

    # Hooks

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any] | Awaitable[Agent[Any]]:
        """Return the agent that answers; the one method a project must write."""
        raise NotImplementedError(
            f"{type(self).__name__} must override get_agent(thread, context)."
        )

    def get_agent_context(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> AgentContext[RequestContext]:
        """Return what the agent's tools receive. Default: ChatKit's own context."""
        return AgentContext(thread=thread, store=self.store, request_context=context)

    def run_agent(
        self,
        agent: Agent[Any],
        agent_input: list[TResponseInputItem],
        agent_context: AgentContext[RequestContext],
    ) -> RunResultStreaming:
        """Start the run. Override it for ``max_turns``, ``hooks`` or a ``session``."""
        return Runner.run_streamed(
            agent,
            agent_input,
            context=agent_context,
            run_config=self.get_run_config(
                agent_context.thread, agent_context.request_context
            ),
        )

    def get_run_config(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> RunConfig | None:
        """Return the Agents SDK's settings of a run. Default: its own."""
        return None

    def get_title(
        self,
        thread: types.ThreadMetadata,
        message: types.UserMessageItem,
        context: RequestContext,
    ) -> str | None | Awaitable[str | None]:
        """Return the title of a thread that has none: its first words."""
        words = " ".join(part.text for part in message.content).split()
        title = " ".join(words)
        return title if len(title) <= 60 else title[:59].rstrip() + "…"

    def check_generation(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> None | Awaitable[None]:
        """Refuse to generate, before the model is asked. Override it for a quota.

        The person's message is saved by then, and the refusal answers it.

        Raises:
            GenerationRefused: With what the person reads.
        """

    def get_thread_item_converter(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> DjangoThreadItemConverter:
        """Return what turns the thread's items into model input."""
        return DjangoThreadItemConverter(context)

    def get_response_stream_converter(
        self,
        thread: types.ThreadMetadata,
        context: RequestContext,
        agent: Agent[Any],
    ) -> DjangoResponseStreamConverter:
        """Return what stores the images of a run."""
        return DjangoResponseStreamConverter(
            thread, context, partial_images=expected_previews(agent)
        )

    async def get_history(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> list[types.ThreadItem]:
        """Return the items that the model gets, oldest first."""
        items: list[types.ThreadItem] = []
        after: str | None = None
        while len(items) < settings.HISTORY_ITEMS:
            page = await self.store.load_thread_items(
                thread.id, after, settings.HISTORY_ITEMS - len(items), "desc", context
            )
            items += page.data
            after = page.after
            if not page.has_more:
                break
        return items[::-1]

    # ChatKit's methods

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        """Run the project's agent on the thread and stream its answer."""
        threads.remember(thread)
        if not thread.title and input_user_message is not None:
            thread.title = await _awaited(
                self.get_title(thread, input_user_message, context)
            )
            # At once: later it would undo a rename made while the model thinks.
            await self.store.save_thread(thread, context)
        refusal = await self.refusal(thread, context)
        if refusal is not None:
            yield types.ThreadItemDoneEvent(item=refusal)
            return
        agent = await _awaited(self.get_agent(thread, context))
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

    async def refusal(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> types.AssistantMessageItem | None:
        """Ask ``check_generation``, once in a run."""
        state = current_state.get() or RunState()
        if state.allowed:
            return None
        try:
            await _awaited(self.check_generation(thread, context))
        except GenerationRefused as refusal:
            key = self.store.generate_item_id("message", thread, context)
            return endings.message(key, thread.id, payloads.now(), refusal.message)
        state.allowed = True
        return None

    async def add_feedback(
        self,
        thread_id: str,
        item_ids: list[str],
        feedback: types.FeedbackKind,
        context: RequestContext,
    ) -> None:
        """Keep a thumb up or down for each item, all or none."""
        await database.call(feedback_rows.save, thread_id, item_ids, feedback, context)

    async def transcribe(
        self, audio_input: types.AudioInput, context: RequestContext
    ) -> types.TranscriptionResult:
        """Turn dictation into text with ``TRANSCRIPTION_MODEL``."""
        extension = audio_input.media_type.rpartition("/")[2] or "webm"
        result = await self.get_openai_client().audio.transcriptions.create(
            model=settings.TRANSCRIPTION_MODEL,
            file=(f"audio.{extension}", audio_input.data, audio_input.media_type),
        )
        return types.TranscriptionResult(text=result.text)

    def get_openai_client(self) -> AsyncOpenAI:
        """Return the client for what is not a run of an agent: dictation."""
        if self._openai is None:
            self._openai = AsyncOpenAI()
        return self._openai

    async def handle_stream_cancelled(
        self,
        thread: types.ThreadMetadata,
        pending_items: list[types.ThreadItem],
        context: RequestContext,
    ) -> None:
        """Keep the text so far and each image's best preview, and say so.

        If the server ends the answer, the model is not told that the person did.
        """
        state = current_state.get() or RunState()
        state.told = True
        for tracker in trackers.get() or ():
            await tracker.abandon(cut_off_status())
        # The thread was deleted or has another run: that was the end.
        with suppress(NotFoundError, ClaimLost):
            if state.interrupted:
                await self._keep_text(thread, pending_items, context)
            else:
                await super().handle_stream_cancelled(thread, pending_items, context)

    async def _keep_text(
        self,
        thread: types.ThreadMetadata,
        pending_items: list[types.ThreadItem],
        context: RequestContext,
    ) -> None:
        for item in pending_items:
            if isinstance(item, types.AssistantMessageItem) and any(
                part.text.strip() for part in item.content
            ):
                await self.store.add_thread_item(thread.id, item, context)


async def _awaited(value: T | Awaitable[T]) -> T:
    """Return what a hook returned, which may be asynchronous."""
    return await value if inspect.isawaitable(value) else value


def get_server() -> ChatKitServer[RequestContext]:
    """Return the project's server, one per process.

    Raises:
        ImproperlyConfigured: If ``CHATKIT_IMAGES["SERVER"]`` is not a
            ``ChatKitServer``.
    """
    if settings.SERVER is None:
        raise ImproperlyConfigured("CHATKIT_IMAGES['SERVER'] is not set.")
    return _server(settings.SERVER)


@cache
def _server(path: str) -> ChatKitServer[RequestContext]:
    try:
        server = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"CHATKIT_IMAGES['SERVER'] cannot be imported: {path!r}: {error}"
        ) from error
    if not (isinstance(server, type) and issubclass(server, ChatKitServer)):
        raise ImproperlyConfigured(
            "CHATKIT_IMAGES['SERVER'] must be the dotted path of a ChatKitServer, "
            f"got {path!r}."
        )
    # The class takes what ChatKit's takes, or as a project's may, nothing.
    return cast("Callable[[], ChatKitServer[RequestContext]]", server)()
