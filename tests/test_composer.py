"""What the composer may send is told as ChatKit.js's own options.

The shapes are those of ``ComposerOption``, ``ModelOption`` and ``ToolOption`` in the
types of ``@openai/chatkit`` 1.9.0, ``types/index.d.ts``.
"""

from __future__ import annotations

from typing import Any

import pytest
from chatkit.server import ChatKitServer
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.translation import gettext_lazy

from chatkit_images.context import RequestContext
from chatkit_images.protocol.composer import composer_options
from chatkit_images.store import DjangoStore
from tests.chat import TestServer
from tests.client import ChatClient

URL = "/chatkit/composer/"


async def options(chat: ChatClient) -> dict[str, Any]:
    response = await chat.get(URL)
    assert response.status_code == 200, response.content
    return response.json()


async def test_limits_of_files_are_those_that_hold(
    chat: ChatClient, settings: Any
) -> None:
    said = (await options(chat))["attachments"]
    accept = said.pop("accept")
    assert said == {"enabled": True, "maxSize": 20 * 2**20, "maxCount": 50}
    assert accept["image/png"] == [".png"]
    assert accept["image/jpeg"][0] == ".jpg"
    assert accept["application/pdf"] == [".pdf"]
    assert ".txt" in accept["text/plain"]

    limits = {"MESSAGE_PARTS": 4, "BYTES_STORED": 900, "ATTACHMENTS_WAITING": None}
    own = {"LIMITS": limits, "ATTACHMENT_TYPES": ["text/plain"]}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | own
    said = (await options(chat))["attachments"]
    assert (said["maxSize"], said["maxCount"]) == (900, 3)
    for size, status in ((900, 200), (901, 429)):
        file = SimpleUploadedFile("a.txt", b"a" * size, content_type="text/plain")
        response = await chat.post("/chatkit/attachments/", {"file": file})
        assert response.status_code == status

    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"LIMITS": None}
    said = (await options(chat))["attachments"]
    assert (said["maxSize"], said["maxCount"]) == (20 * 2**20, 100)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ATTACHMENT_TYPES": []}
    assert await options(chat) == {"attachments": {"enabled": False}}


async def test_a_visitor_has_the_limits_of_visitors(
    transactional_db: None, settings: Any
) -> None:
    assert (await ChatClient().get(URL)).status_code == 401
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ALLOW_ANONYMOUS": True}
    assert (await options(ChatClient()))["attachments"]["maxCount"] == 10


async def test_choices_are_those_that_are_taken(
    chat: ChatClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = {"id": "fine", "label": gettext_lazy("Fine"), "default": True}

    async def get_models(self: Any, context: RequestContext) -> Any:
        return [fine, "fast"]

    monkeypatch.setattr(TestServer, "get_models", get_models)
    tools = ["draw", {"id": "ask", "label": "Ask", "icon": "search"}]
    monkeypatch.setattr(TestServer, "get_tools", lambda self, context: tools)
    said = await options(chat)
    assert said["models"] == [
        {"id": "fine", "label": "Fine", "default": True},
        {"id": "fast", "label": "fast"},
    ]
    assert [set(each) for each in said["tools"]] == [{"id", "label", "icon"}] * 2
    monkeypatch.setattr(TestServer, "get_tools", lambda self, context: [])
    assert (await options(chat))["tools"] == []


class Plain(ChatKitServer[RequestContext]):
    def respond(self, *args: Any) -> Any: ...


async def test_any_server_is_told_of(
    transactional_db: None, context: RequestContext
) -> None:
    said = await composer_options(Plain(DjangoStore()), context)
    assert said == {"attachments": {"enabled": False}}
