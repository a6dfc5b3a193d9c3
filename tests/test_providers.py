"""A few dialects at both doors; ``tox run -e providers`` takes all of them."""

from __future__ import annotations

import pytest

from chatkit_images.testing import Text
from tests.providers.case import Case, later
from tests.providers.fixtures import case, door
from tests.providers.person import texts
from tests.providers.test_habits import FIRST, SAID, converse, image

__all__ = ["case", "door"]


@pytest.mark.parametrize(
    "names",
    [
        ("openai",),
        ("ids-repeated", "response-ids-missing", "every-event-twice"),
        ("ids-integers", "done-before-the-image", "base64-url-safe-unpadded"),
        ("citations", "end-empty", "cut-emoji", "byte-order-mark"),
    ],
    ids=" + ".join,
)
@pytest.mark.sweep(4)
async def test_habits_cost_nothing(case: Case, names: tuple[str, ...]) -> None:
    await converse(case, *names)
    case.whole()


@pytest.mark.parametrize("name", ["quota", "error-event"])
async def test_the_next_turn_works_after_a_failure(case: Case, name: str) -> None:
    case.speak(name)
    case.model.respond_with(image(FIRST), Text(SAID))
    turn = await case.person.say("draw")
    assert len(turn.errors) == 1
    await case.goes_on()
    answer = later(await case.settled())
    assert len(texts(answer)) == 1
    case.whole()
