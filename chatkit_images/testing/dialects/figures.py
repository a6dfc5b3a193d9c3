"""Dialects of figures: what a response tells of its tokens and of its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..script import JSON
from .dialect import Dialect, Rewrite, every, items_of

#: The tokens that each image of `tool-usage` costs.
INPUT, OUTPUT = 500, 4160


def image_usage(images: int) -> JSON:
    """Return the `tool_usage` of a response with so many images."""
    each_text, each_image = INPUT // 5, INPUT - INPUT // 5
    return {
        "image_gen": {
            "input_tokens": INPUT * images,
            "input_tokens_details": {
                "text_tokens": each_text * images,
                "image_tokens": each_image * images,
            },
            "output_tokens": OUTPUT * images,
            "output_tokens_details": {
                "text_tokens": 0,
                "image_tokens": OUTPUT * images,
            },
            "total_tokens": (INPUT + OUTPUT) * images,
        },
        "web_search": {"num_requests": 0},
    }


def at_the_end(change: Callable[[JSON, JSON], Any]) -> Rewrite:
    """Return a rewriting of the response that ends an answer."""

    def turn(event: JSON) -> None:
        response = event.get("response")
        if response and event["type"] not in (
            "response.created",
            "response.in_progress",
        ):
            change(response, event)

    return every(turn)


def _tool_usage(response: JSON, event: JSON) -> None:
    drawn = [item for item in items_of(event) if item.get("result")]
    response["tool_usage"] = image_usage(len(drawn))


def _partial(response: JSON, event: JSON) -> None:
    drawn = [item for item in items_of(event) if item.get("result")]
    total = {"output_tokens": OUTPUT * len(drawn)}
    response["tool_usage"] = {"image_gen": total}


def _odd(response: JSON, event: JSON) -> None:
    response["tool_usage"] = {"image_gen": {"input_tokens": "many", "total": -1}}
    response["usage"] = {"input_tokens": None, "output_tokens": "3"}


def _bare_usage(response: JSON, event: JSON) -> None:
    if response.get("usage"):
        for side in ("input", "output"):
            response["usage"].pop(f"{side}_tokens_details", None)


def _everywhere(change: Callable[[JSON], Any]) -> Rewrite:
    def turn(event: JSON) -> None:
        if "response" in event:
            change(event["response"])

    return every(turn)


FIGURES = [
    Dialect(
        "tool-usage",
        "The response tells the tokens of the image tool apart from its own.",
        at_the_end(_tool_usage),
    ),
    Dialect(
        "tool-usage-partial",
        "The response tells one count of the image tool and no detail.",
        at_the_end(_partial),
    ),
    Dialect(
        "tool-usage-null",
        "The `tool_usage` is null.",
        at_the_end(lambda response, event: response.update(tool_usage=None)),
    ),
    Dialect(
        "usage-null",
        "The response's own `usage` is null.",
        at_the_end(lambda response, event: response.update(usage=None)),
    ),
    Dialect(
        "usage-without-details",
        "The response's own `usage` has no details.",
        at_the_end(_bare_usage),
    ),
    Dialect(
        "usage-of-wrong-types",
        "Counts are null, texts and negative.",
        at_the_end(_odd),
    ),
    Dialect(
        "model-not-echoed",
        "Responses do not say which model and which tools they are of.",
        _everywhere(lambda response: (response.pop("model"), response.pop("tools"))),
    ),
    Dialect(
        "model-null",
        "The model and the tools of responses are null.",
        _everywhere(lambda response: response.update(model=None, tools=None)),
    ),
    Dialect(
        "model-of-the-gateway",
        "Responses name the model as the gateway routes it.",
        _everywhere(lambda response: response.update(model="vendor/some-model@2")),
    ),
]
