"""What the body of an error says, however deep its shape hides it.

OpenAI nests an object in ``error``, Google puts that in a list, gateways put the JSON
of another provider into a text, and some send a text alone.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import waits
from .codes import squeezed, strong

# Nothing that a provider sends is deeper or longer; a hostile body may be.
MOST_DEPTH, MOST_ENTRIES, MOST_TEXT, MOST_PRINTED = 12, 400, 100_000, 10_000
# Names, squeezed, of entries that have the word for what is wrong.
WORD_NAMES = {
    "code", "type", "status", "reason", "name", "errorcode", "errortype", "errorname",
    "finishreason", "blockreason", "stopreason", "quotaid", "innercode",
    "statuscode", "httpstatus", "httpcode", "errorreason",
}  # fmt: skip
MESSAGE_NAMES = {
    "message", "msg", "error", "detail", "details", "errordescription", "description",
    "errormessage", "title", "raw", "reasonphrase", "body", "failurereason", "refusal",
    "statusmsg", "errmsg", "errormsg",
}  # fmt: skip
MODERATION_NAMES = {
    "moderationdetails", "contentfilterresult", "contentfilterresults", "safetyratings",
    "moderationreasons", "contentfilters", "moderation",
}  # fmt: skip
# What a filter says of what it has held back, and what names its moment.
HELD_BACK = ("filtered", "blocked", "flagged")
STAGES = ("categories", "moderation_stage")
FILTERED = "content_filtered"
# The app's own words for a request come back in these; they say nothing of the error.
QUOTED_NAMES = {"input", "prompt", "flaggedinput", "request", "loc", "url", "ctx"}


@dataclass
class Evidence:
    """What a source says of a failure.

    Attributes:
        words: Words such as codes and types, the outermost first, as they were sent.
        status: The HTTP status.
        messages: Sentences, the outermost first.
    """

    words: list[str] = field(default_factory=list)
    status: int | None = None
    messages: list[str] = field(default_factory=list)
    code: str = ""
    type: str = ""
    param: str = ""
    request_id: str = ""
    retry_after: float | None = None
    moderation: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def text(self) -> str:
        """All sentences."""
        return "\n".join(self.messages)


class Reader:
    """Reads a body into evidence."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._left = MOST_ENTRIES

    def read(self, body: Any, depth: int = 0) -> None:
        """Take whatever a body says, an object's own words before those within it."""
        self._left -= 1
        if depth > MOST_DEPTH or self._left < 0:
            return
        if isinstance(body, bytes | bytearray):
            body = bytes(body[:MOST_TEXT]).decode(errors="replace")
        if isinstance(body, str):
            self._read_text(body, depth)
        elif isinstance(body, Mapping):
            self._read_object(body, depth)
        elif isinstance(body, list | tuple):
            for entry in body:
                self.read(entry, depth + 1)

    def _read_object(self, body: Mapping[Any, Any], depth: int) -> None:
        inner = []
        for key, value in body.items():
            name = squeezed(str(key))
            if name == "loc":
                self._read_place(value)
            if name in QUOTED_NAMES or value is None:
                continue
            wait = waits.of_value(name, value)
            if wait is not None:
                self.evidence.retry_after = self.evidence.retry_after or wait
            elif name in MODERATION_NAMES:
                self._read_moderation(name, value)
            elif isinstance(value, Mapping | list | tuple):
                inner.append(value)
            elif name in WORD_NAMES:
                self._read_word(name, value)
            elif name in MESSAGE_NAMES and isinstance(value, str):
                self._read_text(value, depth)
            elif name == "param" and value:
                self.evidence.param = self.evidence.param or str(value)
            elif name == "requestid" and value:
                self.evidence.request_id = self.evidence.request_id or str(value)
        if isinstance(reasons := body.get("reasons"), list) and "flagged_input" in body:
            # OpenRouter's own moderation says only this.
            self.evidence.words.append("flagged_input")
            self.evidence.moderation.setdefault("categories", strings(reasons))
        for value in inner:
            self.read(value, depth + 1)

    def _read_place(self, place: Any) -> None:
        """Take the parameter that FastAPI names, if no other is named."""
        if isinstance(place, list | tuple) and len(place) == 2 and place[0] == "body":
            self.evidence.param = self.evidence.param or str(place[1])[:MOST_TEXT]

    def _read_word(self, name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return
        text = str(value).strip()
        if text.isdecimal():
            number = int(text) if len(text) < 6 else 0
            if 400 <= number < 600 and self.evidence.status is None:
                self.evidence.status = number
        elif text and text.lower() != "error":
            self.evidence.words.append(text)
            if name == "blockreason":
                self.evidence.words.append(FILTERED)
        if name in ("code", "errorcode") and text:
            known = self.evidence.code
            # A number only repeats the status. A word says more, even from within.
            if not known or (known.isdecimal() and not text.isdecimal()):
                self.evidence.code = text
        elif name in ("type", "errortype") and text.lower() != "error":
            self.evidence.type = self.evidence.type or text

    def _read_text(self, text: str, depth: int) -> None:
        text = text[:MOST_TEXT].strip()
        if not text:
            return
        before, inner = embedded(text)
        if inner is None:
            self.evidence.messages.append(text)
            # A code in the place of a message, and not a sentence of the same words.
            if len(text.split()) == 1 and strong(text) is not None:
                self.evidence.words.append(text)
            return
        if before:
            self.evidence.messages.append(before)
        self.read(inner, depth + 1)

    def _read_moderation(self, name: str, value: Any) -> None:
        found = self.evidence.moderation
        if isinstance(value, Mapping) and not value.keys().isdisjoint(STAGES):
            found.update({str(key): inner for key, inner in value.items()})
        elif isinstance(value, list) and value and not isinstance(value[0], Mapping):
            found.setdefault("categories", strings(value))
        hit = list(judged(value))
        if hit:
            # Some say no more than which of their filters it was.
            self.evidence.words.append(FILTERED)
            if categories := [category for category in hit if category]:
                found.setdefault("categories", categories)


def judged(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the names of what a filter has held back; empty for one without a name."""
    if depth > MOST_DEPTH:
        return
    if isinstance(value, list | tuple):
        for entry in value:
            yield from judged(entry, name, depth + 1)
    elif isinstance(value, Mapping):
        if any(value.get(word) is True for word in HELD_BACK):
            category = value.get("category")
            yield category if isinstance(category, str) else name
        for key, inner in value.items():
            nested = squeezed(str(key)) in MODERATION_NAMES
            yield from judged(inner, "" if nested else str(key), depth + 1)


def embedded(text: str) -> tuple[str, Any]:
    """Return the words before the data in a text, and the data; ``None`` without."""
    start = 0 if text.startswith("[") else text.find("{")
    if start < 0:
        return text, None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        value = printed(text[start : text.rfind("}") + 1])
    if isinstance(value, dict | list) and value:
        return text[:start].strip(" \t\n-:"), value
    return text, None


def printed(text: str) -> Any:
    """Return the dictionary that a Python program has printed, as gateways do."""
    try:
        return ast.literal_eval(text[:MOST_PRINTED])
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def strings(values: list[Any]) -> list[str]:
    """Return the texts in a list."""
    return [value for value in values if isinstance(value, str)]
