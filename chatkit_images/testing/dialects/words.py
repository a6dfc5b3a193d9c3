"""Dialects of words: what texts have in them, and what stands beside them."""

from __future__ import annotations

from collections.abc import Callable

from ..script import JSON
from .dialect import Dialect, Rewrite, Turn, each, items_of, renumbered

CITATIONS: list[JSON] = [
    {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 4,
        "url": "https://example.com/",
        "title": "An example",
    },
    {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf", "index": 4},
    {
        "type": "container_file_citation",
        "container_id": "cntr_1",
        "file_id": "file_2",
        "filename": "b.csv",
        "start_index": 0,
        "end_index": 4,
    },
    {"type": "file_path", "file_id": "file_3", "index": 4},
]
SEARCHES: list[tuple[str, JSON, list[str]]] = [
    (
        "web_search_call",
        {"action": {"type": "search", "query": "foxes", "queries": ["foxes"]}},
        ["in_progress", "searching", "completed"],
    ),
    (
        "file_search_call",
        {
            "queries": ["foxes"],
            "results": [{"file_id": "file_1", "filename": "a.pdf", "score": 0.9}],
        },
        ["in_progress", "searching", "completed"],
    ),
    (
        "code_interpreter_call",
        {
            "code": "print(4)",
            "container_id": "cntr_1",
            "outputs": [{"type": "logs", "logs": "4\n"}],
        },
        ["in_progress", "interpreting", "completed"],
    ),
]
LAST_DELTA = "response.output_text.done"


def _ended_parts(event: JSON) -> list[JSON]:
    """Return the parts of messages that an event ends: their own, or the response's."""
    begun = event["type"].endswith((".added", ".created", ".in_progress"))
    messages = [] if begun else items_of(event, "message")
    return [part for item in messages for part in item["content"]]


def _citing(event: JSON) -> list[JSON]:
    if event["type"] == LAST_DELTA:
        at = {key: event[key] for key in ("item_id", "output_index", "content_index")}
        kind = "response.output_text.annotation.added"
        cited = [
            {"type": kind, **at, "annotation_index": place, "annotation": citation}
            for place, citation in enumerate(CITATIONS)
        ]
        return [*cited, event]
    if event["type"] == "response.content_part.done":
        event["part"]["annotations"] = CITATIONS
    for part in _ended_parts(event):
        part["annotations"] = CITATIONS
    return [event]


def _searching() -> Turn:
    begun = False
    count = len(SEARCHES)

    def turn(event: JSON) -> list[JSON]:
        nonlocal begun
        first = []
        if event["type"] == "response.output_item.added" and not begun:
            begun = True
            first = [step for place in range(count) for step in _search(place)]
        if "output_index" in event:
            event["output_index"] += count
        if event["type"] == "response.completed":
            items = [_search(place)[-1]["item"] for place in range(count)]
            event["response"]["output"] = items + event["response"]["output"]
        return [*first, event]

    return turn


def _search(place: int) -> list[JSON]:
    kind, fields, states = SEARCHES[place]
    item = {"id": f"{kind}_{place}", "type": kind, **fields}
    at = {"output_index": place}
    steps = [
        {"type": f"response.{kind}.{state}", "item_id": item["id"], **at}
        for state in states
    ]
    item_event = "response.output_item"
    return [
        {"type": f"{item_event}.added", **at, "item": item | {"status": "in_progress"}},
        *steps,
        {"type": f"{item_event}.done", **at, "item": item | {"status": "completed"}},
    ]


def _ending_with(*deltas: str) -> Turn:
    """Return a turn that puts deltas to the end of each text."""

    def turn(event: JSON) -> list[JSON]:
        if event["type"] != LAST_DELTA:
            return [event]
        event_of = {**event, "type": "response.output_text.delta"}
        event_of.pop("text")
        more = [event_of | {"delta": delta} for delta in deltas]
        event["text"] += "".join(deltas)
        return [*more, event]

    def whole(event: JSON) -> list[JSON]:
        if event["type"] == "response.content_part.done":
            event["part"]["text"] += "".join(deltas)
        for part in _ended_parts(event):
            part["text"] += "".join(deltas)
        return turn(event)

    return whole


def adding(begin: Callable[[], Turn]) -> Rewrite:
    """Return a rewriting that adds events."""
    return renumbered(each(begin))


WORDS = [
    Dialect(
        "citations",
        "Each message cites a page, a file, a file of a container and a path.",
        adding(lambda: _citing),
    ),
    Dialect(
        "searches",
        "A web search, a file search and a code interpreter come before all else.",
        adding(_searching),
    ),
    Dialect(
        "cut-emoji",
        "An emoji is cut into two deltas, each with half of a surrogate pair.",
        adding(lambda: _ending_with(" fox \ud83e", "\udd8a.")),
    ),
    Dialect(
        "half-emoji",
        "Half of a surrogate pair stands alone in a text.",
        adding(lambda: _ending_with(" fox \ud83e", " and more.")),
    ),
    Dialect(
        "control-characters",
        "A text has NUL, escapes and line separators in it.",
        adding(lambda: _ending_with(" a\0b\x1b[31m", "c\u2028d\x85\ufffe.")),
    ),
    Dialect(
        "one-long-line",
        "A text has a line of 100,000 characters.",
        adding(lambda: _ending_with(" " + "long" * 25_000)),
    ),
]
