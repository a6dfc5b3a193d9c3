"""Ann's browser at a server that may die, and the answer that she asks for."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from chatkit_images.testing import Gate, Raw, Text
from chatkit_images.testing.script import JSON, Step
from tests.client import URL, message
from tests.servers.browsing import events_of

TOKEN = "a" * 32
CALL = "response.image_generation_call"


class Browser(httpx2.Client):
    """Ann's browser; its streams end where the server does."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        super().__init__(
            base_url=url,
            cookies=cookies | {"csrftoken": TOKEN},
            headers={"X-CSRFToken": TOKEN},
            timeout=30,
            trust_env=False,
        )

    def call(self, op: str, **params: Any) -> Any:
        """Return the JSON that an operation is answered with."""
        response = self.post(URL, json={"type": op, "params": params})
        assert response.status_code == 200, response.text
        return response.json()

    def events(self, op: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the events of a stream until it ends or breaks off."""
        body = {"type": op, "params": params}
        try:
            with self.stream("POST", URL, json=body) as response:
                if response.status_code != 200:
                    response.read()
                    raise AssertionError(f"{response.status_code}: {response.text}")
                yield from events_of(response.iter_lines())
        except httpx2.TransportError:
            return

    def say(
        self,
        text: str,
        thread_id: str | None = None,
        seen: Callable[[dict[str, Any]], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Send a message and return every event that comes.

        Args:
            text: What Ann writes.
            thread_id: Where; a new thread if it is ``None``.
            seen: Called with each event as it comes.
        """
        op, params = "threads.create", {"input": message(text)}
        if thread_id is not None:
            op, params = "threads.add_user_message", params | {"thread_id": thread_id}
        events = []
        for event in self.events(op, **params):
            events.append(event)
            if seen is not None:
                seen(event)
        return events

    def items(self, thread_id: str) -> list[dict[str, Any]]:
        """Return the items of a thread after a reload."""
        page = self.call("threads.get_by_id", thread_id=thread_id)
        items: list[dict[str, Any]] = page["items"]["data"]
        return items

    def fetch(self, item: dict[str, Any]) -> httpx2.Response:
        """Return the answer to the URL of an image item."""
        return httpx2.get(item["image"]["url"], trust_env=False, timeout=30)


def image_call(
    call_id: str,
    final: bytes | None,
    *previews: bytes,
    index: int = 0,
    gate: Gate | None = None,
) -> list[Step]:
    """Return the events of a call whose previews are not its final's bytes.

    Args:
        call_id: The provider's id.
        final: The bytes of the image; ``None`` leaves the call open.
        previews: The bytes of the previews.
        index: Place of the call in the answer.
        gate: Held between the last preview and the image.
    """
    steps: list[Step] = [added(call_id, index)]
    steps += [
        partial(call_id, index, number, data) for number, data in enumerate(previews)
    ]
    if gate is not None:
        steps.append(gate)
    if final is not None:
        steps.append(done(call_id, index, final))
    return steps


def added(call_id: str, index: int) -> Raw:
    """Return the event that begins a call."""
    return Raw(
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": item_of(call_id) | {"status": "in_progress"},
        }
    )


def partial(call_id: str, index: int, number: int, data: bytes) -> Raw:
    """Return the event of a preview."""
    return Raw(
        {
            "type": f"{CALL}.partial_image",
            "item_id": call_id,
            "output_index": index,
            "partial_image_index": number,
            "partial_image_b64": base64.b64encode(data).decode(),
        }
    )


def done(call_id: str, index: int, data: bytes | None, **fields: Any) -> Raw:
    """Return the event that ends a call."""
    result = None if data is None else base64.b64encode(data).decode()
    item = item_of(call_id) | {"status": "completed", "result": result}
    return Raw(
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": item | fields,
        }
    )


def item_of(call_id: str) -> JSON:
    """Return an image call as the wire names it."""
    return {"id": call_id, "type": "image_generation_call"}


def answer(*steps: Step | list[Step]) -> list[Step]:
    """Return the steps of an answer that ends with words."""
    flat: list[Step] = []
    for step in steps:
        flat += step if isinstance(step, list) else [step]
    return [*flat, Text("Done.")]
