"""Images that a provider reads at their URLs, and what happens if it cannot."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest

from chatkit_images import checks, models, storage
from chatkit_images.converters import image_urls
from chatkit_images.server import refused_inputs
from chatkit_images.testing import HTTPError, Image, LoopbackAPI, ResponseFailed, Text
from tests.client import ChatClient, done_items, thread_id
from tests.image_files import image_file
from tests.refusable import IMAGES

HOST = "https://shop.example"


@pytest.fixture(autouse=True)
def public(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CHATKIT_IMAGES |= {"MODEL_IMAGES": "signed_url", "BASE_URL": HOST}
    monkeypatch.setattr(image_urls, "_warned", set())
    monkeypatch.setattr(refused_inputs, "_without_urls", {})


async def draw(chat: ChatClient, model: LoopbackAPI, data: bytes) -> str:
    model.respond_with(Image(data=data, partials=0), Text("Done."))
    return thread_id(await chat.say("a fox"))


async def say(chat: ChatClient, model: LoopbackAPI, key: str, *steps: Any) -> list[str]:
    """Say something; return the texts of the answer."""
    model.respond_with(*(steps or (Text("All right."),)))
    events = await chat.say("and now?", key)
    items = done_items(events, "assistant_message")
    return [part["text"] for item in items for part in item["content"]]


def image_of(model: LoopbackAPI, request: int = -1) -> str:
    (found,) = (
        str(part["image_url"])
        for item in model.requests[request]["input"]
        for part in item["content"]
        if isinstance(part, dict) and part.get("type") == "input_image"
    )
    return found


async def test_a_provider_reads_the_form_for_models_at_its_url(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    plain = await draw(chat, model, image_file("red"))
    await say(chat, model, plain)
    animation = await draw(chat, model, IMAGES["moving.gif"])
    # What has not the form goes as bytes, once.
    await say(chat, model, animation)
    sent = image_of(model)
    assert sent.startswith("data:image/png;base64,")
    storage.drain()

    def fail(name: str, *where: str | None) -> bytes:
        raise AssertionError(f"{name} was read.")

    for key in (plain, animation):
        with monkeypatch.context() as patched:
            patched.setattr(storage, "read", fail)
            await say(chat, model, key)
        url = image_of(model)
        assert url.startswith(f"{HOST}/chatkit/images/")
        response = await chat.get(urlsplit(url).path)
        expected = image_file("red") if key == plain else decoded(sent)
        assert response["Content-Type"] == "image/png"
        assert response.content == expected
    # So does one that asks a process with other settings, as during a deploy.
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MODEL_SIDE": 1000}
    response = await chat.get(urlsplit(url).path)
    assert response.content == expected


def decoded(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


@pytest.mark.parametrize(
    "host", ["http://localhost:8000", "https://10.0.0.7", "http://web"]
)
async def test_bytes_go_if_nobody_reaches_the_host(
    chat: ChatClient, model: LoopbackAPI, settings: Any, caplog: Any, host: str
) -> None:
    settings.CHATKIT_IMAGES |= {"BASE_URL": host}
    key = await draw(chat, model, image_file("red"))
    for _ in range(2):
        await say(chat, model, key)
        assert image_of(model).startswith("data:image/png")
    assert caplog.text.count("no provider can reach") == 1


URL = "https://shop.example/a.png"
UNREAD = {
    "responses": HTTPError(400, "invalid_value", f"Timeout while downloading {URL}."),
    "chat": HTTPError(400, "invalid_image_url", f"Error while downloading {URL}."),
    "stream": ResponseFailed("failed_to_download_image", "Failed to download image."),
    "anthropic": HTTPError(400, "invalid", "Unable to download the file."),
    "gemini": HTTPError(400, "400", "Cannot fetch content from the provided URL."),
    "azure": HTTPError(400, "400", "Image URL domain 'shop.example' is not allowed."),
    "dashscope": HTTPError(400, "invalid", "Download multimodal file timed out"),
    "gateway": HTTPError(500, "new_api_error", f"failed to download file from {URL}"),
}


@pytest.mark.parametrize("said", UNREAD)
@pytest.mark.sweep(3)
async def test_a_provider_that_cannot_read_a_url_gets_bytes(
    chat: ChatClient, model: LoopbackAPI, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await draw(chat, model, image_file("red"))
    model.respond_with(UNREAD[said])
    # The person reads nothing of it, and no file counts as refused.
    assert await say(chat, model, key) == ["All right."]
    before, after = image_of(model, -2), image_of(model)
    assert before.startswith(HOST) and after.startswith("data:")
    assert not await models.RefusedInput.objects.aexists()
    # Later turns do not pay for it again, for a while.
    requests = len(model.requests)
    assert await say(chat, model, key) == ["All right."]
    assert len(model.requests) == requests + 1
    assert image_of(model).startswith("data:")
    monkeypatch.setattr(refused_inputs, "UNREAD_SECONDS", -1.0)
    (host,) = refused_inputs._without_urls
    refused_inputs._without_urls[host] = 0.0
    await say(chat, model, key)
    assert image_of(model).startswith(HOST)


async def test_other_failures_say_nothing_of_urls(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    key = await draw(chat, model, image_file("red"))
    model.respond_with(HTTPError(400, "invalid_image", "The image is invalid."))
    note, answer = await say(chat, model, key)
    assert note == "An earlier image could not be used by the model."
    assert answer == "All right."
    assert refused_inputs._without_urls == {}
    # An image that is no image as bytes either is what was refused.
    key = await draw(chat, model, image_file("blue"))
    model.respond_with(UNREAD["chat"])
    model.respond_with(HTTPError(400, "invalid_image", "The image is invalid."))
    note, _ = await say(chat, model, key)
    assert note == "An earlier image could not be used by the model."
    assert await models.RefusedInput.objects.acount() == 2


def test_a_deployment_names_a_host_that_providers_reach(settings: Any) -> None:
    def found() -> list[str]:
        messages = checks.check_deployment(None)
        return [each.id or "" for each in messages if "MODEL_IMAGES" in each.msg]

    assert found() == []
    settings.CHATKIT_IMAGES |= {"BASE_URL": None}
    assert found() == ["chatkit_images.W025"]
    settings.CHATKIT_IMAGES |= {"BASE_URL": "http://localhost:8000"}
    assert found() == ["chatkit_images.E031"]
    settings.CHATKIT_IMAGES |= {"MODEL_IMAGES": "data_url"}
    assert found() == []
