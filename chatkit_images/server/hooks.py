"""The methods that a project may override."""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from agents import (
    Agent,
    RunConfig,
    Runner,
    RunResultStreaming,
    TResponseInputItem,
)
from chatkit import types
from chatkit.agents import AgentContext
from openai import AsyncOpenAI

from ..agents import expected_previews
from ..awaiting import at_once
from ..cleaning import clip
from ..conf import settings
from ..context import RequestContext
from ..converters import (
    DjangoResponseStreamConverter,
    DjangoThreadItemConverter,
    windows,
)
from ..models import GeneratedImage
from ..protocol import ProtocolServer
from ..queries.pages import CountedPage
from ..run_state import current_state
from ..verdicts import Answer, Check
from . import extra_arguments, prompt_cache, safety

turn_config: ContextVar[tuple[AgentContext[RequestContext], RunConfig | None] | None]
turn_config = ContextVar("turn_config", default=None)
"""What ``get_run_config()`` has returned for the turn of an agent's context."""

# Characters of a title.
MOST_TITLE = 60


class HookMixin(ProtocolServer):
    """What a project decides about its agent, each decision with a default.

    Each method may be asynchronous, except ``identified_run_config()``, which a project
    calls and does not override. A plain method runs on the event loop, so it must not
    query the database. ``context.message`` is the message of the turn.
    """

    keeps_tool_images = False
    """Whether images that tools return to the model are shown and kept, too: those of
    function tools, of MCP servers and of code interpreter. Without it they leave a
    warning in the log. A ``respond()`` of the project's own gives it to
    ``stream_answer()``."""

    _openai: AsyncOpenAI | None = None

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any] | Awaitable[Agent[Any]]:
        """Return the agent that answers; the one method a project must write."""
        raise NotImplementedError(
            f"{type(self).__name__} must override get_agent(thread, context)."
        )

    def get_agent_context(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> AgentContext[RequestContext] | Awaitable[AgentContext[RequestContext]]:
        """Return what the agent's tools receive. Default: ChatKit's own context."""
        return AgentContext(thread=thread, store=self.store, request_context=context)

    def run_agent(
        self,
        agent: Agent[Any],
        agent_input: list[TResponseInputItem],
        agent_context: AgentContext[RequestContext],
    ) -> RunResultStreaming | Awaitable[RunResultStreaming]:
        """Start the run. Override it for ``max_turns``, ``hooks`` or a ``session``."""
        return Runner.run_streamed(
            agent,
            agent_input,
            context=agent_context,
            run_config=self.identified_run_config(agent, agent_context),
        )

    def identified_run_config(
        self,
        agent: Agent[Any],
        agent_context: AgentContext[RequestContext],
        config: RunConfig | None = None,
    ) -> RunConfig | None:
        """Return the settings of a run, with what the app adds to its requests.

        That is the ``SAFETY_IDENTIFIER`` of who asks and the ``PROMPT_CACHE_KEY`` of
        the thread.

        Args:
            agent: The agent of the run.
            agent_context: Its context.
            config: The settings. Default: what ``get_run_config()`` has returned for
                the turn. If neither ``respond()`` nor ``stream_answer()`` knows, it is
                called here.

        Raises:
            TypeError: If it would have to be called here, and is asynchronous.
        """
        context = agent_context.request_context
        if config is None:
            turn = turn_config.get()
            if turn is not None and turn[0] is agent_context:
                config = turn[1]
            else:
                config = at_once(
                    self.get_run_config(agent_context.thread, context),
                    f"{type(self).__name__}.get_run_config() is asynchronous. Give its "
                    "result to stream_answer() or to identified_run_config().",
                )
        values: dict[str, str] = {}
        if settings.SAFETY_IDENTIFIER:
            # OpenAI acts against one person, and not against all of a team.
            person = replace(context, owner=context.person)
            values[safety.NAME] = safety.identifier_of(person.scope)
        if settings.PROMPT_CACHE_KEY:
            key = prompt_cache.key_of(context.scope, agent_context.thread.id)
            values[prompt_cache.NAME] = key
        config, sent = extra_arguments.added(config, agent, values)
        if (state := current_state.get()) is not None:
            state.safety_identifier = sent.get(safety.NAME, "")
        return config

    def get_run_config(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> RunConfig | None | Awaitable[RunConfig | None]:
        """Return the Agents SDK's settings of a run. Default: the SDK's own.

        It is called once in a turn.
        """
        return None

    def get_title(
        self,
        thread: types.ThreadMetadata,
        message: types.UserMessageItem,
        context: RequestContext,
    ) -> str | None | Awaitable[str | None]:
        """Return the title of a thread that has none. Default: its first words.

        It is called beside the answer, in each turn until the thread has a title.
        """
        return clip(" ".join(part.text for part in message.content), MOST_TITLE)

    def check_generation(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> None | Awaitable[None]:
        """Refuse to generate before the model is called. Override it for a quota.

        The person's message is already saved, and the refusal answers it.

        Raises:
            GenerationRefused: With what the person reads.
        """

    def check_image(
        self, image: GeneratedImage, data: bytes, context: RequestContext
    ) -> Answer | Awaitable[Answer]:
        """Decide about an image before any URL of it leaves. Default: it is shown.

        It is called with each final image and with each preview, of which ``image`` has
        no ``arrived_at``. A plain method runs in a thread, and may query the database.
        If it raises, or takes more than a minute, the image is held.

        Args:
            image: The row, whose file nobody can see yet.
            data: The bytes.
            context: Whose it is.

        Returns:
            ``None`` or ``"show"``, ``"hold"``, ``"block"``, or a ``Verdict`` with a
            reason for staff and words for the person. A preview that is not to be shown
            is left out; what becomes of the image is decided with its final.
        """
        return None

    @property
    def image_check(self) -> Check | None:
        """The project's ``check_image``; ``None`` if it has not written one."""
        own = type(self).check_image is not HookMixin.check_image
        return self.check_image if own else None

    def get_thread_item_converter(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> DjangoThreadItemConverter | Awaitable[DjangoThreadItemConverter]:
        """Return the converter from the thread's items to model input."""
        return DjangoThreadItemConverter(context)

    def get_response_stream_converter(
        self,
        thread: types.ThreadMetadata,
        context: RequestContext,
        agent: Agent[Any],
    ) -> DjangoResponseStreamConverter | Awaitable[DjangoResponseStreamConverter]:
        """Return the converter that stores the images of a run."""
        return DjangoResponseStreamConverter(
            thread, context, partial_images=expected_previews(agent)
        )

    async def get_history(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> list[types.ThreadItem]:
        """Return the items that the model gets, oldest first.

        They are the newest, ``HISTORY_ITEMS`` at most. The oldest of them stays the
        same for many turns, so that providers know the beginning; then the window
        moves to the newest third.
        """
        most = wanted = settings.HISTORY_ITEMS
        first = 0
        items: list[types.ThreadItem] = []
        after: str | None = None
        while len(items) < wanted:
            page = await self.store.load_thread_items(
                thread.id, after, wanted - len(items), "desc", context
            )
            items += page.data
            if isinstance(page, CountedPage):
                first = windows.start(page.total, most)
                wanted = min(most, page.total - first)
            after = page.after
            if not page.has_more:
                break
        found = items[:wanted][::-1]
        return windows.from_message(found, most) if first else found

    def get_openai_client(self) -> AsyncOpenAI | Awaitable[AsyncOpenAI]:
        """Return the client for requests that no agent makes, such as dictation."""
        if self._openai is None:
            self._openai = AsyncOpenAI()
        return self._openai
