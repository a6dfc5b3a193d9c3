"""The image calls of one stream, and how they end together.

``docs/architecture.md`` has a glossary: what end, close, abandon and supersede mean.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from chatkit import types
from chatkit.agents import AgentContext

from .. import database
from ..context import RequestContext
from ..converters import DjangoResponseStreamConverter
from ..exceptions import NotFoundError
from ..queries import images
from . import outcomes
from .bill import Bill
from .blocks import Blocks
from .calls import CallState, ImageCall
from .finals import Mark
from .outbox import Outbox
from .outcomes import ImageOutcome
from .register import CallRegister

if TYPE_CHECKING:
    from .tool_images import ToolImages


class OpenCalls:
    """The image calls of a stream, those of its branches included.

    Args:
        context: The agent's context.
        converter: Stores the images.
        columns: Columns of every image.
        trunk: What has the calls of the stream in which the images of this one are
            shown, if this one is a branch.
    """

    def __init__(
        self,
        context: AgentContext[RequestContext],
        converter: DjangoResponseStreamConverter,
        columns: dict[str, Any] | None = None,
        trunk: Self | None = None,
    ) -> None:
        self.context = context
        self.converter = converter
        self.bill: Bill = trunk.bill if trunk else Bill(converter)
        self.outbox: Outbox = trunk.outbox if trunk else Outbox(context)
        # Where the project generates images while the answer streams.
        self.blocks: Blocks = trunk.blocks if trunk else Blocks()
        self.register = CallRegister(context, converter, self.outbox, columns or {})
        # Takes the images that tools return, if anything does.
        self.tool_images: ToolImages | None = None
        # Whether the stream was read to its end, or abandoned.
        self.complete = False
        # Ends the model's run and handles the events that have arrived.
        self.close_source: Callable[[], Awaitable[None]] | None = None
        self._leftovers: list[types.ThreadStreamEvent] = []
        self._branches: dict[Hashable, Self] = {}

    @property
    def busy(self) -> bool:
        """Whether an image is being generated, fetched or saved."""
        fetching = self.tool_images is not None and self.tool_images.busy
        return fetching or any(call.state is not CallState.ENDED for call in self.calls)

    @property
    def calls(self) -> list[ImageCall]:
        """All calls, those of nested runs last."""
        return [
            *self.register.calls,
            *(call for each in self._branches.values() for call in each.calls),
        ]

    def branch(self, key: Hashable, columns: dict[str, Any]) -> Self:
        """Return what has the calls of another source, made at the first call for it.

        Its images are shown in this stream, and counted and ended with its own.
        """
        if key not in self._branches:
            # It has its own expectation of previews, and shares all else.
            converter = copy.copy(self.converter)
            converter.asked = converter.asked.nested()
            self._branches[key] = type(self)(
                self.context, converter, columns, trunk=self
            )
        return self._branches[key]

    def knows(self, mark: Mark | None) -> bool:
        """Whether a call has the image with this mark."""
        return any(
            call.final is not None and call.final.mark == mark for call in self.calls
        )

    async def end_calls(self) -> None:
        """Wait for every call after the model's last event. Without a final it fails.

        Raises:
            Exception: Whatever has kept a final from being saved.
        """
        await self.blocks.ended()
        for call in self.calls:
            await call.wait()
            await call.end(outcomes.NO_RESULT)

    async def close(self, outcome: ImageOutcome) -> list[types.ThreadStreamEvent]:
        """End every call that is open, and return the events that nobody has seen yet.

        Bytes that have arrived are saved first, because they are not sent again.
        """
        self.outbox.close()
        await self.blocks.cut(outcome)
        for call in self.calls:
            await call.end(outcome)
        return self.outbox.take()

    async def supersede(self) -> None:
        """Take the images of this stream out of their thread, as its items were."""
        calls = [call.call_id for call in self.calls]
        await database.call(images.supersede, self.converter.keys(calls))

    async def abandon(self, outcome: ImageOutcome) -> None:
        """Close the source and the tracker, and save the items of the calls.

        Call it if nobody reads the stream any more, even if the run goes on. Images
        that have arrived are taken first. The events are kept for ``take_leftovers``.
        If the stream was read to its end, this does nothing.
        """
        if self.complete:
            return
        self.complete = True
        self.blocks.close(outcome)
        if self.close_source is not None:
            await self.close_source()
        self._leftovers += await self.close(outcome)
        # If the thread was deleted, nobody sees its items any more.
        with suppress(NotFoundError):
            for call in self.calls:
                for item in call.items:
                    await self.context.store.add_thread_item(
                        self.context.thread.id, item, self.context.request_context
                    )

    def take_leftovers(self) -> list[types.ThreadStreamEvent]:
        """Return, once, the events of an abandoned stream."""
        events, self._leftovers = self._leftovers, []
        return events
