"""Events of image calls in any order: each item shows the final of its own call."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chatkit_images.models import GeneratedImage
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.testing.script import Step
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.image_files import image_file

from .browsing import added, done, partial
from .test_ends import check_rows, check_wire, served, shown_items

CALLS = 3
PREVIEWS = 3
FINALS = {f"ig_{n}": image_file("green", size=(40 + n, 40)) for n in range(CALLS)}
PREVIEW = image_file("red")


def shuffled(seed: int) -> list[Step]:
    """Return the events of some calls in an order that no provider promises.

    Each call ends once; what else there is of it may be missing, come twice, come in
    another order, or come after its end.
    """
    dice = random.Random(seed)
    events: list[tuple[float, Step]] = []
    for index, (call_id, data) in enumerate(FINALS.items()):
        begin, end = dice.random() / 2, 0.5 + dice.random() / 2
        if dice.random() < 0.8:
            events.append((begin, added(call_id, index)))
        events.append((end, done(call_id, index, data)))
        if dice.random() < 0.2:
            events.append((dice.random(), done(call_id, index, data)))
        for _ in range(dice.randrange(PREVIEWS + 2)):
            number = dice.randrange(PREVIEWS)
            events.append(
                (dice.random() * 1.2, partial(call_id, index, number, PREVIEW))
            )
    return [step for _, step in sorted(events, key=lambda pair: pair[0])]


@pytest.mark.sweep(20)
@pytest.mark.row("S20")
@pytest.mark.parametrize(
    "seed", [pytest.param(seed, id=f"S20-order-{seed}") for seed in range(60)]
)
async def test_every_order_ends_in_every_image(
    chat: ChatClient, model: LoopbackAPI, seed: int
) -> None:
    model.respond_with(*shuffled(seed), Text("Done."))

    events = await chat.say("three meadows")

    check_wire(events)
    assert of_type(events, "error") == []
    for item in done_items(events, "generated_image"):
        seen = [
            event["update"]["progress"]
            for event in of_type(events, "thread.item.updated")
            if event["item_id"] == item["id"]
        ]
        assert seen == sorted(seen)
        assert seen.count(1.0) == 1
    await check_rows()
    rows: dict[str, Any] = {
        image.call_id: image async for image in GeneratedImage.objects.all()
    }
    assert {image.status for image in rows.values()} == {"completed"}
    assert {key: image.width for key, image in rows.items()} == {
        key: 40 + number for number, key in enumerate(FINALS)
    }
    items = await shown_items(chat, thread_id(events))
    bodies = [await served(chat, item) for item in items]
    assert sorted(bodies) == sorted(FINALS.values())
