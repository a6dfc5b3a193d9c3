"""What the page of moderation shows: a check with the provider's moderation."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI

from chatkit_images.models import GeneratedImage
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.chat import TestServer
from tests.client import ChatClient

from .pages import blocks


class Moderated(TestServer):
    """Draws with the loopback model, and asks a moderation that a test writes."""

    asked: list[dict[str, Any]]
    categories: dict[str, bool]

    async def check_image(self, image: Any, data: bytes, context: Any) -> Any:
        (part,) = blocks("python", name="shop/checks.py")
        names: dict[str, Any] = {}
        exec(part.compile(), names)
        asking = SimpleNamespace(get_openai_client=self.get_moderation_client)
        return await names["CheckedServer"].check_image(asking, image, data, context)

    def moderation(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(json.loads(request.content))
        flagged = any(self.categories.values())
        result = {
            "flagged": flagged,
            "categories": {"sexual/minors": False, **self.categories},
            "category_scores": {},
            "category_applied_input_types": {},
        }
        answer = {"id": "modr_1", "model": "omni-moderation-latest"}
        return httpx2.Response(200, json=answer | {"results": [result]})

    def get_moderation_client(self) -> AsyncOpenAI:
        transport = httpx2.MockTransport(self.moderation)
        client = httpx2.AsyncClient(transport=transport)
        return AsyncOpenAI(api_key="none", http_client=client)


@pytest.mark.parametrize(
    ("categories", "visibility"),
    [
        ({}, "shown"),
        ({"violence": True}, "held"),
        ({"sexual/minors": True}, "hidden"),
    ],
    ids=["nothing", "something", "the worst"],
)
async def test_the_provider_is_asked_about_each_final(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    categories: dict[str, bool],
    visibility: str,
) -> None:
    Moderated.asked, Moderated.categories = [], categories
    ours = {"SERVER": f"{__name__}.Moderated"}
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, **ours}
    model.respond_with(Image("a red fox", partials=1), Text("Done."))

    await chat.say("a red fox")

    image = await GeneratedImage.objects.aget()
    assert image.visibility == visibility
    (asked,) = Moderated.asked
    url = asked["input"][0]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")
    assert len(base64.b64decode(url.partition(",")[2])) == image.bytes
