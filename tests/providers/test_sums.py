"""Sums: tokens by image, by run and by the provider's own count are equal."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chatkit_images.models import GeneratedImage, Run
from chatkit_images.testing import Image, Images, Text, ToolCall, Usage
from chatkit_images.testing.dialects.figures import image_usage
from chatkit_images.testing.dialects.images import SVG_USAGE
from tests.image_files import noise

from .case import NAMES, Case
from .test_habits import FIRST, SAID, SECOND, THIRD, image

EDITED = noise("PNG", (50, 40))
NAMES.update({FIRST: "first", SECOND: "second", THIRD: "third", EDITED: "edited"})
#: The counts of one response that cannot be divided by two.
ODD = {
    "image_gen": {
        "input_tokens": 501,
        "input_tokens_details": {"image_tokens": 400, "text_tokens": 101},
        "output_tokens": 8321,
        "output_tokens_details": {"image_tokens": 8321, "text_tokens": 0},
        "total_tokens": 8822,
    },
    "web_search": {"num_requests": 0},
}


def counts(value: Any, under: str = "") -> Counter[str]:
    """Return the numbers of JSON by their path."""
    found: Counter[str] = Counter()
    for key, part in (value or {}).items():
        path = f"{under}.{key}".removeprefix(".")
        if isinstance(part, dict):
            found += counts(part, path)
        elif isinstance(part, int):
            found[path] += part
    return found


async def test_the_tokens_of_a_conversation_add_up(case: Case, settings: Any) -> None:
    provider: Counter[str] = Counter()
    spoken: Counter[str] = Counter()

    def answer(tools: Any, words: tuple[int, int], *steps: Any) -> None:
        case.model.respond_with(*steps, Usage(*words, tools=tools))
        provider.update(counts((tools or {}).get("image_gen")))
        spoken.update({"input_tokens": words[0], "output_tokens": words[1]})

    async def turn(*given: Any) -> None:
        answer(*given)
        await case.person.say("draw")
        await case.settled()

    case.speak()
    await turn(ODD, (10, 20), Images(image(FIRST), image(SECOND)), Text(SAID))
    edit = Image(data=EDITED, base=FIRST, partials=1)
    await turn(image_usage(1), (30, 40), edit, Text("Edited."))
    case.speak("svg")
    await turn(image_usage(1), (50, 60), image(THIRD), Text("Drawn in lines."))
    case.speak()
    settings.CHATKIT_IMAGES |= {"SERVER": "tests.test_nested.Manager"}
    answer(None, (1, 2), ToolCall("paint", {"input": "a fox"}))
    answer(image_usage(1), (3, 4), image(THIRD), Text("Here."))
    await turn(None, (5, 6), Text("Painted."))
    await case.rows(*[("completed", "")] * 5)
    images = [row async for row in GeneratedImage.objects.order_by("created_at")]
    runs = [run async for run in Run.objects.order_by("created_at")]
    by_image: Counter[str] = Counter()
    by_run: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for row in images:
        by_image.update(counts(row.usage))
    for run in runs:
        by_run.update(counts((run.tool_usage or {}).get("image_gen")))
        words.update(counts(run.usage))
    for key, count in provider.items():
        case.check(f"{key} by image", by_image[key], count)
        case.check(f"{key} by run", by_run[key], count)
    for key, count in spoken.items():
        case.check(f"{key} of words by run", words[key], count)
    svg = [counts(row.svg_usage) for row in images]
    case.check("SVG", svg, [Counter()] * 3 + [counts(SVG_USAGE), Counter()])
    sources = [row.source for row in images]
    case.check("sources", sources, ["hosted"] * 4 + ["nested"])
    await case.goes_on()
    case.whole()


async def test_what_the_provider_does_not_count_is_not_zero(case: Case) -> None:
    case.speak("usage-null")
    case.model.respond_with(image(FIRST), Text(SAID))
    await case.person.say("draw")
    await case.settled()
    row = await GeneratedImage.objects.aget()
    run = await Run.objects.aget()
    case.check("of the image", row.usage or {}, {})
    case.check("of the run", run.tool_usage or {}, {})
    await case.goes_on()
    case.whole()
