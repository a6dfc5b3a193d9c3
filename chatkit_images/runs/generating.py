"""An image that the project's code generates outside of a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack, cast

from chatkit import types
from chatkit.agents import AgentContext

from .. import database
from ..agents import GeneratingImage
from ..agents.generating import of_request
from ..agents.image_request import ImageOptions, ImageRequest, find
from ..conf import settings
from ..context import RequestContext
from ..contexts import task_of
from ..server import DjangoChatKitServer, get_server
from ..store import DjangoStore
from .generation_request import ImagesGenerateParams, ImagesGenerateReq
from .generation_task import GenerationTask
from .live_run import LiveRun
from .starting import prepare


@asynccontextmanager
async def generating_image(
    thread_id: str,
    context: RequestContext,
    *,
    prompt: str,
    model: str,
    partial_images: int | None = None,
    message: str | None = None,
    **options: Unpack[ImageOptions],
) -> AsyncIterator[GeneratingImage]:
    """Show and keep an image that this code generates, in a run of its own.

    It is ``agents.generating_image()`` for code outside of a turn: a view, a command,
    the task of a worker. Whoever has the thread open sees the image being made. The end
    of the block waits until the run has ended. Call it outside of a transaction, whose
    rows the run would not see.

    Args:
        thread_id: A thread of the context's owner. It is busy until the block is over.
        context: For whom the image is generated.
        prompt: The words that the image is made of.
        model: Which model draws it.
        partial_images: How many previews will come; without it progress is estimated.
        message: What the person has said, which the thread shows before the image.
        options: Further facts of the image, see ``agents.generating_image()``.

    Raises:
        NotFoundError: If the owner has no such thread, or not all that the image is
            made from.
        RequestRefused: If the thread is locked, closed or busy, if nothing is left of
            what the person may use, if the message is refused, or if this process is
            about to end.
        GenerationRefused: If the server's ``check_generation()`` refuses.
        GenerationStopped: If the run is ended from outside: by the person, by staff, by
            the end of the server. The code of the block is cancelled, and what it does
            then is up to it.
        TypeError: If an argument is of another type.
        ValueError: If the image is made from too much.
    """
    # Bad arguments are refused here, before the thread has a message or a run.
    asked = ImageRequest(prompt, model, partial_images, options)
    if not isinstance(message, str | None):
        raise TypeError(f"message must be a str or None, got {message!r}.")
    if not isinstance(context, RequestContext):
        kind = type(context).__name__
        raise TypeError(f"generating_image() needs a RequestContext, got {kind}.")
    params = ImagesGenerateParams(
        thread_id=thread_id, model=model, provider=str(options.get("provider") or "")
    )
    if message is not None:
        params.say(message)
    request = cast("types.StreamingReq", ImagesGenerateReq(params=params))
    run = LiveRun(_server(), request, prepare(context), make_task=GenerationTask)
    block = RunBlock(run)
    # Around all that the run's task does, so that what the context has selected in this
    # thread is put back in the end.
    async with task_of(run.context):
        if any(asked.given.values()):
            await database.insist(find, asked.given, run.context)
        agent_context = await block.begin()
        # The run ends with its block, also if its context cannot be entered.
        try:
            async with run.working():
                image = of_request(agent_context, asked)
                async with block.around(image):
                    yield image
        except BaseException as error:
            await block.end(error)
            raise
        await block.end(None)


class RunBlock:
    """The block of code in its caller's task, beside the task of its run.

    Args:
        run: The run.
    """

    def __init__(self, run: LiveRun) -> None:
        self._run, self._task = run, cast("GenerationTask", run.task)
        # Set when its code begins, with the requests to cancel its task until then.
        self._image: GeneratingImage | None = None
        self._cancelled = 0

    async def begin(self) -> AgentContext[RequestContext]:
        """Begin the run, and return the context of its stream.

        Raises:
            Exception: Why there is none.
        """
        self._run.begin(b"")
        try:
            await asyncio.shield(self._run.claimed)
            await self._task.ready.wait()
        except asyncio.CancelledError:
            self._run.interrupt()
            await self._run.wait()
            raise
        found = self._task.agent_context
        if found is None or self._task.end is not None:
            await self._run.wait()
            raise self._task.error() or RuntimeError("The run had no stream.")
        return found

    @asynccontextmanager
    async def around(self, image: GeneratingImage) -> AsyncIterator[None]:
        """Be in the block of an image."""
        caller = asyncio.current_task()
        self._cancelled = caller.cancelling() if caller is not None else 0
        async with image:
            self._image = image
            yield

    async def end(self, error: BaseException | None) -> None:
        """End the run as its block has ended, and wait until its row says so.

        A cancellation of the block by the run is taken back, as a timeout does.

        Args:
            error: What the block has raised.

        Raises:
            CancelledError: If the caller is cancelled.
            GenerationStopped: If the run was ended from outside.
        """
        cut = self._image is not None and self._image.was_cut
        stopped = cut or self._task.ending
        if error is None or isinstance(error, Exception):
            self._task.result.finish(error)
        elif not cut:
            # The caller is cancelled, or its process ends.
            self._run.interrupt()
        try:
            await self._run.wait()
        except asyncio.CancelledError:
            # The run is about to end, with whatever has come.
            await self._run.wait()
            raise
        caller = asyncio.current_task()
        if cut and caller is not None and caller.uncancel() > self._cancelled:
            raise asyncio.CancelledError from error
        if isinstance(error, asyncio.CancelledError):
            ours = cut
        else:
            ours = error is None or (stopped and self._image is None)
        if ours and (ended := self._task.error()) is not None:
            raise ended from error


def _server() -> DjangoChatKitServer:
    """Return the project's server, or one that has its store."""
    server = get_server() if settings.SERVER is not None else None
    if isinstance(server, DjangoChatKitServer):
        return server
    return DjangoChatKitServer(cast("DjangoStore", server.store) if server else None)
