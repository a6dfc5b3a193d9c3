"""Plain code outside of a turn: here a request that is no turn of the agent's."""

from __future__ import annotations

from typing import Any

from chatkit import types
from chatkit.actions import Action

from chatkit_images import runs
from chatkit_images.context import RequestContext
from tests.chat import TestServer
from tests.sources_matrix.sources import PROMPT


class Server(TestServer):
    """An action of the page generates an image with the Images API."""

    async def sync_action(
        self,
        thread: types.ThreadMetadata,
        action: Action[str, Any],
        sender: types.WidgetItem | None,
        context: RequestContext,
    ) -> types.SyncCustomActionResponse:
        asked: dict[str, Any] = {"model": "gpt-image-1", "prompt": PROMPT}
        made = runs.generating_image(thread.id, context, partial_images=1, **asked)
        async with self.get_openai_client() as client, made as image:
            stream = await client.images.generate(
                stream=True, partial_images=1, **asked
            )
            async for event in stream:
                if event.type == "image_generation.partial_image":
                    await image.partial(event.b64_json)
                else:
                    await image.final(event.b64_json)
        return types.SyncCustomActionResponse()
