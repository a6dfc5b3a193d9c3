"""Dialects of images: how their bytes are written, and what kind they are."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Callable

from ..script import JSON
from .dialect import Dialect, Rewrite, every, items_of

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
    '<circle cx="20" cy="20" r="18" fill="orange"/></svg>'
)
SVG_USAGE = {
    "model": "svg-model",
    "input_tokens": 40,
    "output_tokens": 600,
    "reasoning_tokens": 100,
    "total_tokens": 640,
}


def encoded(write: Callable[[str], str]) -> Rewrite:
    """Return a rewriting of the base64 of all images and previews."""

    def change(event: JSON) -> None:
        if event.get("partial_image_b64"):
            event["partial_image_b64"] = write(event["partial_image_b64"])
        for item in items_of(event):
            if item.get("result"):
                item["result"] = write(item["result"])

    return every(change)


def _url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


def _lines(end: str) -> Callable[[str], str]:
    return lambda text: end.join(textwrap.wrap(text, 76)) + end


def _svg(event: JSON) -> None:
    for item in items_of(event):
        if item.get("result"):
            item["result"] = base64.b64encode(SVG.encode()).decode()
            item |= {"output_format": "svg", "svg_usage": SVG_USAGE}


IMAGES = [
    Dialect(
        "data-url",
        "Images and previews are data URLs (OpenRouter and its like).",
        encoded(lambda text: f"data:image/png;base64,{text}"),
    ),
    Dialect(
        "data-url-of-another-type",
        "Images are data URLs of a type that they are not, with a parameter.",
        encoded(lambda text: f"data:image/jpeg;charset=utf-8;base64,{text}"),
    ),
    Dialect(
        "base64-url-safe",
        "The base64 has `-` and `_` instead of `+` and `/`.",
        encoded(_url_safe),
    ),
    Dialect(
        "base64-unpadded",
        "The base64 lacks the `=` at its end.",
        encoded(lambda text: text.rstrip("=")),
    ),
    Dialect(
        "base64-url-safe-unpadded",
        "Both at once, as in tokens.",
        encoded(lambda text: _url_safe(text).rstrip("=")),
    ),
    Dialect(
        "base64-wrapped",
        "The base64 is in lines of 76 characters, as MIME has it.",
        encoded(_lines("\r\n")),
    ),
    Dialect(
        "base64-wrapped-in-data-url",
        "A data URL whose base64 is in lines.",
        encoded(lambda text: "data:image/png;base64," + _lines("\n")(text)),
    ),
    Dialect(
        "base64-spaced",
        "White space stands around the base64.",
        encoded(lambda text: f" {text}\n\t"),
    ),
    Dialect(
        "svg",
        "Every image is an SVG, and the tokens of its drawing are told.",
        every(_svg),
    ),
]
