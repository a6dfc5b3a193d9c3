"""The wire events of image generation calls."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from . import request
from .drawing import draw
from .script import JSON, FailedImage, Image, Images

EVENT = "response.image_generation_call"


class Draw(Protocol):
    """A function that draws: ``chatkit_images.testing.draw``, or one like it."""

    def __call__(
        self,
        prompt: str,
        *,
        size: tuple[int, int],
        step: float,
        format: str,
        base: bytes | None,
        transparent: bool,
    ) -> bytes:
        """Return the bytes of an image; see ``chatkit_images.testing.draw``."""
        ...


@dataclass(frozen=True)
class Studio:
    """The function that draws, its largest size, and the seconds for each preview."""

    draw: Draw = draw
    max_side: int = 768
    delay: float = 0.0

    async def paint(
        self,
        step: Image,
        look: Look,
        prompt: str,
        sharpness: float = 1.0,
        base: bytes | None = None,
    ) -> str:
        """Return what a step shows, as base64; below 1 it is a preview."""
        data = step.data
        if sharpness < 1 and step.preview is not None:
            data = step.preview
        if data is None:
            # Pillow keeps a core busy, and the event loop has other streams to serve.
            data = await asyncio.to_thread(
                self.draw,
                prompt,
                size=look.pixels(self.max_side),
                step=sharpness,
                format=look.format,
                base=base or step.base,
                transparent=look.background == "transparent",
            )
        return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class Look:
    """The settings of a drawing. Those of the step win over those of the tool."""

    size: str
    format: str
    quality: str
    background: str
    partials: int

    @classmethod
    def of(cls, step: Image | FailedImage, tool: JSON) -> Look:
        """Merge what the step says with what the tool asked for."""

        def setting(name: str, auto: str, own: str | None = None) -> str:
            value = own or tool.get(name) or "auto"
            return auto if value == "auto" else str(value)

        image = step if isinstance(step, Image) else Image(partials=step.partials)
        partials = image.partials
        if partials is None:
            partials = int(tool.get("partial_images") or 0)
        return cls(
            size=setting("size", "1024x1024", image.size),
            format=setting("output_format", "png", image.format),
            quality=setting("quality", "high", image.quality),
            background=setting("background", "opaque", image.background),
            partials=partials,
        )

    def pixels(self, max_side: int) -> tuple[int, int]:
        """Return the size to draw, shrunk until its longer side is `max_side`."""
        width, height = (int(side) for side in self.size.split("x"))
        scale = min(1.0, max_side / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def fields(self) -> JSON:
        """Return the settings as the wire names them."""
        return {
            "size": self.size,
            "quality": self.quality,
            "background": self.background,
            "output_format": self.format,
        }


def refusal(step: FailedImage) -> JSON:
    """Return what the wire says of an image that moderation has blocked."""
    return {
        "code": step.code,
        "message": step.message,
        "type": "image_generation_user_error",
        "param": None,
        "moderation_details": {
            "categories": list(step.categories),
            "moderation_stage": step.stage,
        },
    }


async def image_events(
    step: Images, index: int, body: JSON, studio: Studio
) -> AsyncIterator[JSON]:
    """Yield the events of image calls that run at the same time."""
    calls = [
        (image, _turns(image, index + place, body, studio))
        for place, image in enumerate(step.images)
    ]
    first = True
    while calls:
        if not first:
            await asyncio.sleep(max(image.delay or studio.delay for image, _ in calls))
            if step.order == "reversed":
                calls = calls[::-1]
        for call in list(calls):
            turn = await anext(call[1], None)
            if turn is None:
                calls.remove(call)
            for event in turn or ():
                yield event
        if step.order == "reversed" and not first:
            calls = calls[::-1]
        first = False


async def _turns(
    step: Image | FailedImage, index: int, body: JSON, studio: Studio
) -> AsyncIterator[list[JSON]]:
    """Yield one call's events, a list for every turn it takes."""
    tool = request.image_tool(body) or {}
    look = Look.of(step, tool)
    call_id = step.call_id or f"ig_{uuid4().hex}"
    at = {"item_id": call_id, "output_index": index}
    item = {"id": call_id, "type": "image_generation_call", "status": "in_progress"}
    yield [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        {"type": f"{EVENT}.in_progress", **at},
        {"type": f"{EVENT}.generating", **at},
    ]
    wanted = step if isinstance(step, Image) else Image()
    prompt = wanted.prompt or request.last_user_text(body)

    for number in range(look.partials):
        yield [
            {
                "type": f"{EVENT}.partial_image",
                **at,
                "partial_image_index": number,
                "partial_image_b64": await studio.paint(
                    wanted, look, prompt, (number + 1) / (look.partials + 1)
                ),
                **look.fields(),
            }
        ]
    if wanted.gate:
        await wanted.gate.wait()
    if not wanted.finish:
        return
    done = {"type": "response.output_item.done", "output_index": index}
    if isinstance(step, FailedImage):
        error = refusal(step)
        failed = item | {"status": "failed", "result": None, "error": error}
        yield [{**done, "item": failed}]
        return
    ended = item | {
        "status": wanted.status if wanted.result else "failed",
        "result": await studio.paint(wanted, look, prompt) if wanted.result else None,
        "revised_prompt": wanted.revised_prompt or prompt,
        "action": "edit" if wanted.base else "generate",
        **look.fields(),
        **wanted.fields,
    }
    completed = [{"type": f"{EVENT}.completed", **at}] if wanted.result else []
    yield [*completed, {**done, "item": ended}]
