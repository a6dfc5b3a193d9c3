"""Images of noise, and the answers that carry them as bytes on the wire."""

from __future__ import annotations

import asyncio
import io
import json
import os
from typing import Any

from PIL import Image

from chatkit_images import testing

PARTIALS = 3
# Five bits of noise a channel make about 2 MB at the side that models use; eight
# make 25 MB at 4K.
SIZES = {
    "tiny": (64, 64, 5),
    "500KB": (512, 512, 5),
    "2MB": (1024, 1024, 5),
    "4K": (3840, 2160, 8),
}


def noise(size: str) -> bytes:
    """Return a PNG of noise, which no compression makes smaller."""
    width, height, bits = SIZES[size]
    mask = 256 - 2 ** (8 - bits)
    high_bits = bytes(value & mask for value in range(256))
    pixels = os.urandom(width * height * 3).translate(high_bits)
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


async def answer(size: str) -> list[bytes]:
    """Return what the loopback API sends for an image, one chunk for each event.

    The text after the image ends the turn. After an image alone the Agents SDK
    asks the model again, and all but this app would pay for a second image.
    """
    image = testing.Image(data=noise(size), partials=PARTIALS)
    return await spoken(size, image, testing.Text("Here is your image."))


async def spoken(model: str, *steps: testing.Step) -> list[bytes]:
    """Return what the loopback API sends for an answer, one chunk for each event."""
    api = testing.LoopbackAPI()
    api.respond_with(*steps)
    tool = {"type": "image_generation", "partial_images": PARTIALS}
    body = {"model": model, "stream": True, "input": "A house.", "tools": [tool]}
    requests = [{"type": "http.request", "body": json.dumps(body).encode()}]
    chunks: list[bytes] = []

    async def receive() -> dict[str, Any]:
        if not requests:
            await asyncio.Event().wait()
        return requests.pop()

    async def send(message: Any) -> None:
        chunks.append(message.get("body", b""))

    scope = {"type": "http", "method": "POST", "path": "/v1/responses"}
    await api(scope, receive, send)
    return [chunk for chunk in chunks if chunk]


async def events(size: str) -> list[dict[str, Any]]:
    """Return the events of an answer, parsed from JSON."""
    return [json.loads(chunk.partition(b"data: ")[2]) for chunk in await answer(size)]
