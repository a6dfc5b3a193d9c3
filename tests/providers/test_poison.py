"""Poison at both doors: an image in the history that a provider refuses.

``test_poisoned`` has every kind of file.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from chatkit_images.testing import Dialect, Image, Text, refusing
from chatkit_images.testing.dialects.refusals import HOW, How
from tests.refusable import IMAGES, refused_by_most

from .case import Case, later
from .person import Turn, texts

SEEN, ANSWER = "I see.", "Hello again."
ORIGINS = ("upload", "generated")


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("name", IMAGES)
async def test_an_image_goes_in_a_form_that_is_taken(
    case: Case, name: str, origin: str
) -> None:
    picky = refusing(lambda kind, data: bool(refused_by_most(data, kind)), "bare")
    await converse(case, name, origin, picky, refused=False)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("name", ["moving.gif", "turned.jpg", "palette.png"])
async def test_an_image_that_is_refused_costs_one_more_request(
    case: Case, name: str, origin: str, how: How
) -> None:
    blind = refusing(lambda kind, data: True, how)
    await converse(case, name, origin, blind, refused=True)


async def converse(
    case: Case, name: str, origin: str, dialect: Dialect, refused: bool
) -> None:
    """Have an image in a thread, and two turns with a provider that may refuse it."""
    files: list[str] = []
    if origin == "upload":
        files = [await upload(case, name)]
    else:
        case.model.respond_with(Image(data=IMAGES[name], partials=0), Text(SEEN))
        await case.person.say("draw")
        await case.settled()
    case.speak(dialect)
    case.model.requests.clear()
    case.model.respond_with(Text(SEEN))
    first = await case.person.say("look", files)
    answered(case, first, SEEN)
    case.that(
        f"requests: {len(case.model.requests)}",
        len(case.model.requests) in ((2, 3) if refused else (1,)),
    )
    said = [text for text in texts(later(await case.settled())) if text != SEEN]
    case.check("told of what could not be used", bool(said), refused)
    case.model.requests.clear()
    case.model.respond_with(Text(ANSWER))
    answered(case, await case.person.say("forget it, hello"), ANSWER)
    await case.settled()
    case.check("requests of the next turn", len(case.model.requests), 1)
    await case.goes_on()
    case.whole()


def answered(case: Case, turn: Turn, answer: str) -> None:
    """Check that a turn has its answer."""
    case.check("errors", len(turn.errors), 0)
    case.that(f"answer: {texts(turn.items.values())}", answer in turn.said)


async def upload(case: Case, name: str) -> str:
    """Return the id of a file that is uploaded."""
    sent: Any = SimpleUploadedFile(name, IMAGES[name])
    response = await case.person.client.post("/chatkit/attachments/", {"file": sent})
    assert response.status_code == 200, response.content
    return str(response.json()["id"])
