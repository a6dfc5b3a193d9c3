"""The events of a stream, folded into the fewest that show the same."""

from __future__ import annotations

import json
from typing import Any

from ...protocol.item_updates import MOST_PARTS

Event = dict[str, Any]
# Events that show something new. They end the SDK's lines of progress.
ITEM_EVENTS = ("thread.item.added", "thread.item.done", "thread.item.removed")


class Digest:
    """What a client shows after it has read a stream up to some event.

    The digest keeps done items as done and unfinished items as they are. It drops
    events that were replaced or have passed. It takes as much memory as what it shows.
    """

    def __init__(self) -> None:
        # Events by what they replace, in the order in which a client must read them.
        self._events: dict[str, Event] = {}
        self._told = 0

    def add(self, chunk: bytes) -> None:
        """Fold in the next chunk of the stream."""
        event = json.loads(chunk.removeprefix(b"data: "))
        kind = event["type"]
        if kind in ITEM_EVENTS:
            self._events.pop("progress_update", None)
        match kind:
            case "thread.item.added":
                self._put(event["item"]["id"], event)
            case "thread.item.done":
                self._end(event["item"]["id"], event)
            case "thread.item.replaced":
                self._replace(event)
            case "thread.item.removed":
                # The event is kept, because a client that resumes from an earlier event
                # still shows the item.
                self._end(event["item_id"], event)
            case "thread.item.updated":
                self._update(event)
            case "notice" | "error":
                self._told += 1
                self._put(f"{kind} {self._told}", event)
            case "client_effect":
                pass  # Only clients that read it at the time do it, once.
            case _:
                # Such as the thread, the options of the stream, or a line of progress.
                self._put(kind, event)

    def chunks(self) -> list[bytes]:
        """Return the events, as chunks of a stream."""
        events = self._events.values()
        return [b"data: %s\n\n" % json.dumps(event).encode() for event in events]

    def _put(self, key: str, event: Event) -> None:
        self._events[key] = event

    def _end(self, item_id: str, event: Event) -> None:
        """Keep how an item ended, and no update of what it was before."""
        for key in [key for key in self._events if key.startswith(f"{item_id} ")]:
            del self._events[key]
        self._put(item_id, event)

    def _replace(self, event: Event) -> None:
        key = event["item"]["id"]
        if self._events.get(key, {}).get("type") == "thread.item.done":
            event = event | {"type": "thread.item.done"}
        self._end(key, event)

    def _update(self, event: Event) -> None:
        shown = self._events.get(event["item_id"])
        if shown is None or "item" not in shown:
            # The stream did not begin this item, so only its last update counts.
            self._put(f"{event['item_id']} {event['update']['type']}", event)
            return
        item, update = shown["item"], event["update"]
        kind = update["type"]
        if kind.startswith("assistant_message."):
            update_message(item, update)
        elif kind.startswith("widget."):
            update_widget(item, update)
        elif kind.startswith("workflow."):
            update_workflow(item, update)
        else:
            # An item of an image cannot hold its progress, so the update is kept too.
            self._put(f"{event['item_id']} update", event)


def update_message(item: Event, update: Event) -> None:
    """Apply an update to an assistant's message."""
    content, index = item.setdefault("content", []), update["content_index"]
    if not 0 <= index <= MOST_PARTS:
        return
    while len(content) <= index:
        content.append({"type": "output_text", "text": "", "annotations": []})
    match update["type"].rpartition(".")[2]:
        case "added" | "done":
            content[index] = update["content"]
        case "text_delta":
            content[index]["text"] += update["delta"]
        case "annotation_added":
            annotations = content[index].setdefault("annotations", [])
            annotations.insert(update["annotation_index"], update["annotation"])


def update_workflow(item: Event, update: Event) -> None:
    """Apply an update to a workflow."""
    tasks, index = item["workflow"].setdefault("tasks", []), update["task_index"]
    if update["type"] == "workflow.task.updated" and index < len(tasks):
        tasks[index] = update["task"]
    else:
        tasks.insert(index, update["task"])


def update_widget(item: Event, update: Event) -> None:
    """Apply an update to a widget."""
    if update["type"] == "widget.root.updated":
        item["widget"] = update["widget"]
        return
    part = find(item["widget"], update["component_id"])
    if part is None:
        return
    if update["type"] == "widget.component.updated":
        part.clear()
        part.update(update["component"])
    else:
        part["value"] = part.get("value", "") + update["delta"]


def find(part: Any, component_id: str) -> Event | None:
    """Return the component of an id within a widget."""
    if isinstance(part, list):
        found = (find(inner, component_id) for inner in part)
        return next((inner for inner in found if inner is not None), None)
    if not isinstance(part, dict):
        return None
    if part.get("id") == component_id:
        return part
    return find(list(part.values()), component_id)
