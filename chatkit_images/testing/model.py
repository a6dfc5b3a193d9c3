"""The answers given when nothing is scripted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from . import drawing, request, tool_calls
from .script import (
    JSON,
    Drop,
    ErrorEvent,
    FailedImage,
    Image,
    Images,
    Step,
    Text,
)

#: Seconds between the previews of an image asked to be slow.
SLOW = 1.5

TALK = re.compile(r"(hello|hi|hey|thanks|thank you|what|who|why|how)\b", re.I)
POLITE = re.compile(r"((please|can|could|would|will|you|now)[ ,]+)*", re.I)
ORDER = re.compile(
    r"((draw|paint|sketch|create|generate|show|give|make)\s+)?(me\s+)?"
    r"((a|an|the)\s+(picture|image|drawing|painting|illustration)\s+of\s+)?",
    re.I,
)
ASKED = re.compile(r"(can|could|would|will) you (please )?(draw|paint|make)", re.I)
FOLLOW_UP = re.compile(
    r"^(and |but |please )*"
    r"(now|again|add|same|turn|change|give it|make (it|them|this|that|the))\b"
    r"|\b(again|instead|same|earlier|previous)\b",
    re.I,
)
KNOWN = "Name a fox, a cat, a house, a tree or a boat, a colour, and the weather."
VARIATIONS = ("", ", seen another way", ", in a third light")


def default_model(
    body: JSON, *, knows: Callable[[str], bool] = drawing.knows
) -> Sequence[Step]:
    """Draw what the user asked for, or talk when they did not ask for an image.

    Words such as "two", "slow" or "blocked" choose what happens to the image. Without
    the image tool the model calls a function tool, and so it does if the text is the
    name of one with its arguments as JSON.

    Args:
        body: The request.
        knows: Returns whether the drawing has anything for the words of a prompt; if
            not, the answer says what it has.
    """
    text = request.last_user_text(body)
    if call := tool_calls.spelled_out(body, text):
        return call
    if not wants_image(text):
        return [Text(small_talk(text))]
    if request.image_tool(body) is None:
        without = "I can only draw, and this request came without an image tool."
        return tool_calls.any_tool(body, text) or [Text(without)]
    base = earlier_image(body, text)
    image = Image(prompt=text, base=base, revised_prompt=revised(text, base))
    opening = (
        f"I started from the earlier image: {subject(text)}."
        if base
        else f"Here you are: {subject(text)}."
    )
    words = set(re.findall(r"[a-z]+", text.lower()))
    for names, scenario in SCENARIOS.items():
        if words & set(names.split()):
            return [Text(opening), *scenario(image)]
    closing = "Tell me what to change, for example “now at night”."
    if not base and not knows(text):
        closing = f"I do not know how to draw that, so it became a pattern. {KNOWN}"
    return [Text(opening), image, Text(closing)]


def default_images(prompt: str) -> Sequence[Step]:
    """Draw what an image model is asked for; "blocked" or "forbidden" is blocked."""
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    return [FailedImage() if words & {"blocked", "forbidden"} else Image()]


def wants_image(text: str) -> bool:
    """Return whether the text is a wish rather than a greeting or a question."""
    if ASKED.match(text):
        return True
    return bool(text) and not TALK.match(text) and not text.endswith("?")


def small_talk(text: str) -> str:
    """Return an answer to a greeting or a question."""
    if text.lower().startswith("thank"):
        return "You are welcome. What shall I draw next?"
    if text.endswith("?"):
        return f"I only know how to draw. {KNOWN}"
    return "Hello! Tell me what to draw, for example “a red fox in the snow”."


def subject(text: str) -> str:
    """Return the text without the words that only ask for it."""
    first = " ".join(text.split())[:200]
    rest = ORDER.sub("", POLITE.sub("", first, count=1), count=1).strip(" .!?")
    rest = rest or first or "something"
    return rest if rest[:2].isupper() else rest[0].lower() + rest[1:]


def revised(text: str, base: bytes | None) -> str:
    """Return the prompt as an image model would rewrite it."""
    start = "The earlier image, edited:" if base else "A detailed illustration of"
    return f"{start} {subject(text)}, soft light"


def earlier_image(body: JSON, text: str) -> bytes | None:
    """Return the image to start from: one just sent or named, or one referred to."""
    sent = request.image_in(request.last_user_message(body))
    sent = sent or request.named_image(body)
    if sent or not FOLLOW_UP.search(text):
        return sent
    return request.last_image(body)


def _several(image: Image, count: int) -> list[Step]:
    images = [vary(image, ending) for ending in VARIATIONS[:count]]
    return [Images(*images), Text("Which one do you like best?")]


def vary(image: Image, ending: str) -> Image:
    """Return the image step with an ending put to its prompts."""
    return replace(
        image,
        prompt=f"{image.prompt}{ending}",
        revised_prompt=f"{image.revised_prompt}{ending}",
    )


def _unfinished(image: Image, end: Step) -> list[Step]:
    return [replace(image, partials=1, finish=False), end]


#: The words that choose what happens to the image; the first match wins.
SCENARIOS: dict[str, Callable[[Image], list[Step]]] = {
    "blocked forbidden": lambda image: [
        FailedImage(),
        Text("I was not allowed to finish that image."),
    ],
    "broken fail": lambda image: [
        replace(image, result=False),
        Text("The image did not come out."),
    ],
    "drop": lambda image: _unfinished(image, Drop()),
    "error": lambda image: _unfinished(image, ErrorEvent()),
    "two both pair": lambda image: _several(image, 2),
    "three": lambda image: _several(image, 3),
    "slow": lambda image: [replace(image, delay=SLOW), Text("That took its time.")],
}
