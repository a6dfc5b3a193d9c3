"""The Images API and Gemini on loopback, asked by their own clients."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image as Pillow

from chatkit_images.testing import (
    Drop,
    ErrorEvent,
    FailedImage,
    Gate,
    HTTPError,
    Image,
    LoopbackAPI,
    Text,
    Usage,
    draw,
    serve,
)

from .test_api import opened, sharpness

BLOCKED = FailedImage(categories=("violence",))


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[LoopbackAPI, str]]:
    api = LoopbackAPI(max_side=128)
    with serve(api) as url:
        yield api, url


@pytest.fixture
def api(server: tuple[LoopbackAPI, str]) -> LoopbackAPI:
    server[0].reset()
    return server[0]


@pytest.fixture
def url(server: tuple[LoopbackAPI, str]) -> str:
    return server[1]


def asking(url: str, use: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncOpenAI(base_url=url, api_key="test", max_retries=0) as client:
            return await use(client)

    return asyncio.run(main())


def generated(url: str, prompt: str = "a fox", **options: Any) -> Any:
    async def use(client: AsyncOpenAI) -> Any:
        answer = await client.images.generate(
            model="gpt-image-1", prompt=prompt, **options
        )
        return [e async for e in answer] if options.get("stream") else answer

    return asking(url, use)


def edited(url: str, images: list[bytes], **options: Any) -> Any:
    files = [("in.png", data, "image/png") for data in images]

    async def use(client: AsyncOpenAI) -> Any:
        answer = await client.images.edit(
            model="gpt-image-1", image=files, prompt="now at night", **options
        )
        return [e async for e in answer] if options.get("stream") else answer

    return asking(url, use)


# OpenAI's Images API


def test_images_are_generated_with_previews(api: LoopbackAPI, url: str) -> None:
    api.images.respond_with(Image(), Usage(12, 3000))
    asked = {"partial_images": 2, "size": "1536x1024", "output_format": "webp"}
    first, second, final = generated(url, stream=True, **asked)
    assert [first.type, final.type] == [
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert (first.partial_image_index, second.partial_image_index) == (0, 1)
    assert sharpness(first.b64_json) < sharpness(final.b64_json)
    image = opened(final.b64_json)
    assert (image.format, image.size) == ("WEBP", (128, 85))
    assert (final.size, final.quality) == ("1536x1024", "high")
    assert (final.usage.input_tokens, final.usage.total_tokens) == (12, 3012)
    (request,) = api.images.requests
    assert (request["path"], request["prompt"]) == ("generations", "a fox")
    assert api.requests == [] and api.disconnects == 0


def test_images_are_generated_without_a_stream(api: LoopbackAPI, url: str) -> None:
    api.images.respond_with(Image(), Image(prompt="a boat"))
    answer = generated(url, n=2, partial_images=None)
    first, second = answer.data
    assert opened(first.b64_json).format == "PNG"
    assert first.b64_json != second.b64_json
    assert answer.usage.output_tokens == 1056
    assert generated(url).data[0].b64_json == first.b64_json


def test_an_edit_starts_from_its_image(api: LoopbackAPI, url: str) -> None:
    base, other, mask = (draw(text, size=(128, 128)) for text in ("fox", "cat", "x"))
    events = edited(url, [base, other], mask=mask, stream=True, partial_images=1)
    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    made = draw("now at night", size=(128, 128), base=base)
    assert (
        opened(events[-1].b64_json).tobytes() == Pillow.open(io.BytesIO(made)).tobytes()
    )
    assert events[-1].usage.input_tokens_details.image_tokens == 646
    (request,) = api.images.requests
    assert (request["path"], request["partial_images"]) == ("edits", 1)
    assert (request["image"], request["mask"]) == ([base, other], mask)
    alone = edited(url, [base])
    assert alone.data[0].b64_json == events[-1].b64_json


def test_moderation_is_told_at_once_or_in_the_stream(
    api: LoopbackAPI, url: str
) -> None:
    for prompt in ("a forbidden fox", "a fox"):
        if prompt == "a fox":
            api.images.respond_with(BLOCKED)
        with pytest.raises(openai.BadRequestError) as caught:
            generated(url, prompt, stream=True)
        assert caught.value.code == "moderation_blocked"
        assert caught.value.body["moderation_details"]["categories"] == ["violence"]  # type: ignore[index]
    late = FailedImage(partials=1)
    api.images.respond_with(late)
    with pytest.raises(openai.APIError) as told:
        generated(url, stream=True)
    assert not isinstance(told.value, openai.APIStatusError)
    assert told.value.code == "moderation_blocked"
    api.images.respond_with(late)
    with pytest.raises(openai.BadRequestError):
        generated(url)


def test_failures_are_told(api: LoopbackAPI, url: str) -> None:
    limit = HTTPError(429, "rate_limit_exceeded", headers={"retry-after": "20"})
    api.images.respond_with(limit)
    with pytest.raises(openai.RateLimitError) as caught:
        generated(url, stream=True)
    assert caught.value.response.headers["retry-after"] == "20"
    for step, error in ((ErrorEvent(), openai.APIError), (Drop(), Exception)):
        for stream in (True, False):
            api.images.respond_with(Image(partials=1, finish=False), step)
            with pytest.raises(error):
                generated(url, stream=stream)
    with pytest.raises(ValueError, match="first step"):
        api.images.respond_with(Image(), limit)
    assert len(api.images.requests) == 5


def test_a_body_that_is_no_request_is_a_400(api: LoopbackAPI, url: str) -> None:
    import httpx2

    form = {"content-type": "multipart/form-data; boundary=x"}
    for path, data, headers in (
        ("images/generations", b"[]", {}),
        ("images/generations", b"{", {}),
        ("images/edits", b"x", {"content-type": "multipart/form-data"}),
        ("images/edits", b"--x\r\nA: b\r\n\r\nc\r\n--x--", form),
        ("models/m:generateContent", b"[]", {}),
    ):
        answer = httpx2.post(f"{url}/{path}", content=data, headers=headers)
        assert answer.status_code == 400, (path, data)
        assert answer.json()["error"]["message"]


# Gemini


def gemini(url: str, *contents: Any, **config: Any) -> list[Any]:
    """Return the chunks of a streamed answer, and then the answer at once."""
    genai = pytest.importorskip("google.genai", reason="It is not installed.")
    types = genai.types
    parts = [
        types.Part.from_bytes(data=part, mime_type="image/png")
        if isinstance(part, bytes)
        else types.Part.from_text(text=part)
        for part in contents
    ]
    asked = {"model": "gemini-image", "contents": parts}
    asked["config"] = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], **config
    )

    async def ask() -> list[Any]:
        client = genai.Client(
            api_key="test", http_options=types.HttpOptions(base_url=url)
        )
        async with client.aio as aio:
            stream = await aio.models.generate_content_stream(**asked)
            chunks = [chunk async for chunk in stream]
            return [*chunks, await aio.models.generate_content(**asked)]

    return asyncio.run(ask())


def parts_of(answers: list[Any]) -> list[Any]:
    found = [a.candidates[0].content for a in answers if a.candidates]
    return [part for content in found if content for part in content.parts]


def test_gemini_thinks_in_images_and_answers_with_one(
    api: LoopbackAPI, url: str
) -> None:
    for _ in range(2):
        api.gemini.respond_with(Text("Here."), Image())
    config = {
        "thinking_config": {"include_thoughts": True},
        "image_config": {"aspect_ratio": "16:9"},
    }
    *chunks, whole = gemini(url, "a fox", **config)
    parts = parts_of(chunks)
    assert [part.text or bool(part.thought) for part in parts] == [
        "Here.",
        True,
        True,
        False,
    ]
    data = parts[-1].inline_data
    assert data.mime_type == "image/png"
    assert Pillow.open(io.BytesIO(data.data)).size == (128, 73)
    usage = chunks[-1].usage_metadata
    assert (usage.candidates_token_count, usage.total_token_count) == (1290, 1292)
    assert [part.inline_data for part in parts_of([whole])] == [
        part.inline_data for part in parts
    ]
    assert {r["model"] for r in api.gemini.requests} == {"gemini-image"}


def test_gemini_starts_from_an_image_sent_along(api: LoopbackAPI, url: str) -> None:
    base = draw("a fox", size=(128, 128))
    *_, whole = gemini(url, base, "now at night")
    (part,) = parts_of([whole])
    assert part.inline_data.data == draw("now at night", size=(128, 128), base=base)
    assert whole.usage_metadata.prompt_token_count == 262


def test_gemini_blocks_a_prompt_or_an_image(api: LoopbackAPI, url: str) -> None:
    for _ in range(2):
        api.gemini.respond_with(FailedImage(stage="input"))
    for answer in gemini(url, "a fox"):
        assert answer.prompt_feedback.block_reason == "PROHIBITED_CONTENT"
        assert not answer.candidates
    for answer in gemini(url, "a forbidden fox"):
        (candidate,) = answer.candidates
        assert candidate.finish_reason == "IMAGE_SAFETY"
        assert candidate.content is None


def test_gemini_fails_in_googles_words(api: LoopbackAPI, url: str) -> None:
    errors = pytest.importorskip("google.genai.errors", reason="It is not installed.")
    quota = HTTPError(429, message="Quota exceeded.", headers={"retry-after": "30"})
    api.gemini.respond_with(quota)
    with pytest.raises(errors.ClientError) as caught:
        gemini(url, "a fox")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert "30s" in str(caught.value.details)
    gate = Gate()
    api.gemini.respond_with(gate, Image(finish=False), Drop())
    threading.Thread(target=lambda: gate.reached.wait(30) and gate.open()).start()
    with pytest.raises(Exception, match="closed|disconnect|incomplete"):
        gemini(url, "a fox")
