"""Parts of a model's input, as the Responses API takes them."""

from __future__ import annotations

from typing import Literal

import pybase64
from openai.types.responses import (
    EasyInputMessageParam,
    ResponseInputContentParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)
from openai.types.responses.response_input_item_param import Message

# A part, or ``None`` and the end of the sentence about what the model does not see.
Part = tuple[ResponseInputContentParam | None, str]


def text(words: str) -> ResponseInputTextParam:
    """Return a part that is text."""
    return ResponseInputTextParam(type="input_text", text=words)


def image(url: str) -> ResponseInputImageParam:
    """Return a part that is an image, by its URL."""
    return ResponseInputImageParam(type="input_image", detail="auto", image_url=url)


def file(name: str, url: str) -> ResponseInputFileParam:
    """Return a part that is a file, with its bytes as a ``data:`` URL."""
    return ResponseInputFileParam(type="input_file", filename=name, file_data=url)


def message(
    *content: ResponseInputContentParam,
    role: Literal["user", "system", "developer"] = "user",
) -> Message:
    """Return a message that consists of some parts."""
    return Message(type="message", role=role, content=list(content))


def answer(words: str) -> EasyInputMessageParam:
    """Return what the model has said."""
    return EasyInputMessageParam(type="message", role="assistant", content=words)


def data_url(mime: str, data: bytes) -> str:
    """Return bytes as requests have them."""
    return f"data:{mime};base64,{pybase64.b64encode_as_string(data)}"
