"""An answer, asked for again without what the provider refuses.

The history of a thread never changes and goes to the model on each turn. If one file
in it could end a turn, it would end every later turn too.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from agents import Agent, RunConfig, RunResultStreaming, TResponseInputItem
from chatkit import types
from chatkit.agents import AgentContext
from django.db import Error

from .. import breaker, failures, notes, times, timing
from ..agents import stream_agent_response
from ..agents.providers import provider_of, service_of
from ..awaiting import awaited
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter, DjangoThreadItemConverter
from ..converters.mentions import image_keys
from ..queries import kept_rows
from . import extra_arguments
from .agents_within import may_recall
from .hooks import turn_config
from .refused_inputs import Refusals

logger = logging.getLogger(__name__)
# Requests that are made at most for one answer.
ATTEMPTS = 3


async def stream_answer(
    agent_context: AgentContext[RequestContext],
    history: Sequence[types.ThreadItem],
    run: Callable[
        [list[TResponseInputItem]], RunResultStreaming | Awaitable[RunResultStreaming]
    ],
    *,
    agent: Agent[Any],
    config: RunConfig | None | Awaitable[RunConfig | None] = None,
    converter: DjangoThreadItemConverter
    | None
    | Awaitable[DjangoThreadItemConverter] = None,
    saver: DjangoResponseStreamConverter
    | None
    | Awaitable[DjangoResponseStreamConverter] = None,
    keeps_tool_images: bool = False,
) -> AsyncGenerator[types.ThreadStreamEvent, None]:
    """Stream the answer to a history, and try again if its files are refused.

    A file that the provider refuses is replaced by words, for this answer and, with
    the same provider and model, for those of the next 30 days. The person reads what
    could not be used. Nothing is tried again once something of the answer was shown.

    A provider that is away for everybody is not asked: see ``breaker``.

    Args:
        agent_context: The agent's context.
        history: The items that the model gets, oldest first.
        run: Starts the agent with an input: ``Runner.run_streamed`` with its options.
            May be asynchronous.
        agent: The agent that ``run`` starts.
        config: The settings with which ``run`` starts it; if given, they are those of
            ``identified_run_config()``, too.
        converter: Turns the history into input; by default the app's own.
        saver: Stores the images of the answer; by default the app's own.
        keeps_tool_images: Whether images that tools return to the model are shown and
            kept, too. The class of ``saver`` may say so as well.

    ``config``, ``converter`` and ``saver`` may be what a coroutine method returns.
    """
    settings = await awaited(config)
    if config is not None:
        turn_config.set((agent_context, settings))
    converter, saver = await awaited(converter), await awaited(saver)
    context = agent_context.request_context
    _check("get_thread_item_converter", converter, DjangoThreadItemConverter)
    _check("get_response_stream_converter", saver, DjangoResponseStreamConverter)
    converter = converter or DjangoThreadItemConverter(context)
    saver = saver or DjangoResponseStreamConverter(agent_context.thread, context)
    saver.run_config = settings or saver.run_config
    saver.keeps_tool_images = saver.keeps_tool_images or keeps_tool_images
    converter.can_recall = may_recall(agent)
    thread_id = agent_context.thread.id
    service = service_of(agent, settings)
    refusals = Refusals(converter.files, partial(provider_of, agent, settings))
    any_known = kept_rows.may_be_refused(history, context)
    await refusals.load(thread_id, image_keys(history), any_known=any_known)
    first: Exception | None = None
    left = ATTEMPTS
    while True:
        left -= 1
        breaker.check(service)
        with timing.measured("input"):
            agent_input = await converter.to_agent_input(history)
        saver.sources.went_along(converter.files)
        shown = False
        result: RunResultStreaming | None = None
        known = extra_arguments.known()
        try:
            with breaker.asking(service, context) as question:
                saver.heard = question.answered
                asked = provider_of(agent, settings)
                saver.asked.ask(asked.host, asked.model)
                result = await awaited(run(agent_input))
                events = stream_agent_response(agent_context, result, converter=saver)
                async with aclosing(events):
                    async for event in events:
                        if first is not None and not shown:
                            for note in await _settle(refusals, agent_context):
                                yield note
                        shown = True
                        yield event
        except Exception as error:
            failure = failures.of(error)
            # A tool may have run by the time of the second response.
            begun = shown or result is None or bool(result.raw_responses)
            provider = partial(provider_of, agent, settings)
            names = extra_arguments.refused(failure, provider, known)
            if not begun and left and names:
                host = provider().host
                logger.warning("%s takes no %s", host, " and no ".join(names))
                continue
            if begun or failure is None or not refusals.concern(failure):
                raise
            is_last = left == 1
            if not left or not refusals.react(failure, agent_input, is_last=is_last):
                raise (first or error) from None
            first = first or error
            timing.count("model_retries")
            what = (
                f"The answer in thread {thread_id}, now asked for {refusals.measure},"
            )
            timing.warn_of_try(logger, what, error, ATTEMPTS - left, ATTEMPTS, 0.0)
        else:
            return


def _check(hook: str, converter: object, kind: type) -> None:
    """Refuse a converter of another kind, before the model is asked.

    Raises:
        TypeError: If it is one.
    """
    if converter is not None and not isinstance(converter, kind):
        raise TypeError(
            f"{hook}() must return a {kind.__name__}, got {type(converter).__name__}. "
            f"Derive your converter from {kind.__name__}, which has ChatKit's methods."
        )


async def _settle(
    refusals: Refusals, agent_context: AgentContext[RequestContext]
) -> list[types.ThreadItemDoneEvent]:
    """Remember what was refused, and return what the person is told of it."""
    try:
        await refusals.remember()
    except Error:
        # The next turn finds out again.
        logger.warning("What was refused is not noted", exc_info=True)
    if not (text := refusals.words()):
        return []
    key = f"{notes.PREFIX}{uuid.uuid4().hex}"
    note = notes.message(key, agent_context.thread.id, times.now(), text)
    return [types.ThreadItemDoneEvent(item=note)]
