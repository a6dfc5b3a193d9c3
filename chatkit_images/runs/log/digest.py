"""The events of a stream, folded into the fewest that show the same."""

from __future__ import annotations

import json
from typing import Any

Event = dict[str, Any]
# Whatever shows something new; the SDK's progress lines end with it.
ITEM_EVENTS = ("thread.item.added", "thread.item.done", "thread.item.removed")


class Digest:
    """What a client shows that has read a stream up to some event.

    Items that are done are kept as done, an item in the making as it stands, what was
    replaced or has passed not at all. It costs as much memory as what it shows.
    """

    def __init__(self) -> None:
        # By what an event replaces, in the order in which a client has to read them.
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
                # Kept: who reads on from an earlier event shows the item still.
                self._end(event["item_id"], event)
            case "thread.item.updated":
                self._update(event)
            case "notice" | "error":
                self._told += 1
                self._put(f"{kind} {self._told}", event)
            case "client_effect":
                pass  # Done once, by those who were there.
            case _:
                # The thread, the options of the stream, a line of progress.
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
            # Of an item that the stream did not begin: the last word counts.
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
            # An image has no place for its progress: the update goes with it.
            self._put(f"{event['item_id']} update", event)


def update_message(item: Event, update: Event) -> None:
    """Apply an update to an assistant's message."""
    content, index = item.setdefault("content", []), update["content_index"]
    while len(content) <= index:
        content.append({"type": "output_text", "text": "", "annotations": []})
    match update["type"].rpartition(".")[2]:
        case "added" | "done":
            content[index] = update["content"]
        case "text_delta":
            content[index]["text"] += update["delta"]
        case "annotation_added":
            notes = content[index].setdefault("annotations", [])
            notes.insert(update["annotation_index"], update["annotation"])


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
