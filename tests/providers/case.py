"""What must hold whatever a provider does, noted instead of raised at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chatkit_images.models import GeneratedImage, Run
from chatkit_images.testing import Dialect, HTTPError, LoopbackAPI, Text
from chatkit_images.testing.dialects import every

from . import bodies
from .person import CANARY, JSON, Person, texts, urls

THANKS = "You are welcome."


@dataclass
class Case:
    """One dialect at one door.

    Attributes:
        missing: What did not hold, in words.
    """

    person: Person
    model: LoopbackAPI
    missing: list[str] = field(default_factory=list)

    def check(self, what: str, found: Any, wanted: Any = True) -> None:
        """Note what is not as it should be."""
        if found != wanted:
            self.missing.append(f"{what}: {shown(found)}, not {shown(wanted)}")

    def that(self, what: str, holds: Any) -> None:
        """Note what does not hold."""
        if not holds:
            self.missing.append(what)

    def speak(self, *dialects: Dialect | str) -> None:
        """Let the model speak, its errors with the canary in them."""
        self.model.speak(*dialects, TAINT)

    async def settled(self) -> list[JSON]:
        """Check what must hold after any turn; return the items after a reload."""
        person = self.person
        turn = person.turns[-1]
        self.check("open on the wire", len(turn.open), 0)
        items = await person.reload()
        stored = {item["id"]: item for item in items}
        self.check("after a reload: lost", self._kinds(set(turn.items) - set(stored)))
        live = {key: comparable(item) for key, item in turn.items.items()}
        again = {key: comparable(stored[key]) for key in live if key in stored}
        changed = {key for key in again if again[key] != live[key]}
        self.check("after a reload: changed", self._kinds(changed))
        answer = [item for item in later(items) if item["id"] not in live]
        self.check("after a reload: new", sorted(item["type"] for item in answer), [])
        kept = texts(items)
        for key, words in turn.read.items():
            # The end of a message says what it is, whatever came bit by bit before.
            held = key in turn.items or any(words in text for text in kept)
            self.that(f"{words!r} was read and is gone", held)
        empty = [item for item in items if is_empty(item)]
        self.check("after a reload: empty", [item["type"] for item in empty], [])
        self.check(
            "rows that are generating",
            await GeneratedImage.objects.filter(status="generating").acount(),
            0,
        )
        running = await Run.objects.filter(status="running").acount()
        self.check("rows that are running", running, 0)
        self.that("a secret on the wire", CANARY.encode() not in person.heard)
        return items

    def _kinds(self, ids: set[str]) -> Any:
        """Return the types of items of the last turn; True if there are none."""
        items = self.person.turns[-1].items
        return sorted(items[key]["type"] for key in ids) or True

    async def images(self, items: list[JSON], *wanted: bytes) -> None:
        """Check that these items show these images, in this order, each once."""
        found = [await self.person.load(url) for url in urls(items)]
        self.check("images", named(found), named(wanted))

    async def rows(self, *wanted: tuple[str, str]) -> None:
        """Check status and reason of the rows of images, oldest first."""
        rows = GeneratedImage.objects.order_by("created_at", "pk")
        found = [(row.status, row.reason) async for row in rows]
        self.check("rows of images", sorted(found), sorted(wanted))

    async def goes_on(self) -> None:
        """Check that the next turn answers, and that it is no different."""
        self.model.speak()
        self.model.respond_with(Text(THANKS))
        turn = await self.person.say("thank you")
        self.check("errors of the next turn", len(turn.errors), 0)
        self.check("the next turn", texts(turn.items.values()), [THANKS])
        await self.settled()

    def whole(self) -> None:
        """Fail if anything is missing, or if a request is none of OpenAI's own."""
        wrong = [bodies.wrong(body) for body in self.model.requests]
        self.check("requests", [words for words in wrong if words], [])
        if self.missing:
            pytest.fail("; ".join(self.missing), pytrace=False)


#: The images of the tests by their bytes.
NAMES: dict[bytes, str] = {}


def named(images: Any) -> list[str]:
    """Return the names of images, for a short report."""
    return [NAMES.get(data, f"{len(data)} bytes") for data in images]


def shown(value: Any) -> str:
    """Return a value that fits a line."""
    text = str(value)
    return text if len(text) <= 160 else f"{text[:150]}... ({len(text)})"


def comparable(item: JSON) -> JSON:
    """Return an item without its time, and without the signature of its URL."""
    kept = {key: value for key, value in item.items() if key != "created_at"}
    if kept.get("image"):
        kept["image"] = kept["image"] | {"url": bool(kept["image"].get("url"))}
    return kept


def is_empty(item: JSON) -> bool:
    """Return whether nothing is to be seen of an item."""
    if item["type"] == "generated_image":
        return not (item.get("image") or {}).get("url")
    if item["type"] == "assistant_message":
        return not any(part["text"] for part in item["content"])
    return False


def later(items: list[JSON]) -> list[JSON]:
    """Return the items behind the last message of the person."""
    last = max(n for n, item in enumerate(items) if item["type"] == "user_message")
    return items[last + 1 :]


def _taint(value: Any) -> Any:
    """Return JSON with the canary in each of its messages."""
    if isinstance(value, dict):
        words = ("message", "detail")
        return {
            key: f"{each} {CANARY}"
            if key in words and isinstance(each, str)
            else _taint(each)
            for key, each in value.items()
        }
    return [_taint(each) for each in value] if isinstance(value, list) else value


def _taint_event(event: JSON) -> None:
    for key in ("message", "error"):
        if event["type"] == "error" and key in event:
            event |= _taint({key: event[key]})
    response = event.get("response") or {}
    for target in (response, event.get("item") or {}, *(response.get("output") or [])):
        if target.get("error"):
            target["error"] = _taint(target["error"])


def _taint_steps(steps: Any) -> Any:
    return [tainted(step) if isinstance(step, HTTPError) else step for step in steps]


def tainted(error: HTTPError) -> HTTPError:
    """Return an error with the canary in its words, its headers and its body."""
    body = error.body
    body = f"{body} {CANARY}" if isinstance(body, str) else _taint(body)
    return replace(
        error,
        message=f"{error.message} {CANARY}",
        headers=error.headers | {"x-debug": CANARY, "openai-organization": CANARY},
        body=body,
    )


TAINT = Dialect("canary", "", every(_taint_event), _taint_steps)
