"""A cancellation, wherever it lands: text is kept, images end, the model is told."""

from __future__ import annotations

import asyncio

import pytest
from chatkit import types

from chatkit_images import runs
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, Run, ThreadItem
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import message

TALK = "Once upon a time there was a fox."
EVENTS = 24


def conversation(model: LoopbackAPI) -> tuple[types.StreamingReq, bytes]:
    model.respond_with(Text(TALK, chunk=8), Image(partials=1), Text("Done."))
    request = types.ThreadsCreateReq.model_validate(
        {"params": {"input": message("a fox")}}
    )
    return request, request.model_dump_json().encode()


async def ended(run: runs.LiveRun) -> Run:
    async with asyncio.timeout(30):
        await run.wait()
        while run.id in runs.LIVE:
            await asyncio.sleep(0.01)
    return await Run.objects.aget()


async def read(run: runs.LiveRun) -> None:
    async for _ in run.events():
        pass


async def check(run: Run) -> None:
    """What must be true of every run that was cancelled."""
    assert run.status in ("cancelled", "completed")
    kinds = [item.type async for item in ThreadItem.objects.all()]
    if run.status == "cancelled" and kinds:
        assert kinds.count("sdk_hidden_context") == 1
    async for image in GeneratedImage.objects.select_related("item"):
        assert image.status in ("completed", "cancelled")
        assert image.item is not None
    async for item in ThreadItem.objects.filter(type="assistant_message"):
        text = item.payload["content"][0]["text"]
        assert TALK.startswith(text) or text in (
            "Done.",
            "This is only a preview. The image was stopped before it was ready.",
            "The image was stopped before it was ready.",
            "The answer was stopped.",
        )


@pytest.mark.row("S03")
@pytest.mark.parametrize("number", range(1, EVENTS))
@pytest.mark.sweep(10)
async def test_a_stop_behind_any_event(
    context: RequestContext, model: LoopbackAPI, number: int
) -> None:
    request, body = conversation(model)
    run = runs.LiveRun(TestServer(), request, context)
    append = run.log.append

    def and_stop(chunk: bytes) -> None:
        append(chunk)
        if run.log.last == number:
            run.stop()

    run.log.append = and_stop  # type: ignore[method-assign]
    run.begin(body)
    await check(await ended(run))
    assert run.log.closed


@pytest.mark.row("O10")
@pytest.mark.sweep(10)
@pytest.mark.parametrize("milliseconds", range(0, 400, 10))
async def test_a_stop_at_any_moment(
    context: RequestContext, model: LoopbackAPI, milliseconds: int
) -> None:
    request, body = conversation(model)
    run = await runs.start(TestServer(), request, body, context)
    reading = asyncio.ensure_future(read(run))
    await asyncio.sleep(milliseconds / 1000)
    run.stop()
    await check(await ended(run))
    await reading
