"""The attacks: each is what one visitor does at once, again and again."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Any

import neighbours_files as files
from neighbours_traffic import Answer, Visitor

CHAT = "/chatkit/"
PATHS, PARTS, READERS = 2_000, 50_000, 100
# Seconds for which readers stay, and of what is sent so many variants are made.
HELD, VARIANTS = 5, 8
UPLOAD = re.compile(rb'"url":\s*"https?://[^/"]+(/[^"]+/uploads/[^"]+)"')
RUN = re.compile(rb"(?i)chatkit-run: (\S+)")
# Of five announced files only the last one comes.
ANNOUNCED = 5


async def together(calls: Iterable[Awaitable[Answer]]) -> None:
    """Send some requests at once, and wait for all answers."""
    await asyncio.gather(*calls)


def asked(kind: str, **params: Any) -> bytes:
    """Return the body of a request of ChatKit.js."""
    return json.dumps({"type": kind, "params": params}).encode()


def message(*texts: str) -> bytes:
    """Return the body of a request that begins a thread."""
    content = [{"type": "input_text", "text": text} for text in texts]
    rest = {"attachments": [], "quoted_text": None, "inference_options": {}}
    return asked("threads.create", input={"content": content} | rest)


@cache
def inline_images() -> bytes:
    """Return a message of eight images in its text."""
    sides = range(files.SIDE, files.SIDE - 8, -1)
    encoded = (base64.b64encode(files.webp(width)).decode() for width in sides)
    return message(" ".join(f"data:image/webp;base64,{image}" for image in encoded))


@cache
def paths(variant: int) -> bytes:
    """Return a message of paths as those of images are, which are none."""
    names = (secrets.token_hex(16) for _ in range(PATHS))
    return message(" ".join(f"/chatkit_images/images/ab/{one}.png" for one in names))


@cache
def parts() -> bytes:
    """Return a message of very many parts."""
    return message(*["a"] * PARTS)


async def a1(visitor: Visitor) -> None:
    """Upload eight images of 34 bytes and 40 million pixels."""
    await together(visitor.upload(files.webp(), "image/webp") for _ in range(8))


async def a2(visitor: Visitor) -> None:
    """Send four messages of eight such images in the text."""
    await together(visitor.post(CHAT, inline_images()) for _ in range(4))


async def a3(visitor: Visitor) -> None:
    """Send four messages of 2,000 paths."""
    chosen = [paths(random.randrange(VARIANTS)) for _ in range(4)]
    await together(visitor.post(CHAT, body) for body in chosen)


async def a4(visitor: Visitor) -> None:
    """Upload twelve images that take seconds to decode."""
    await together(visitor.upload(files.scans(), "image/jpeg") for _ in range(12))


async def a6a(visitor: Visitor) -> None:
    """Have forty images generated."""
    await together(visitor.post(CHAT, message("image of a fox")) for _ in range(40))


async def a6b(visitor: Visitor) -> None:
    """Announce forty files, and send the bytes of eight of them."""
    params = {"name": "a.png", "size": len(files.large()), "mime_type": "image/png"}
    announcement = asked("attachments.create", **params)

    async def one() -> Answer:
        for _ in range(ANNOUNCED):
            answer = await visitor.post(CHAT, announcement)
        found = UPLOAD.search(answer.body)
        # Who was refused tries it all the same.
        path = found[1].decode() if found else "/chatkit/uploads/none/"
        return await visitor.upload(files.large(), "image/png", path)

    await together(one() for _ in range(8))


async def a8a(visitor: Visitor) -> None:
    """Upload two images of a million and more extensions."""
    await together(visitor.upload(files.extensions(), "image/gif") for _ in range(2))


async def a8b(visitor: Visitor) -> None:
    """Send four messages of 50,000 parts."""
    await together(visitor.post(CHAT, parts()) for _ in range(4))


async def a9(visitor: Visitor) -> None:
    """Ask sixteen times for what is not there, without a cookie."""
    await together(
        visitor.stranger(
            f"/chatkit/images/{uuid.uuid4()}/full/"
            if number % 2
            else f"/chatkit/threads/{secrets.token_hex(8)}/status/"
        )
        for number in range(16)
    )


async def a11(visitor: Visitor) -> None:
    """Send one message sixteen times, by one key."""
    key = {"Idempotency-Key": secrets.token_hex(16)}
    await together(visitor.post(CHAT, message("Hello"), **key) for _ in range(16))


async def streams(visitor: Visitor) -> None:
    """Begin a run that says nothing, and read it a hundred times."""
    # Whoever can resume a run may leave it for a while.
    patient = {"ChatKit-Resume": "1"}
    begun = await visitor.post(CHAT, message("held"), hold=1, **patient)
    found = RUN.search(begun.head)
    path = f"/chatkit/runs/{found[1].decode() if found else uuid.uuid4()}/events/"
    reading = together(visitor.get(path, hold=HELD) for _ in range(READERS))
    # Where nothing is held it does not begin anew any sooner.
    await asyncio.gather(reading, asyncio.sleep(HELD))


ATTACKS: dict[str, Callable[[Visitor], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (a1, a2, a3, a4, a6a, a6b, a8a, a8b, a9, a11, streams)
}
# What takes long to make.
MADE = {"a4": files.scans, "a6b": files.large, "a8a": files.extensions}


def prepare(names: Iterable[str]) -> None:
    """Make the files of attacks before they begin."""
    for name in MADE.keys() & set(names):
        MADE[name]()
