"""The base of the contracts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

import pytest
from chatkit import types
from chatkit.store import Store

from .samples import make_attachment, make_message, make_thread

ID = re.compile(r"[a-z]{2,5}_[0-9a-zA-Z]{22,40}")


@pytest.mark.asyncio
class Contract:
    """The fixtures that a subclass gives, and the methods that it may override."""

    @pytest.fixture
    def store(self) -> Any:
        """Return an empty store."""
        raise NotImplementedError(f"{type(self).__name__} must give 'store'.")

    @pytest.fixture
    def context(self) -> Any:
        """Return the context of an owner."""
        raise NotImplementedError(f"{type(self).__name__} must give 'context'.")

    @pytest.fixture
    def other_context(self) -> Any:
        """Return the context of another owner."""
        raise NotImplementedError(f"{type(self).__name__} must give 'other_context'.")

    async def make_image(
        self, thread: types.ThreadMetadata, context: Any
    ) -> types.GeneratedImage:
        """Return an image that the store gives back as it is. Default: a web one."""
        return types.GeneratedImage(id="ig_1", url="https://example.com/fox.png")

    async def concurrently(self, *calls: Coroutine[Any, Any, Any]) -> list[Any]:
        """Execute calls at the same time, and return what each returns or raises."""
        return await asyncio.gather(*calls, return_exceptions=True)

    async def fill(self, store: Store[Any], context: Any) -> None:
        """Save a thread with an item and an attachment."""
        await store.save_thread(make_thread(title="Mine"), context)
        await store.add_thread_item("thr_1", make_message(text="Mine"), context)
        await store.save_attachment(make_attachment(), context)

    async def check_untouched(self, store: Store[Any], context: Any) -> None:
        """Check that what ``fill`` saved is there as it was."""
        assert await store.load_thread("thr_1", context) == make_thread(title="Mine")
        page = await store.load_thread_items("thr_1", None, 9, "asc", context)
        assert page.data == [make_message(text="Mine")]
        assert await store.load_attachment("atc_1", context) == make_attachment()
