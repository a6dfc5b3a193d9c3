"""Rows and files while they are swept, deleted and erased."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections

from chatkit_images import maintenance, receiving, storage
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, Run, Thread
from chatkit_images.queries import images
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import ChatClient, message, of_type, read_events, thread_id
from tests.image_files import image_file
from tests.tuning import tuned

from .browsing import image_call
from .test_ends import place
from .watching import FORMATS, spooled

__all__ = ["place"]  # A fixture of the other module's.
WRITERS, ROUNDS = 3, 25


@pytest.mark.sweep(2)
@pytest.mark.row("D11")
@pytest.mark.parametrize(
    "seed", [pytest.param(seed, id=f"D11-race-{seed}") for seed in range(4)]
)
def test_a_sweep_never_takes_an_image_that_is_being_stored(
    context: RequestContext, settings: Any, seed: int
) -> None:
    """Sweeps run all the time, with a grace that is just longer than an upload."""
    settings.CHATKIT_IMAGES = tuned(
        settings.CHATKIT_IMAGES, SWEEP_GRACE_SECONDS=2, RUN_STALE_SECONDS=2
    )
    Thread.objects.create(pk="thr_1", owner=context.owner)
    data, dice = FORMATS["png"], random.Random(seed)
    over, failures = threading.Event(), []

    def write(number: int) -> None:
        try:
            for turn in range(ROUNDS):
                key = storage.new_key()
                image = images.begin("thr_1", f"ig_{number}_{turn}", key, context)
                time.sleep(dice.random() * 0.02)
                stored = receiving.store(data, image.key)
                time.sleep(dice.random() * 0.02)
                images.complete(image, stored)
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    def sweep() -> None:
        try:
            while not over.is_set():
                maintenance.sweep()
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    sweeper = threading.Thread(target=sweep)
    writers = [threading.Thread(target=write, args=[n]) for n in range(WRITERS)]
    for thread in (sweeper, *writers):
        thread.start()
    for thread in writers:
        thread.join(180)
    over.set()
    sweeper.join(180)

    assert failures == []
    rows = list(GeneratedImage.objects.all())
    assert len(rows) == WRITERS * ROUNDS
    assert all(storage.read(str(row.file.name)) == data for row in rows)


@pytest.mark.row("D14")
@pytest.mark.parametrize("place", ["fs", "s3"], indirect=True)
async def test_no_preview_is_left_after_many_images(
    chat: ChatClient, model: LoopbackAPI, place: str
) -> None:
    for number in range(12):
        data = image_file("green", size=(40 + number, 40))
        model.respond_with(Image(data=data, partials=3, delay=0.02), Text("Done."))
        await chat.say("a meadow")
    await asyncio.to_thread(storage.drain)
    names = await asyncio.to_thread(lambda: [name for name, _ in storage.listing()])
    assert sum("/images/" in name for name in names) == 12
    assert len(names) == 24


@pytest.mark.row("D20")
@pytest.mark.parametrize("place", ["fs", "s3"], indirect=True)
async def test_nothing_is_left_of_a_person_who_is_erased(
    chat: ChatClient, ann: User, model: LoopbackAPI, place: str
) -> None:
    gate = Gate()
    model.respond_with(Image(data=FORMATS["png"], partials=2), Text("Done."))
    await chat.say("canary in a coal mine")
    model.respond_with(image_call_that_waits(gate)[0], *image_call_that_waits(gate)[1:])
    response = await chat.request_op("threads.create", {"input": message("canary two")})
    events: list[Any] = []
    async for event in read_events(response):
        events.append(event)
        if event.get("update", {}).get("type") == "generated_image.updated":
            await chat.post(f"/chatkit/threads/{thread_id(events)}/stop/")
    gate.open()

    await sync_to_async(ann.delete)()
    await asyncio.to_thread(storage.drain)
    await sync_to_async(maintenance.sweep)()

    assert await asyncio.to_thread(lambda: list(storage.listing())) == []
    assert spooled() == []
    for model_class in (Thread, GeneratedImage, Run):
        assert not await model_class.objects.aexists()


def image_call_that_waits(gate: Gate) -> list[Any]:
    return image_call("ig_2", FORMATS["png"], FORMATS["webp"], gate=gate)


@pytest.mark.row("S30")
@pytest.mark.parametrize("place", ["fs", "s3"], indirect=True)
@pytest.mark.parametrize("stage", ["added", "preview", "final"])
async def test_a_thread_that_is_deleted_during_its_run_leaves_nothing(
    chat: ChatClient, model: LoopbackAPI, settings: Any, stage: str, place: str
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, SWEEP_GRACE_SECONDS=0)
    before, after = Gate(), Gate()
    steps = image_call("ig_1", None if stage != "final" else FORMATS["png"])
    if stage == "preview":
        steps = image_call("ig_1", None, FORMATS["webp"])
    rest = image_call("ig_1", FORMATS["png"])[1:] if stage != "final" else []
    model.respond_with(*steps, before, *rest, after, Text("Done."))
    response = await chat.request_op("threads.create", {"input": message("a meadow")})
    events: list[Any] = []
    wanted = {
        "added": lambda e: e["type"] == "thread.item.added",
        "preview": lambda e: e["type"] == "thread.item.updated",
        "final": lambda e: e["type"] == "thread.item.done",
    }[stage]
    async for event in read_events(response):
        events.append(event)
        item = event.get("item", {}).get("type", "generated_image")
        if item == "generated_image" and wanted(event) and not before.opened.is_set():
            await chat.call("threads.delete", thread_id=thread_id(events))
            before.open()
            after.open()
    async with asyncio.timeout(60):
        while await Run.objects.filter(status="running").aexists():
            await asyncio.sleep(0.02)

    assert len(of_type(events, "error")) <= 1
    assert not await Thread.objects.aexists()
    assert not await GeneratedImage.objects.aexists()
    await asyncio.to_thread(storage.drain)
    await asyncio.sleep(0.05)
    await sync_to_async(maintenance.sweep)(force=True)
    assert await asyncio.to_thread(lambda: list(storage.listing())) == []
    assert spooled() == []
