"""Failures: what a provider refuses or breaks off, told as what it was.

The table below says what each of them comes down to, whichever channel it comes by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chatkit_images.models import GeneratedImage, Run
from chatkit_images.testing import FailedImage, Image, Text
from chatkit_images.testing.dialects import GROUPS

from . import endings
from .case import NAMES, Case, later
from .person import JSON, texts
from .test_habits import FIRST, PREVIEW, SAID, image

HALF = "Half of an answer."
COULD_NOT = "I could not draw the other one."
#: Seconds in which what was said is shown before it breaks off.
PAUSE = 0.05
RETRIED = "Now it worked."
NAMES.update({FIRST: "first", PREVIEW: "preview"})


@dataclass(frozen=True)
class Expected:
    """What rows and person are told of a failure.

    Attributes:
        reason: The reason on the run, and on an image that it took along.
        retry: Whether the person is invited to try again.
        status: The HTTP status on the row of the run.
        code: The provider's code on it.
        wait: The seconds to wait.
        words: What the person reads among other things.
    """

    reason: str
    retry: bool
    status: int | None = None
    code: str = ""
    wait: float | None = None
    words: str = ""


FAILURES = {
    "rate-limited": Expected(
        "rate_limited", True, 429, "rate_limit_exceeded", 20, "20 seconds"
    ),
    "rate-limited-in-words": Expected("rate_limited", True, 429, wait=72),
    "quota": Expected("quota", False, 429, "insufficient_quota"),
    "payment-required": Expected("quota", False, 402),
    "unverified": Expected("not_allowed", False, 403),
    "wrong-key": Expected("not_allowed", False, 401, "invalid_api_key"),
    "no-such-model": Expected("gone", False, 404, "model_not_found"),
    "bad-request": Expected("bad_request", False, 400, "unsupported_parameter"),
    "context-too-long": Expected("too_large", False, 400, "context_length_exceeded"),
    "too-large": Expected("too_large", False, 413),
    "server-error": Expected("overloaded", True, 500, "server_error"),
    "bad-gateway": Expected("overloaded", True, 502),
    "overloaded": Expected("overloaded", True, 503, "server_is_overloaded", 5),
    "overloaded-529": Expected("overloaded", True, 529),
    "gateway-timeout": Expected("timeout", True, 504),
    "error-as-a-text": Expected("overloaded", True, 500),
    "error-as-a-list": Expected("overloaded", True, 500),
    "error-with-status-200": Expected("broken_off", True),
}
BREAKS = {
    "rate-limited-by-event": Expected(
        "rate_limited", True, code="rate_limit_exceeded", wait=7.5, words="8 seconds"
    ),
    "rate-limited-by-failed-response": Expected(
        "rate_limited", True, code="rate_limit_exceeded", wait=7.5, words="8 seconds"
    ),
    "error-event": Expected("overloaded", True, code="server_error"),
    "error-event-without-a-code": Expected("unknown", True),
    "error-event-nested": Expected("overloaded", True, 500),
    "failed-response": Expected("overloaded", True, code="server_error"),
    "incomplete-response": Expected("too_long", True, code="max_output_tokens"),
    "cut-off": Expected("broken_off", True),
    "cut-off-at-once": Expected("broken_off", True),
    "cut-json": Expected("broken_off", True),
}
#: Moderation on the item of a call leaves the answer as it is.
ON_THE_ITEM = (
    "openai",
    "blocked-by-type",
    "blocked-by-message",
    "blocked-in-gemini-words",
    "blocked-in-azure-words",
)
BY_STATUS = (
    "blocked-by-status",
    "blocked-by-status-in-azure-words",
    "blocked-by-status-in-gemini-words",
)
BLOCKED = [*ON_THE_ITEM[:1], *(dialect.name for dialect in GROUPS["moderation"])]
Record = Callable[[str, Any], None]


def test_the_table_has_every_failure() -> None:
    assert set(FAILURES) == {dialect.name for dialect in GROUPS["failures"]}
    assert set(BREAKS) == {dialect.name for dialect in GROUPS["breaks"]}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_request_that_fails(
    case: Case, record_property: Record, name: str
) -> None:
    expected = FAILURES[name]
    case.speak(name)
    case.model.respond_with(Text(SAID))
    await case.person.say("draw")
    answer = later(await case.settled())
    await told(case, expected, answer)
    await case.rows()
    await ended(case, expected)
    await report(case, record_property, name)
    await retried(case)
    case.whole()


@pytest.mark.parametrize("name", BREAKS)
async def test_an_answer_that_breaks_off_in_its_words(
    case: Case, record_property: Record, name: str
) -> None:
    expected = BREAKS[name]
    case.speak(name)
    case.model.respond_with(image(FIRST), Text(HALF, delay=PAUSE))
    await case.person.say("draw")
    answer = later(await case.settled())
    begun = name != "cut-off-at-once"
    await case.images(answer, *[FIRST] * begun)
    case.that("words", begun <= bool(case.person.turns[-1].read))
    await told(case, expected, answer)
    await case.rows(*[("completed", "")] * begun)
    await ended(case, expected)
    await report(case, record_property, name)
    await retried(case)
    case.whole()


@pytest.mark.parametrize("name", [key for key in BREAKS if key != "cut-off-at-once"])
async def test_an_answer_that_breaks_off_in_its_image(
    case: Case, record_property: Record, name: str
) -> None:
    expected = BREAKS[name]
    case.speak(name)
    slow = replace(image(FIRST), delay=PAUSE)
    case.model.respond_with(Text(SAID, delay=PAUSE), slow)
    turn = await case.person.say("draw")
    answer = later(await case.settled())
    # A cut frame at the end takes nothing of what came before it along.
    whole = name == "cut-json"
    kept = [FIRST if whole else PREVIEW] * bool(turn.previewed)
    await case.images(answer, *kept)
    case.that("words", turn.read)
    await told(case, expected, answer)
    await case.rows(("completed", "") if whole else ("failed", expected.reason))
    await ended(case, expected)
    if not whole:
        await explained(case, expected)
    await report(case, record_property, f"{name} (image)")
    await retried(case)
    case.whole()


@pytest.mark.parametrize("name", BLOCKED)
async def test_an_image_that_is_blocked(
    case: Case, record_property: Record, name: str
) -> None:
    case.speak(name)
    case.model.respond_with(
        image(FIRST), FailedImage(partials=1, categories=()), Text(COULD_NOT)
    )
    await case.person.say("draw")
    answer = later(await case.settled())
    begun = name not in BY_STATUS
    await case.images(answer, *[FIRST] * begun)
    said = [text for text in texts(answer) if text != COULD_NOT]
    safe = [text for text in said if "safety" in text]
    case.that(f"safety: {said}", said and safe == said)
    blocked = [("completed", ""), ("blocked", "blocked")]
    await case.rows(*blocked if begun else [])
    if name in ON_THE_ITEM:
        case.check("errors", len(case.person.turns[-1].errors), 0)
        case.that("the rest of the answer", COULD_NOT in texts(answer))
        case.check("run", (await Run.objects.aget()).status, "completed")
    else:
        status = 400 if name in BY_STATUS else None
        expected = Expected("blocked", False, status)
        await told(case, expected, answer)
        await ended(case, expected)
    if begun:
        await explained(case, Expected("blocked", False))
    await report(case, record_property, name)
    await retried(case)
    case.whole()


async def test_an_image_without_a_result(case: Case, record_property: Record) -> None:
    case.speak()
    empty = Image(result=False, partials=1, preview=PREVIEW, delay=PAUSE)
    case.model.respond_with(empty, Text(COULD_NOT))
    turn = await case.person.say("draw")
    answer = later(await case.settled())
    await case.images(answer, *[PREVIEW] * len(turn.previewed))
    case.that("a word of it", len(texts(answer)) > 1)
    await case.rows(("failed", "no_result"))
    case.check("run", (await Run.objects.aget()).status, "completed")
    await report(case, record_property, "no result")
    await retried(case)
    case.whole()


async def told(case: Case, expected: Expected, answer: list[JSON]) -> None:
    """Check what the person has read, and whether they may try again."""
    turn = case.person.turns[-1]
    case.check("errors", len(turn.errors), 1)
    case.check("retry", turn.may_retry, expected.retry)
    own = (HALF, SAID, COULD_NOT)
    notes = [text for text in texts(answer) if not any(text in words for words in own)]
    case.that("a word of the failure", notes)
    said = " ".join([*notes, *turn.said])
    case.that(f"{expected.words!r} in {notes}", expected.words in said)
    if not expected.retry:
        case.that(f"a promise in {notes}", "try again" not in said.lower())


async def ended(case: Case, expected: Expected) -> None:
    """Check what the row of the run says of a failure."""
    run = await Run.objects.aget()
    case.check("run", (run.status, run.reason), ("failed", expected.reason))
    failure = run.failure or {}
    case.check("status on the run", failure.get("status"), expected.status)
    case.check("wait on the run", failure.get("retry_after"), expected.wait)
    if expected.code:
        case.check("code on the run", run.error_code, expected.code)
    secret = "0123456789abcdef" in f"{failure} {run.error}"
    case.check("a secret on the run", secret, False)


async def explained(case: Case, expected: Expected) -> None:
    """Check what the row of the image says of a failure."""
    row = await GeneratedImage.objects.exclude(status="completed").aget()
    case.that("why, on the row of the image", row.error_code or row.error_message)
    failure = row.failure or {}
    case.check("reason on the image", failure.get("reason"), expected.reason)


async def retried(case: Case) -> None:
    """Check that another answer takes the place of this one, and that it goes on."""
    items = await case.person.reload()
    (asked,) = [item for item in items if item["type"] == "user_message"]
    case.model.speak()
    case.model.reset()
    case.model.respond_with(Text(RETRIED))
    turn = await case.person.retry(asked["id"])
    case.check("errors of a retry", len(turn.errors), 0)
    case.check("what a retry leaves", texts(await case.settled()), [RETRIED])
    await case.goes_on()
    given = str(case.model.requests[-1]["input"])
    case.that("words of the app in the model's mouth", "could not" not in given)


async def report(case: Case, record_property: Record, name: str) -> None:
    """Note how it ended for the table, once."""
    if case.person.door == "view":
        turn = case.person.turns[-1]
        row = await sync_to_async(endings.row)(name, turn)
        record_property("endings", [row])
