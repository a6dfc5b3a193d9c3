"""Habits: what is sent in another form, and must arrive as if it was sent as usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from chatkit_images.models import Run
from chatkit_images.testing import Image, Images, Text
from chatkit_images.testing.dialects import GROUPS
from chatkit_images.testing.dialects.images import SVG
from tests.image_files import image_file, noise

from .case import NAMES, Case, later
from .person import JSON, texts

# Noise has every character of base64 in it; these lengths need padding.
FIRST, SECOND, THIRD = (noise("PNG", (40, height)) for height in (30, 31, 33))
PREVIEW = image_file("grey")
NAMES.update(
    {FIRST: "first", SECOND: "second", THIRD: "third", PREVIEW: "preview", b"": "gone"}
)
SAID = "Here they are."
HABITS = [
    dialect.name
    for group in ("plain", "identity", "order", "images", "figures", "words", "framing")
    for dialect in GROUPS[group]
]
DONE = ("completed", "")


@dataclass(frozen=True)
class Expected:
    """What is left of a turn with two images, and of one with a third.

    Attributes:
        images: The images of both turns.
        rows: Status and reason of the images, if not all are completed.
        text: How the text of an answer begins, if it does not break off.
        reason: The reason of both runs, if they fail.
    """

    images: tuple[tuple[bytes, ...], tuple[bytes, ...]] = ((FIRST, SECOND), (THIRD,))
    rows: tuple[tuple[str, str], ...] = (DONE, DONE, DONE)
    text: str = SAID
    reason: str = ""
    sources: int = 0


EXPECTED = {
    "svg": Expected(images=((SVG.encode(),) * 2, (SVG.encode(),))),
    "end-missing": Expected(reason="broken_off"),
    "done-marker-for-end": Expected(reason="broken_off"),
    "done-marker-in-the-middle": Expected(
        images=((FIRST, PREVIEW), (THIRD,)),
        rows=(DONE, ("failed", "broken_off"), DONE),
        reason="broken_off",
    ),
    "citations": Expected(sources=3),
    "cut-emoji": Expected(text=f"{SAID} fox \U0001f98a."),
    "half-emoji": Expected(text=f"{SAID} fox \ufffd and more."),
    "one-long-line": Expected(text=f"{SAID} " + "long" * 25_000),
    "control-characters": Expected(text=f"{SAID} a\ufffdb"),
}


@pytest.mark.parametrize("name", HABITS)
async def test_a_habit_costs_nothing(case: Case, name: str) -> None:
    await converse(case, name)
    case.whole()


@pytest.mark.parametrize(
    "names",
    [
        ("ids-missing", "no-done", "base64-unpadded"),
        ("ids-repeated", "response-ids-missing", "every-event-twice"),
        ("ids-change", "data-url", "usage-null"),
        ("ids-numbered", "done-before-the-image", "base64-wrapped", "citations"),
        ("no-created", "model-null", "tool-usage-null", "data-lines-alone"),
        ("searches", "ids-odd", "calls-again-at-the-end", "cut-emoji"),
    ],
    ids=" + ".join,
)
async def test_habits_of_one_gateway_cost_nothing(
    case: Case, names: tuple[str, ...]
) -> None:
    await converse(case, *names)
    case.whole()


@pytest.mark.parametrize(
    "name",
    [
        dialect.name
        for group in ("plain", "images", "framing")
        for dialect in GROUPS[group]
    ]
    + ["ids-change", "no-done", "done-before-the-image", "every-event-twice"],
)
async def test_images_that_are_read_past_the_sdk_too(
    case: Case, settings: Any, name: str
) -> None:
    settings.HTTP_CLIENT = "tests.chat.EveryImage"
    await converse(case, name)
    case.whole()


async def converse(case: Case, *names: str) -> None:
    """Have an answer with two images, one with a third, and one without any."""
    expected = next((EXPECTED[name] for name in names if name in EXPECTED), Expected())
    steps = [
        [Images(image(FIRST), image(SECOND)), Text(SAID)],
        [image(THIRD), Text(SAID)],
    ]
    for script, images in zip(steps, expected.images, strict=True):
        case.speak(*names)
        case.model.respond_with(*script)
        turn = await case.person.say("draw")
        answer = later(await case.settled())
        if len(turn.previewed) < len(images):
            # The SDK drops what it has not handed on when it finds a stream cut.
            images = tuple(data for data in images if data != PREVIEW)
        await case.images(answer, *images)
        await case.images(list(turn.items.values()), *images)
        check_end(case, expected, answer)
    await case.rows(*expected.rows)
    runs = [run async for run in Run.objects.order_by("created_at")]
    status = "failed" if expected.reason else "completed"
    case.check("runs", [run.status for run in runs], [status] * 2)
    case.check("reasons", [run.reason for run in runs], [expected.reason] * 2)
    await case.goes_on()


def check_end(case: Case, expected: Expected, answer: list[JSON]) -> None:
    """Check what the person has read, and whether they may try again."""
    turn = case.person.turns[-1]
    case.check("retry", turn.may_retry, True if expected.reason else None)
    said = texts(answer)
    if expected.reason:
        case.that("a word of the failure", [text for text in said if text != SAID])
    else:
        case.that(
            f"text: {said}"[:100], bool(said) and said[0].startswith(expected.text)
        )
        case.check("texts", len(said), 1)
    sources = [
        cited
        for item in answer
        if item["type"] == "assistant_message"
        for part in item["content"]
        for cited in part["annotations"]
    ]
    case.check("sources", len(sources), expected.sources)


def image(data: bytes) -> Image:
    """Return a step that draws an image, with one preview."""
    return Image(data=data, preview=PREVIEW, partials=1)
