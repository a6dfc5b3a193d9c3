"""Images of runs within a run: of agents that are tools, and in function tools."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from agents import (
    Agent,
    FunctionTool,
    ModelResponse,
    RunConfig,
    RunContextWrapper,
    RunHooks,
    StreamEvent,
    Tool,
)
from agents.tool import get_function_tool_origin
from agents.tool_context import ToolContext
from chatkit.agents import AgentContext
from openai.types.responses.response_output_item import ImageGenerationCall

from ..context import RequestContext
from ..models import GeneratedImage
from . import finals, image_answers, providers, tool_outputs
from .bill import figures_of
from .finals import Mark
from .fitting import Fitting, fits_item
from .open_streams import tracker_of, trackers
from .tracker import ImageTracker

logger = logging.getLogger(__name__)
OnStream = Callable[[Any], Coroutine[Any, Any, None]]
# Seconds in which a response that has ended must come through ``on_stream``, if that is
# used. It has been put there before the hook is called.
CATCH_UP = 1.0
_numbers = count()
# Of each nested run, as its events come one by one.
_fittings: WeakKeyDictionary[ImageTracker, Fitting] = WeakKeyDictionary()


class NestedImages:
    """Shows the images of nested runs in the answer of the run around them.

    Give ``on_stream`` and ``hooks`` to ``Agent.as_tool()``, and ``hooks`` to a
    ``Runner.run()`` in a function tool. With ``on_stream`` people see previews. Images
    are kept, counted, stopped and ended like those of the run around.

    Attributes:
        hooks: For ``hooks=``. It takes the images of whole responses.
    """

    def __init__(self, agent_context: AgentContext[RequestContext] | None) -> None:
        self.hooks = NestedHooks(self)
        self._context = agent_context
        self._number = next(_numbers)
        self._streams = False
        # Of a run whose events come without it.
        self._agent: Agent[Any] | None = None
        self._moved = asyncio.Event()

    @property
    def on_stream(self) -> OnStream:
        """Return what takes the events of a nested run, as ``as_tool()`` sends them.

        For a ``Runner.run_streamed()`` call it with each event. Then it is for that
        run only.
        """
        self._streams = True
        return self._take_event

    async def _take_event(self, sent: Mapping[str, Any] | StreamEvent) -> None:
        payload: dict[str, Any] = (
            dict(sent) if isinstance(sent, Mapping) else {"event": sent}
        )
        call, agent = payload.get("tool_call"), payload.get("agent")
        if payload["event"].type == "agent_updated_stream_event":
            self._agent = payload["event"].new_agent
        # Two calls of one agent may be under way at once.
        key = getattr(call, "call_id", None) or f"run {self._number}"
        branch = self._branch(self._context, key, agent)
        if branch is not None:
            fitting = _fittings.setdefault(branch, Fitting())
            if fitting.take(payload["event"]):
                await branch.handle(payload["event"])
                found = tool_outputs.of_event(payload["event"])
                await self.take_tool_images(self._context, found, agent or self._agent)
        self._moved.set()

    async def take_response(
        self,
        context: Any,
        agent: Agent[Any],
        response: ModelResponse,
        config: RunConfig | None = None,
    ) -> None:
        """Take what no event has brought of a response that has ended.

        Args:
            context: The context of the nested run.
            agent: Its agent.
            response: The response.
            config: The settings of the nested run, if they are known.
        """
        output = [item for item in response.output if fits_item(item)]
        images = [
            mark
            for item in output
            if isinstance(item, ImageGenerationCall)
            and (mark := finals.final_of(item).mark)
        ]
        wanted = context if isinstance(context, AgentContext) else self._context
        if self._streams and await self._came(wanted, images):
            return
        branch = self._branch(wanted, f"response {next(_numbers)}", agent)
        if branch is None:
            return
        await branch.take_output(output)
        found = tool_outputs.of_items(output)
        await self.take_tool_images(wanted, found, agent, config)
        model = getattr(agent.model, "model", agent.model)
        branch.bill.add_tokens(figures_of(response.usage), model)

    async def take_tool_images(
        self,
        context: Any,
        found: Iterable[tool_outputs.FoundImage],
        agent: Agent[Any] | None = None,
        config: RunConfig | None = None,
    ) -> None:
        """Take the images that tools have returned, of which no event may tell.

        Args:
            context: The context of the nested run.
            found: The images.
            agent: Whose model has used the tools.
            config: The settings of the nested run, if they are known.
        """
        tracker = tracker_of(context)
        if tracker is not None and tracker.tool_images is not None:
            around = tracker.converter.run_config or RunConfig()
            # A model that is named by its name is found as those of the run around.
            config = config or RunConfig(model_provider=around.model_provider)
            client = partial(providers.client_of, agent, config)
            await tracker.tool_images.take(found, client)

    async def _came(self, context: Any, images: list[Mark]) -> bool:
        """Whether events have brought the images of a response, or will at once."""
        tracker = tracker_of(context)
        if tracker is None:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP):
                while not all(map(tracker.knows, images)):
                    self._moved.clear()
                    await self._moved.wait()
        return all(map(tracker.knows, images))

    def _branch(
        self, context: Any, key: Hashable, agent: Agent[Any] | None
    ) -> ImageTracker | None:
        tracker = tracker_of(context)
        if tracker is None:
            logger.warning("Images of a nested run are lost: no answer is under way")
            return None
        columns: dict[str, Any] = {"source": GeneratedImage.Source.NESTED}
        model = agent.model if agent is not None else None
        if isinstance(model, str):
            columns["chat_model"] = model
        return tracker.branch(key, columns)


class NestedHooks(RunHooks[Any]):
    """Hands the responses of a nested run on.

    Override its methods and call these to have further hooks of your own.
    """

    def __init__(self, images: NestedImages) -> None:
        self._images = images

    async def on_llm_end(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],
        response: ModelResponse,
    ) -> None:
        """Take the images of a response."""
        config = context.run_config if isinstance(context, ToolContext) else None
        await self._images.take_response(context.context, agent, response, config)

    async def on_tool_end(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],
        tool: Tool,
        result: object,
    ) -> None:
        """Take the images that a tool has returned."""
        if isinstance(context, ToolContext):
            origin = None
            if isinstance(tool, FunctionTool):
                origin = get_function_tool_origin(tool)
            found = tool_outputs.of_result(result, context.tool_call_id, origin)
            await self._images.take_tool_images(context.context, found)


def nested(
    agent_context: AgentContext[RequestContext] | None = None,
) -> NestedImages:
    """Return what shows the images of nested runs in the answer around them.

    Args:
        agent_context: The context of the run around. Without it, it is that of the run
            in which the nested one is executed, so agents that are made before their
            context can use it too.
    """
    return NestedImages(agent_context)


def warn_of_lost(tracker: ImageTracker) -> None:
    """Warn of images that were generated in a run while nothing took them."""
    known = [tracker, *(trackers.get() or ())]
    for agent, mark in image_answers.take():
        if not any(each.knows(mark) for each in known):
            logger.warning(
                "An image of the agent %r is lost, because its run is nested in another"
                " one. Use chatkit_images.agents.nested().",
                agent,
            )
