"""A store of a project's own, in memory and by user, as ChatKit's samples have one."""

from __future__ import annotations

import base64
import datetime
from collections.abc import AsyncIterator
from typing import Any

from chatkit import types
from django.contrib.auth.models import User

from tests.image_files import image_file
from tests.own_server import MemoryStore

NOON = datetime.datetime(2025, 5, 1, 12)
GONE = "https://cdn.shop.example/fox.png"


def at(minute: int) -> datetime.datetime:
    return NOON + datetime.timedelta(minutes=minute)


def data_url(colour: str) -> str:
    return f"data:image/png;base64,{base64.b64encode(image_file(colour)).decode()}"


class OtherStore(MemoryStore):
    """It has the threads of each user, and gives two rows at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.whose: dict[str, str] = {}
        self.reads = 0

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Any
    ) -> types.Page[types.ThreadMetadata]:
        found = [self.threads[key] for key, who in self.whose.items() if who == context]
        return self._page(found, after, order)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Any
    ) -> types.Page[types.ThreadItem]:
        assert self.whose[thread_id] == context
        return self._page(list(self.items[thread_id].values()), after, order)

    def _page(self, rows: list[Any], after: str | None, order: str) -> types.Page[Any]:
        self.reads += 1
        assert order == "asc"
        ids = [row.id for row in rows]
        start = ids.index(after) + 1 if after else 0
        page = rows[start : start + 2]
        more = start + 2 < len(rows)
        return types.Page(data=page, has_more=more, after=page[-1].id if more else None)

    def fill(self, who: str, key: str) -> None:
        """Give somebody a thread with one of everything."""
        thread = types.ThreadMetadata(
            id=key, title="Foxes", created_at=at(0), metadata={"a": 1}
        )
        self.threads[key], self.whose[key] = thread, who
        common = {"thread_id": key}
        sent = types.ImageAttachment(
            id=f"{key}_file",
            name="fox.png",
            mime_type="image/png",
            preview_url=data_url("orange"),  # type: ignore[arg-type]
        )
        rows: list[types.ThreadItem] = [
            types.UserMessageItem(
                id="msg_1",
                created_at=at(1),
                content=[types.UserMessageTextContent(text="draw a fox")],
                attachments=[sent],
                inference_options=types.InferenceOptions(),
                **common,
            ),
            image("img_a", 3, data_url("red"), key),
            # Its clock was late.
            image("img_b", 2, GONE, key),
            image("img_c", 4, "data:image/png;base64,AAAA", key),
            types.AssistantMessageItem(
                id="msg_2",
                created_at=at(5),
                content=[
                    types.AssistantMessageContent(text=f"![x]({data_url('blue')})")
                ],
                **common,
            ),
            types.HiddenContextItem(
                id="hid_1", created_at=at(5), content="psst", **common
            ),
            types.EndOfTurnItem(id="end_1", created_at=at(6), **common),
        ]
        self.items[key] = {row.id: row for row in rows}


def image(key: str, minute: int, url: str, thread: str) -> types.GeneratedImageItem:
    return types.GeneratedImageItem(
        id=key,
        thread_id=thread,
        created_at=at(minute),
        image=types.GeneratedImage(id=f"ig_{key}", url=url),
    )


STORE = OtherStore()


def store() -> OtherStore:
    return STORE


async def people() -> AsyncIterator[tuple[str, User | str]]:
    yield "ann", await User.objects.aget(username="ann")
    yield "bob", "team:7"


def nobody() -> list[str]:
    return ["ann"]
