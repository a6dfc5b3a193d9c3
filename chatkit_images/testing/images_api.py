"""OpenAI's Images API: ``images/generations`` and ``images/edits``."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from . import forms, script
from .asgi import Frames, Send, send_dropped, send_error, send_frames, send_json
from .image_calls import Look, Studio, refusal
from .model import default_images
from .pauses import PAUSES, pause
from .script import JSON, ConnectionDropped, HTTPError, Step
from .stand_ins import StandIn

#: Tokens of a final, of each preview, and of each image that is edited.
FINAL_TOKENS, PARTIAL_TOKENS, INPUT_TOKENS = 1056, 100, 323
#: Fields of a form that are numbers.
NUMBERS = ("n", "partial_images")
#: What an answer that is not streamed says of its images.
KEPT = ("background", "output_format", "quality", "size", "usage")


class ImagesAPI(StandIn):
    """Generates and edits images as OpenAI's Images API does, streamed or not.

    Its steps are `Image`, `FailedImage`, `HTTPError`, `Gate`, `Wait`, `Drop`,
    `ErrorEvent` and `Usage`. A request is remembered with its fields, the files of an
    edit as bytes (``image`` is a list of them), and its ``path``.
    """

    async def answer(
        self, path: str, content_type: str, data: bytes, studio: Studio, send: Send
    ) -> None:
        """Answer a request to ``generations`` or to ``edits``."""
        try:
            asked = _read(content_type, data)
        except ValueError as wrong:
            await send_error(send, HTTPError(400, "invalid_request", str(wrong)))
            return
        self.remember({"path": path} | asked)
        steps = self.queued() or default_images(str(asked.get("prompt", "")))
        if error := _first_error(steps):
            await send_error(send, error)
            return
        events = _events(path, asked, steps, studio)
        if asked.get("stream"):
            await send_frames(_frames(events), send)
        else:
            await _send_whole(events, send)


def _read(content_type: str, data: bytes) -> JSON:
    if not content_type.startswith("multipart/"):
        asked = json.loads(data)
        if not isinstance(asked, dict):
            raise ValueError("The body of the request is not a JSON object.")
        return asked
    asked = forms.fields(content_type, data)
    if isinstance(asked.get("image"), bytes):
        asked["image"] = [asked["image"]]
    for name in NUMBERS:
        if name in asked:
            asked[name] = int(asked[name])
    return asked | {"stream": asked.get("stream") == "true"}


def _first_error(steps: Sequence[Step]) -> HTTPError | None:
    """Return what is answered instead of a stream."""
    first = steps[0] if steps else None
    if isinstance(first, script.FailedImage) and not first.partials:
        # What moderation finds at once.
        return HTTPError(400, body={"error": refusal(first)})
    return first if isinstance(first, HTTPError) else None


async def _events(
    path: str, asked: JSON, steps: Sequence[Step], studio: Studio
) -> AsyncGenerator[tuple[JSON, bool], None]:
    """Yield events, each with whether it is the last one."""
    kind = "image_edit" if path == "edits" else "image_generation"
    counts = next((step for step in steps if isinstance(step, script.Usage)), None)
    steps = [step for step in steps if not isinstance(step, script.Usage)]
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        if isinstance(step, script.Image | script.FailedImage):
            async for event in _image(kind, asked, step, studio, counts):
                ends = event["type"] in (f"{kind}.completed", "error")
                yield event, last and ends
        elif isinstance(step, PAUSES):
            await pause(step)
        elif isinstance(step, script.ErrorEvent):
            told = {"code": step.code, "message": step.message, "param": step.param}
            yield {"type": "error", "error": told | {"type": "server_error"}}, True
            return
        else:
            raise ValueError(f"The Images API has no {type(step).__name__}.")


async def _image(
    kind: str,
    asked: JSON,
    step: script.Image | script.FailedImage,
    studio: Studio,
    counts: script.Usage | None,
) -> AsyncGenerator[JSON, None]:
    look = Look.of(step, asked)
    drawn = step if isinstance(step, script.Image) else script.Image()
    base = drawn.base or next(iter(asked.get("image") or ()), None)
    prompt = drawn.prompt or str(asked.get("prompt", ""))
    facts = {"created_at": int(time.time()), **look.fields()}
    for number in range(look.partials if asked.get("stream") else 0):
        await asyncio.sleep(step.delay or studio.delay)
        sharpness = (number + 1) / (look.partials + 1)
        yield {
            "type": f"{kind}.partial_image",
            "b64_json": await studio.paint(drawn, look, prompt, sharpness, base),
            "partial_image_index": number,
            **facts,
        }
    if drawn.gate:
        await drawn.gate.wait()
    if isinstance(step, script.FailedImage):
        yield {"type": "error", "error": refusal(step)}
        return
    if not drawn.finish:
        return
    await asyncio.sleep(step.delay or studio.delay)
    yield {
        "type": f"{kind}.completed",
        "b64_json": await studio.paint(drawn, look, prompt, 1.0, base),
        "usage": _usage(asked, look, counts),
        **facts,
    }


def _usage(asked: JSON, look: Look, counts: script.Usage | None) -> JSON:
    text = len(str(asked.get("prompt", ""))) // 4 + 1
    images = len(asked.get("image") or ()) * INPUT_TOKENS
    partials = look.partials if asked.get("stream") else 0
    given = counts.input_tokens if counts else text + images
    made = counts.output_tokens if counts else FINAL_TOKENS + partials * PARTIAL_TOKENS
    images = min(images, given)
    return {
        "input_tokens": given,
        "input_tokens_details": {"text_tokens": given - images, "image_tokens": images},
        "output_tokens": made,
        "total_tokens": given + made,
    }


async def _frames(events: AsyncGenerator[tuple[JSON, bool], None]) -> Frames:
    async for event, last in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode(), last


async def _send_whole(
    events: AsyncGenerator[tuple[JSON, bool], None], send: Send
) -> None:
    """Answer with the images that a stream would end with."""
    images: list[JSON] = []
    answer: dict[str, Any] = {"created": int(time.time())}
    try:
        async for event, _ in events:
            if error := event.get("error"):
                status = 400 if "moderation" in error["code"] else 500
                await send_error(send, HTTPError(status, body={"error": error}))
                return
            images.append({"b64_json": event["b64_json"]})
            answer |= {name: event[name] for name in KEPT}
    except ConnectionDropped:
        await send_dropped(send)
        return
    await send_json(send, 200, answer | {"data": images})
