"""A language with words of its own, and how a project may choose it."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils import translation

GERMAN = {
    "The answer was interrupted. Try again.": "Die Antwort wurde unterbrochen.",
    "The image was interrupted before it was ready.": "Das Bild wurde unterbrochen.",
    "There are too many requests.": "Es sind zu viele Anfragen.",
    "Try again in a moment.": "Gleich noch einmal.",
}


def write_catalog(directory: Path, words: dict[str, str], language: str = "de") -> None:
    """Write a compiled catalog below a directory for ``LOCALE_PATHS``.

    Source: "The Format of GNU MO Files" in the manual of GNU gettext.
    """
    head = "Content-Type: text/plain; charset=UTF-8\n"
    pairs = sorted({"": head, **words}.items())
    keys, texts = b"", b""
    places: list[tuple[int, int, int, int]] = []
    for key, text in pairs:
        k, t = key.encode(), text.encode()
        places.append((len(k), len(keys), len(t), len(texts)))
        keys, texts = keys + k + b"\0", texts + t + b"\0"
    start = 28 + 16 * len(pairs)
    table = [(size, start + at) for size, at, _, _ in places]
    table += [(size, start + len(keys) + at) for _, _, size, at in places]
    header = (0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    numbers = [*header, *(number for pair in table for number in pair)]
    path = directory / language / "LC_MESSAGES" / "django.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(struct.pack(f"<{len(numbers)}I", *numbers) + keys + texts)


class ProfileLanguage:
    """A middleware that activates what a profile says, whatever the browser wants."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[..., Awaitable[HttpResponse]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        translation.activate("de")
        return await self.get_response(request)
