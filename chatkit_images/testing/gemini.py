"""Gemini's API: ``models/<name>:generateContent`` and ``:streamGenerateContent``."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Sequence
from uuid import uuid4

from . import script
from .asgi import Frames, Send, send_dropped, send_error, send_frames, send_json
from .image_calls import Look, Studio
from .model import default_images
from .pauses import PAUSES, pause
from .script import JSON, ConnectionDropped, HTTPError, Step
from .stand_ins import StandIn

#: Tokens of an image of up to 1024 pixels, and of each image that is sent along.
FINAL_TOKENS, INPUT_TOKENS = 1290, 258
#: What Google calls a status.
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
USUAL = str.maketrans("-_", "+/")
SIZES = {"1:1": "1024x1024", "3:2": "1248x832", "2:3": "832x1248", "16:9": "1344x768"}


class GeminiAPI(StandIn):
    """Answers with images and texts as Gemini does, streamed or not.

    Its steps are `Image`, `FailedImage`, `Text`, `HTTPError`, `Gate`, `Wait`, `Drop`
    and `Usage`. The previews of an `Image` are thoughts: parts with ``thought``. A
    `FailedImage` with the stage ``"input"`` is a prompt that is blocked, else a
    candidate that ends with ``IMAGE_SAFETY``. A request is remembered with its
    ``model``.
    """

    async def answer(
        self, model: str, method: str, data: bytes, studio: Studio, send: Send
    ) -> None:
        """Answer a request to a method of a model."""
        try:
            asked = json.loads(data)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            await _send_error(send, HTTPError(400, message="Invalid JSON payload."))
            return
        self.remember({"model": model} | asked)
        steps = self.queued() or default_images(_prompt(asked))
        if steps and isinstance(steps[0], HTTPError):
            await _send_error(send, steps[0])
            return
        chunks = _chunks(model, asked, steps, studio)
        if method == "streamGenerateContent":
            await send_frames(_frames(chunks), send)
        elif method == "generateContent":
            await _send_whole(chunks, send)
        else:
            words = f"models/{model} is not supported for {method}."
            await _send_error(send, HTTPError(404, message=words))


def _parts(asked: JSON) -> list[JSON]:
    """Return the parts of the newest content."""
    contents = asked.get("contents") or [{}]
    return list(contents[-1].get("parts") or ())


def _prompt(asked: JSON) -> str:
    return " ".join(part["text"] for part in _parts(asked) if "text" in part)


async def _chunks(
    model: str, asked: JSON, steps: Sequence[Step], studio: Studio
) -> AsyncGenerator[JSON, None]:
    facts = {"modelVersion": model, "responseId": uuid4().hex}
    counts = next((step for step in steps if isinstance(step, script.Usage)), None)
    drawn, reason = 0, "STOP"
    for step in steps:
        if isinstance(step, script.Image):
            async for part in _image(asked, step, studio):
                yield facts | _candidate(part)
            drawn += step.finish and step.result
        elif isinstance(step, script.FailedImage):
            if step.stage == "input":
                blocked = {"blockReason": "PROHIBITED_CONTENT"}
                yield facts | {"promptFeedback": blocked} | _usage(asked, 0, counts)
                return
            reason = "IMAGE_SAFETY"
        elif isinstance(step, script.Text):
            yield facts | _candidate({"text": step.text})
        elif isinstance(step, PAUSES):
            await pause(step)
        elif not isinstance(step, script.Usage):
            raise ValueError(f"Gemini's API has no {type(step).__name__}.")
    end: JSON = {"index": 0, "finishReason": reason}
    if reason != "STOP":
        end["finishMessage"] = "Unable to show the generated image."
    yield facts | {"candidates": [end]} | _usage(asked, drawn, counts)


async def _image(
    asked: JSON, step: script.Image, studio: Studio
) -> AsyncGenerator[JSON, None]:
    config = asked.get("generationConfig") or {}
    ratio = (config.get("imageConfig") or {}).get("aspectRatio")
    thinking = config.get("thinkingConfig") or {}
    # Google takes both spellings of a field; its client mixes them.
    thoughts = thinking.get("includeThoughts") or thinking.get("include_thoughts")
    tool = {"size": SIZES.get(str(ratio)), "partial_images": 2 if thoughts else 0}
    look = Look.of(step, tool)
    parts = _parts(asked)
    prompt = step.prompt or _prompt(asked)
    sent = [part["inlineData"]["data"] for part in parts if "inlineData" in part]
    # Google's own clients send the alphabet of URLs, others the usual one.
    base = base64.b64decode(sent[-1].translate(USUAL)) if sent else None

    async def drawing(sharpness: float) -> JSON:
        data = await studio.paint(step, look, prompt, sharpness, base)
        return {"inlineData": {"mimeType": f"image/{look.format}", "data": data}}

    for number in range(look.partials):
        await asyncio.sleep(step.delay or studio.delay)
        yield await drawing((number + 1) / (look.partials + 1)) | {"thought": True}
    if step.gate:
        await step.gate.wait()
    if step.finish and step.result:
        await asyncio.sleep(step.delay or studio.delay)
        yield await drawing(1.0)


def _candidate(part: JSON) -> JSON:
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]}


def _usage(asked: JSON, drawn: int, counts: script.Usage | None) -> JSON:
    parts = _parts(asked)
    text = sum(len(part.get("text", "")) // 4 + 1 for part in parts if "text" in part)
    sent = sum(INPUT_TOKENS for part in parts if "inlineData" in part)
    given = counts.input_tokens if counts else text + sent
    made = counts.output_tokens if counts else drawn * FINAL_TOKENS
    usage: JSON = {
        "promptTokenCount": given,
        "candidatesTokenCount": made,
        "totalTokenCount": given + made,
    }
    if drawn:
        details = [{"modality": "IMAGE", "tokenCount": made}]
        usage["candidatesTokensDetails"] = details
    return {"usageMetadata": usage}


async def _frames(chunks: AsyncGenerator[JSON, None]) -> Frames:
    async for chunk in chunks:
        yield f"data: {json.dumps(chunk)}\r\n\r\n".encode(), "usageMetadata" in chunk


async def _send_whole(chunks: AsyncGenerator[JSON, None], send: Send) -> None:
    """Answer with all parts in one candidate."""
    parts: list[JSON] = []
    whole: JSON = {}
    try:
        async for chunk in chunks:
            whole |= chunk
            for candidate in chunk.get("candidates", ()):
                parts += candidate.get("content", {}).get("parts", ())
    except ConnectionDropped:
        await send_dropped(send)
        return
    if parts:
        whole["candidates"][0]["content"] = {"role": "model", "parts": parts}
    await send_json(send, 200, whole)


async def _send_error(send: Send, error: HTTPError) -> None:
    """Answer with an error in Google's form, or in its own."""
    told: JSON = {
        "code": error.status,
        "message": error.message,
        "status": STATUSES.get(error.status, "UNKNOWN"),
    }
    if wait := error.headers.get("retry-after"):
        info = "type.googleapis.com/google.rpc.RetryInfo"
        told["details"] = [{"@type": info, "retryDelay": f"{wait}s"}]
    body = {"error": told} if error.body is None else error.body
    await send_error(send, script.HTTPError(error.status, headers={}, body=body))
