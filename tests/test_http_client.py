"""The HTTP client that reads images past the SDKs, chunk by chunk."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from chatkit_images import storage
from chatkit_images.agents import ImageHttpxClient
from chatkit_images.exceptions import PlaceholderUnknown
from chatkit_images.imaging import Base64Image
from chatkit_images.models import GeneratedImage, ThreadItem
from chatkit_images.run_state import RunState, base64_of, current_state
from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, done_items
from tests.image_files import SVG, noise

URL = "http://model.example/v1/responses"
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
PNG = base64.b64encode(noise("PNG", (24, 20))).decode()
NO_IMAGE = {
    "empty": "",
    "no type": "A" * 200,
    "another type": base64.b64encode(b"%PDF-1.7" * 20).decode(),
    "an escape": PNG[:-7] + "\\/" + PNG[-7:],
    "a data URL": f"data:image/png;base64,{PNG}",
    "no base64": "!" + PNG,
    "within a string": f'\\"result\\":\\"{PNG}\\"',
}
FORMS = [*(noise(form) for form in ("PNG", "JPEG", "WEBP", "GIF")), SVG]
# The dialects: keys in both orders, spaces, every format, an image beside something
# else in one event, what only looks like one, and every end of a line.
EVENTS: list[str] = [
    'event: a\ndata: {"type": "response.created", "result": null}\n\n',
    f'data: {{"partial_image_b64":"{PNG}","item_id":"ig_1"}}\n\n',
    'data: {"type": "response.output_text.delta", "delta": "\\"result\\": \\""}\n\n',
    f'data: {{"item": {{"id": "ig_1", "result" : "{PNG}", "status": "done"}}}}\n\n',
    f'data: {{"output":[{{"result":"{PNG}"}},{{"result": "{PNG}"}}]}}\r\n\r\n',
    *(
        f'data: {{"partial_image_b64": "{base64.b64encode(data).decode()}"}}\r\r'
        for data in FORMS
    ),
    *(f'data: {{"result": "{value}"}}\n\n' for value in NO_IMAGE.values()),
    "data: [DONE]\n\n",
]
IMAGES = 4 + len(FORMS)
WHOLE = "".join(EVENTS).encode()


class Chunks(httpx2.AsyncByteStream):
    """A body in chunks; ``error`` cuts it."""

    def __init__(self, chunks: list[bytes], error: Exception | None = None) -> None:
        self._chunks = chunks
        self._error = error
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if self._error is not None:
            raise self._error

    async def aclose(self) -> None:
        self.closed = True


class Everything(ImageHttpxClient):
    shortest = 1


@pytest.fixture
def state() -> Iterator[RunState]:
    state = RunState()
    token = current_state.set(state)
    yield state
    current_state.reset(token)


async def read(
    chunks: list[bytes],
    kind: type[ImageHttpxClient] = Everything,
    headers: dict[str, str] | None = None,
) -> list[bytes]:
    """Return the pieces of a streamed answer that the SDK gets."""
    body = Chunks(chunks)
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers=headers or STREAM, stream=body)
    )
    async with (
        kind(transport=transport) as client,
        client.stream("POST", URL, json={"stream": True}) as response,
    ):
        pieces = [piece async for piece in response.aiter_raw()]
    assert body.closed
    return pieces


def is_placeholder(text: str) -> bool:
    return text.startswith("chatkit-images:")


def restored(text: str) -> tuple[str, int]:
    """Return a stream with its images in their places, and how many there were."""
    parts = text.split('"')
    found = 0
    for place, part in enumerate(parts):
        image = base64_of(part)
        if isinstance(image, Base64Image):
            found += 1
            parts[place] = image.join().decode()
    return '"'.join(parts), found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, len(WHOLE)])
async def test_a_stream_in_chunks_of_any_size(state: RunState, size: int) -> None:
    chunks = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]

    text = b"".join(await read(chunks)).decode()

    for line in text.splitlines():
        if line.startswith("data: {"):
            json.loads(line.removeprefix("data: "))
    assert restored(text) == (WHOLE.decode(), IMAGES)
    # A preview is taken once; a result may be asked for again.
    assert restored(text)[1] == IMAGES - 1 - len(FORMS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_an_event_goes_on_as_soon_as_its_line_ends(
    state: RunState, end: str
) -> None:
    event = f"data: {{}}{end}{end}".encode()
    assert (await read([event, b": later" + event]))[0] == event


async def test_other_answers_are_left_alone(state: RunState) -> None:
    small = EVENTS[3].encode()
    assert b"".join(await read([small], ImageHttpxClient)) == small
    for headers in (
        {"content-type": "application/json"},
        STREAM | {"content-encoding": "br"},
        {"content-length": "9"},
    ):
        assert b"".join(await read([WHOLE], headers=headers)) == WHOLE
    current_state.set(None)
    assert b"".join(await read([WHOLE])) == WHOLE


async def test_a_stream_that_breaks_within_an_image(state: RunState) -> None:
    body = Chunks([WHOLE[:1000]], httpx2.ReadError("gone"))
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers=STREAM, stream=body)
    )
    pieces = []
    async with Everything(transport=transport) as client:
        with pytest.raises(httpx2.ReadError):
            async with client.stream("POST", URL) as response:
                async for piece in response.aiter_raw():
                    pieces.append(piece)
    assert b"".join(pieces).startswith(EVENTS[0].encode())

    # One that ends there without an error hands on what it has.
    assert b"".join(await read([WHOLE[:1000]])) == WHOLE[:1000]


async def test_a_request_has_the_images_again(state: RunState) -> None:
    requests: list[httpx2.Request] = []
    body = "".join(EVENTS[:5]).encode()

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, headers=STREAM, stream=Chunks([body]))

    async with Everything(transport=httpx2.MockTransport(answer)) as client:
        async with client.stream("POST", URL, json={}) as response:
            text = (await response.aread()).decode()
        finals = [part for part in text.split('"') if is_placeholder(part)][1:]
        again = {"input": [{"result": final} for final in finals]}
        await client.post(URL, json=again, headers={"x-own": "kept"})
        # A retry sends the same again.
        await client.post(URL, json=again)

        assert [json.loads(request.content) for request in requests[1:]] == (
            [{"input": [{"result": PNG}] * 3}] * 2
        )
        assert requests[1].headers["x-own"] == "kept"
        assert requests[1].headers["content-length"] == str(len(requests[1].content))
        # Signed as it is sent: some providers want a signature.
        built = client.build_request("POST", URL, json=again)
        assert json.loads(built.content) == {"input": [{"result": PNG}] * 3}

        current_state.set(RunState())
        with pytest.raises(PlaceholderUnknown, match="sessions"):
            await client.post(URL, json=again)
        assert len(requests) == 3
        # What a person has written is not meant.
        text = {"input": [f"{finals[0]}?", f'{{"result": "{finals[0]}"}}']}
        await client.post(URL, json=text)
        assert json.loads(requests[3].content) == text


async def test_a_stream_is_asked_for_uncompressed(state: RunState) -> None:
    client = ImageHttpxClient()
    usual = client.headers["accept-encoding"]
    built = {
        stream: client.build_request("POST", URL, json={"stream": stream, "input": "x"})
        for stream in (True, False)
    }
    assert built[True].headers["accept-encoding"] == "identity"
    assert built[False].headers["accept-encoding"] == usual

    async def bits() -> AsyncIterator[bytes]:
        yield b"{}"

    as_json = {"content-type": "application/json"}
    sent = client.build_request("POST", URL, content=bits(), headers=as_json)
    assert await sent.aread() == b"{}"

    current_state.set(None)
    outside = client.build_request("POST", URL, json={"stream": True})
    assert outside.headers["accept-encoding"] == usual


@pytest.mark.parametrize(
    "client", ["tests.chat.EveryImage", "openai.DefaultAsyncHttpxClient"]
)
async def test_a_run_that_asks_twice_repeats_the_image(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    client: str,
) -> None:
    settings.HTTP_CLIENT = client
    get_agent = TestServer.get_agent
    monkeypatch.setattr(
        TestServer,
        "get_agent",
        lambda *args: get_agent(*args).clone(tool_use_behavior="run_llm_again"),
    )
    data = noise("PNG")
    model.respond_with(
        Image(data=data, partials=2), ToolCall("show_card", {"text": "A card."})
    )
    model.respond_with(Text("Done."))

    events = await chat.say("a house, and a card")

    assert "error" not in {event["type"] for event in events}
    image = await GeneratedImage.objects.aget()
    assert storage.read(image.file.name) == data
    (again,) = [
        item
        for item in model.requests[1]["input"]
        if item.get("type") == "image_generation_call"
    ]
    assert base64.b64decode(again["result"]) == data
    assert len(done_items(events, "generated_image")) == 1
    written = [str(row.payload) async for row in ThreadItem.objects.all()]
    assert not [text for text in written if "chatkit-images:" in text]
    assert "chatkit-images:" not in json.dumps(events)
