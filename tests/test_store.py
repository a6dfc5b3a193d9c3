from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext
from chatkit import types

from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoResponseStreamConverter
from chatkit_images.store import DjangoStore
from chatkit_images.testing.contracts import StoreContract


@pytest.fixture(autouse=True)
def one_window(settings: Any) -> None:
    """URLs of one test are equal, whenever it runs."""
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"URL_WINDOW": 10**9}


class TestDjangoStore(StoreContract):
    @pytest.fixture
    def store(self) -> DjangoStore:
        return DjangoStore()

    @pytest.fixture
    def other_context(self, foreign: RequestContext) -> RequestContext:
        return foreign

    @pytest.fixture
    def context(self, context: RequestContext) -> RequestContext:
        return context

    @pytest.fixture(autouse=True)
    def picture(self, png: bytes) -> None:
        self.png = png

    async def make_image(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> types.GeneratedImage:
        converter = DjangoResponseStreamConverter(thread, context)
        url = await converter.base64_image_to_url(
            "ig_1", base64.b64encode(self.png).decode()
        )
        return types.GeneratedImage(id="ig_1", url=url)

    async def concurrently(self, *calls: Coroutine[Any, Any, Any]) -> list[Any]:
        async def run(call: Coroutine[Any, Any, Any]) -> Any:
            # As in a server: each request has a thread of its own for the ORM.
            async with ThreadSensitiveContext():
                return await call

        return await asyncio.gather(*map(run, calls), return_exceptions=True)
