"""A dialect: how one kind of provider or gateway speaks the Responses API."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..script import JSON, HTTPError, Step

Events: TypeAlias = AsyncIterator[JSON]
Rewrite: TypeAlias = Callable[[Events], Events]
Refuse: TypeAlias = Callable[[JSON], HTTPError | None]
Retell: TypeAlias = Callable[[Sequence[Step]], Sequence[Step]]
Frame: TypeAlias = Callable[[JSON], str]
#: What one event becomes; it may remember those before it.
Turn: TypeAlias = Callable[[JSON], Iterable[JSON]]

IMAGE = "image_generation_call"
#: What ends the streams of other APIs, and is no event.
DONE_MARKER: JSON = {"type": "[DONE]"}


def plain_frame(event: JSON) -> str:
    """Return an event as OpenAI frames it."""
    return f"event: {event.get('type', 'message')}\ndata: {json.dumps(event)}\n\n"


@dataclass(frozen=True)
class Dialect:
    """How a script is spoken. ``a + b`` speaks both: `b` changes what `a` has made.

    Attributes:
        name: What ``DIALECTS`` knows it by.
        about: What it does, and whose habit that is.
        rewrite: Changes the numbered events of an answer.
        tell: Changes the steps of an answer, before any event is made of them.
        refuse: Looks at the body of a request and returns the error that it is refused
            with. What is refused leaves the queued answer for the next request.
        frame: Writes an event as text.
    """

    name: str
    about: str
    rewrite: Rewrite | None = None
    tell: Retell | None = None
    refuse: Refuse | None = None
    frame: Frame | None = None

    def __add__(self, other: Dialect) -> Dialect:
        """Return a dialect that does what both do."""
        if self == PLAIN:
            return other
        return Dialect(
            name=f"{self.name} + {other.name}",
            about=f"{self.about} {other.about}",
            rewrite=lambda events: other.speak(self.speak(events)),
            tell=lambda steps: other.retell(self.retell(steps)),
            refuse=lambda body: self.refusal(body) or other.refusal(body),
            frame=other.frame or self.frame,
        )

    def speak(self, events: Events) -> Events:
        """Return an answer's events as this dialect has them."""
        return self.rewrite(_copies(events)) if self.rewrite else events

    def retell(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Return an answer's steps as this dialect has them."""
        return self.tell(steps) if self.tell else steps

    def refusal(self, body: JSON) -> HTTPError | None:
        """Return the error that a request is refused with, or None."""
        return self.refuse(body) if self.refuse else None

    def framed(self, event: JSON) -> bytes:
        """Return an event as bytes of the stream."""
        if event == DONE_MARKER:
            return b"data: [DONE]\n\n"
        return (self.frame or plain_frame)(event).encode()


PLAIN = Dialect("openai", "The events of OpenAI's own API, whole and in order.")


async def _copies(events: Events) -> Events:
    # An event shares its items with the response that ends the answer.
    async for event in events:
        yield copy.deepcopy(event)


def each(begin: Callable[[], Turn]) -> Rewrite:
    """Return a rewriting that turns one event after the other.

    Args:
        begin: Called for every answer; returns what turns its events.
    """

    async def rewrite(events: Events) -> Events:
        turn = begin()
        async for event in events:
            for changed in turn(event):
                yield changed

    return rewrite


def renumbered(rewrite: Rewrite) -> Rewrite:
    """Return a rewriting whose events are numbered anew, for one that adds some."""

    async def counted(events: Events) -> Events:
        number = 0
        async for event in rewrite(events):
            yield event | {"sequence_number": number}
            number += 1

    return counted


def every(change: Callable[[JSON], None]) -> Rewrite:
    """Return a rewriting that changes each event in its place."""

    def turn(event: JSON) -> Iterable[JSON]:
        change(event)
        return [event]

    return each(lambda: turn)


def without(*kinds: str) -> Rewrite:
    """Return a rewriting that leaves events out, by the end of their type."""

    def turn(event: JSON) -> Iterable[JSON]:
        return [] if event["type"].endswith(kinds) else [event]

    return each(lambda: turn)


def is_image(event: JSON) -> bool:
    """Return whether an event is about one image call."""
    return IMAGE in event["type"] or item_of(event).get("type") == IMAGE


def is_done(event: JSON, kind: str = IMAGE) -> bool:
    """Return whether an event ends an item of a type."""
    ends = event["type"] == "response.output_item.done"
    return ends and bool(item_of(event).get("type") == kind)


def item_of(event: JSON) -> JSON:
    """Return the item that an event carries, or an empty one."""
    item: JSON = event.get("item") or {}
    return item


def items_of(event: JSON, kind: str = IMAGE) -> list[JSON]:
    """Return all items of a type in an event: its own and its response's."""
    response = event.get("response") or {}
    found = [item_of(event), *(response.get("output") or [])]
    return [item for item in found if item.get("type") == kind]
