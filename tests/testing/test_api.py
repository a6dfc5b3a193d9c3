from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import openai
import pytest
from agents import (
    Agent,
    ImageGenerationTool,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from PIL import Image as Pillow
from PIL import ImageChops, ImageStat

from chatkit_images.testing import (
    Drop,
    ErrorEvent,
    FailedImage,
    Gate,
    HTTPError,
    Image,
    Images,
    LoopbackAPI,
    Raw,
    Reasoning,
    ResponseFailed,
    Text,
    ToolCall,
    Usage,
    Wait,
    draw,
    request,
    serve,
)
from chatkit_images.testing.serving import GRACE

TOOL: Any = {"type": "image_generation", "partial_images": 3}


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


def with_client(url: str, use: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncOpenAI(base_url=url, api_key="test", max_retries=0) as client:
            return await use(client)

    return asyncio.run(main())


def stream(url: str, text: Any = "a fox", **options: Any) -> list[Any]:
    async def use(client: AsyncOpenAI) -> list[Any]:
        options.setdefault("tools", [TOOL])
        events = await client.responses.create(
            model="gpt-5", input=text, stream=True, **options
        )
        return [event async for event in events]

    return with_client(url, use)


def of_type(events: list[Any], ending: str) -> list[Any]:
    return [event for event in events if event.type.endswith(ending)]


def output(events: list[Any]) -> list[Any]:
    assert events[-1].type == "response.completed"
    return events[-1].response.output


def opened(b64: str) -> Pillow.Image:
    return Pillow.open(io.BytesIO(base64.b64decode(b64)))


def sharpness(b64: str) -> float:
    image = opened(b64).convert("L")
    steps = ImageChops.difference(image, ImageChops.offset(image, 1, 0))
    return ImageStat.Stat(steps.crop((1, 0, *image.size))).rms[0]


def data_url(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def user(text: str, *images: str) -> dict[str, Any]:
    parts = [{"type": "input_image", "image_url": url} for url in images]
    return {
        "role": "user",
        "content": [{"type": "input_text", "text": text}, *parts],
    }


async def receive_nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def send_nothing(message: Any) -> None:
    raise AssertionError(message)


# Text, reasoning, tools


def test_text_arrives_in_deltas(api: LoopbackAPI, url: str):
    api.respond_with(Text("A fox in the snow.", chunk=4))
    events = stream(url)
    deltas = [event.delta for event in of_type(events, "output_text.delta")]
    assert deltas[0] == "A fo"
    assert "".join(deltas) == "A fox in the snow."
    assert events[-1].response.output_text == "A fox in the snow."
    assert [event.type for event in events[:4]] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_every_event_and_item_parses_into_a_declared_type(api: LoopbackAPI, url: str):
    api.respond_with(
        Reasoning("Let me think."),
        Text("Look:"),
        Image(),
        FailedImage(),
        ToolCall("f", {"a": 1}),
    )
    for event in stream(url):
        # Unknown events and fields of wrong types parse too; strict models do not.
        type(event).model_validate(event.model_dump(), strict=True)
        assert not event.model_extra, event


def test_output_index_follows_the_items(api: LoopbackAPI, url: str):
    api.respond_with(
        Text("a"),
        Image(partials=0),
        Images(Image(partials=0), FailedImage()),
        Text("b"),
    )
    events = stream(url)
    done = of_type(events, "output_item.done")
    assert [event.output_index for event in done] == [0, 1, 2, 3, 4]
    assert [event.item.id for event in done] == [item.id for item in output(events)]


def test_reasoning_summary_is_streamed(api: LoopbackAPI, url: str):
    api.respond_with(Reasoning("First the ears."))
    events = stream(url)
    deltas = of_type(events, "reasoning_summary_text.delta")
    assert "".join(event.delta for event in deltas) == "First the ears."
    assert output(events)[0].summary[0].text == "First the ears."


def test_usage_is_parsed(api: LoopbackAPI, url: str):
    api.respond_with(Text("Hi"), Usage(120, 30, cached_tokens=20, reasoning_tokens=5))
    usage = stream(url)[-1].response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (
        120,
        30,
        150,
    )
    assert usage.input_tokens_details.cached_tokens == 20
    assert usage.output_tokens_details.reasoning_tokens == 5


def test_an_agent_calls_a_tool_and_goes_on(api: LoopbackAPI, url: str):
    @function_tool
    def weather(city: str) -> str:
        return f"snow in {city}"

    api.respond_with(ToolCall("weather", {"city": "Oslo"}, call_id="call_1"))
    api.respond_with(Text("It snows."))

    async def use(client: AsyncOpenAI) -> str:
        model = OpenAIResponsesModel("gpt-5", openai_client=client)
        agent = Agent(name="a", model=model, tools=[weather])
        result = Runner.run_streamed(agent, "Weather?")
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    assert with_client(url, use) == "It snows."
    answer = api.requests[1]["input"][-1]
    assert answer["type"] == "function_call_output"
    assert (answer["call_id"], answer["output"]) == ("call_1", "snow in Oslo")


# Images


def test_previews_sharpen_into_the_image(api: LoopbackAPI, url: str):
    api.respond_with(Image("a red fox", call_id="ig_1"))
    events = stream(url)
    partials = of_type(events, "partial_image")
    assert [event.partial_image_index for event in partials] == [0, 1, 2]
    assert {event.item_id for event in partials} == {"ig_1"}
    (call,) = output(events)
    frames = [event.partial_image_b64 for event in partials] + [call.result]
    assert [sharpness(frame) for frame in frames] == sorted(map(sharpness, frames))
    assert (call.status, call.size, call.output_format) == (
        "completed",
        "1024x1024",
        "png",
    )
    assert [event.type.rsplit(".", 1)[1] for event in events[2:5]] == [
        "added",
        "in_progress",
        "generating",
    ]
    assert events[-3].type == "response.image_generation_call.completed"


def test_the_image_is_what_the_tool_asked_for(api: LoopbackAPI, url: str):
    tool = {
        "type": "image_generation",
        "size": "1536x1024",
        "output_format": "webp",
        "quality": "low",
        "background": "transparent",
    }
    api.respond_with(Image("a fox"))
    events = stream(url, tools=[tool])
    assert not of_type(events, "partial_image")
    (call,) = output(events)
    assert (call.size, call.quality, call.background, call.output_format) == (
        "1536x1024",
        "low",
        "transparent",
        "webp",
    )
    image = opened(call.result)
    assert (image.format, image.size, image.mode) == ("WEBP", (128, 85), "RGBA")


def test_a_step_can_send_its_own_bytes_and_status(api: LoopbackAPI, url: str):
    api.respond_with(Image(data=b"not an image", status="generating", partials=1))
    events = stream(url)
    (call,) = output(events)
    assert base64.b64decode(call.result) == b"not an image"
    assert call.status == "generating"


def test_two_images_take_turns(api: LoopbackAPI, url: str):
    api.respond_with(Images(Image(call_id="A"), Image(call_id="B")))
    events = stream(url, tools=[TOOL | {"partial_images": 2}])
    turns = [
        (event.item_id, event.partial_image_index)
        for event in of_type(events, "partial_image")
    ]
    assert turns == [("A", 0), ("B", 0), ("A", 1), ("B", 1)]
    added = [event.item.id for event in of_type(events, "output_item.added")]
    done = [event.item.id for event in of_type(events, "output_item.done")]
    assert added == done == ["A", "B"]
    assert [event.output_index for event in of_type(events, "output_item.done")] == [
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("order", "expected"), [("reversed", "B0 A0 B A"), ("sequential", "A0 A B0 B")]
)
def test_other_orders_of_two_images(
    api: LoopbackAPI, url: str, order: Any, expected: str
):
    api.respond_with(
        Images(
            Image(call_id="A", partials=1), Image(call_id="B", partials=1), order=order
        )
    )
    seen = []
    for event in stream(url):
        if event.type.endswith("partial_image"):
            seen.append(f"{event.item_id}{event.partial_image_index}")
        elif event.type.endswith("output_item.done"):
            seen.append(event.item.id)
    assert " ".join(seen) == expected


def test_moderation_details_reach_the_typed_error(api: LoopbackAPI, url: str):
    api.respond_with(FailedImage(categories=("violence", "self-harm"), partials=1))
    (call,) = output(stream(url))
    assert (call.status, call.result) == ("failed", None)
    assert call.error.code == "moderation_blocked"
    assert call.error.moderation_details.categories == ["violence", "self-harm"]
    assert call.error.moderation_details.moderation_stage == "output"


def test_an_image_can_fail_without_an_error(api: LoopbackAPI, url: str):
    api.respond_with(Image(result=False))
    events = stream(url)
    (call,) = output(events)
    assert (call.status, call.result, call.error) == ("failed", None, None)
    assert not of_type(events, "image_generation_call.completed")


def test_an_agent_draws(api: LoopbackAPI, url: str):
    async def use(client: AsyncOpenAI) -> tuple[Any, list[str]]:
        agent = Agent(
            name="a",
            model=OpenAIResponsesModel("gpt-5", openai_client=client),
            model_settings=ModelSettings(include_usage=True),
            tools=[ImageGenerationTool(tool_config=TOOL)],
        )
        result = Runner.run_streamed(agent, "draw a red fox in the snow")
        kinds = [
            event.data.type
            async for event in result.stream_events()
            if event.type == "raw_response_event"
        ]
        return result, kinds

    result, kinds = with_client(url, use)
    assert kinds.count("response.image_generation_call.partial_image") == 3
    names = [type(item).__name__ for item in result.new_items]
    assert names == ["MessageOutputItem", "ToolCallItem", "MessageOutputItem"]
    call = result.new_items[1].raw_item
    assert opened(call.result).format == "PNG"
    assert call.revised_prompt == (
        "A detailed illustration of a red fox in the snow, soft light"
    )


# The default model


def test_a_greeting_and_a_question_are_answered_in_words(api: LoopbackAPI, url: str):
    for text in ("Hello", "What can you do?", "thanks a lot"):
        assert [item.type for item in output(stream(url, text))] == ["message"]


def test_a_request_without_the_image_tool_is_answered_in_words(
    api: LoopbackAPI, url: str
):
    (message,) = output(stream(url, "a fox", tools=[]))
    assert "without an image tool" in message.content[0].text


def function(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "parameters": {"type": "object", "properties": properties},
    }


def test_a_function_tool_is_called_with_the_words_and_numbers_of_the_person(
    api: LoopbackAPI, url: str
):
    some = function(
        "paint",
        prompt={"type": "string"},
        style={"enum": ["plain", "wild"]},
        shares={"type": "array", "items": {"type": "integer"}},
        side={"type": "integer"},
        seed={"anyOf": [{"type": "integer"}, {"type": "null"}]},
        quality={"type": "string", "default": "low"},
        flag={"type": "boolean"},
        other={"$ref": "#/$defs/Other"},
    )
    some["parameters"]["$defs"] = {
        "Other": {"type": "object", "properties": {"word": {"type": "string"}}}
    }
    said = "A wild pie of 60 and 40"
    (call,) = output(stream(url, said, tools=[function("first"), some]))
    assert call.name == "first"
    (call,) = output(stream(url, f"{said}: paint", tools=[function("first"), some]))
    said += ": paint"
    assert (call.name, json.loads(call.arguments)) == (
        "paint",
        {
            "prompt": said,
            "style": "wild",
            "shares": [60, 40],
            "side": 60,
            "seed": None,
            "quality": "low",
            "flag": False,
            "other": {"word": said},
        },
    )


def test_a_tool_that_takes_an_id_gets_the_last_one_of_the_input(
    api: LoopbackAPI, url: str
):
    word = {"type": "string"}
    tools = [function("edit", image_id=word, prompt=word)]
    old, new = "img_" + "0" * 32, "img_" + "1" * 32
    history = [user(f"@boat (id: {old})"), user(f"@fox (id: {new})"), user("at night")]
    (call,) = output(stream(url, history, tools=tools))
    assert json.loads(call.arguments) == {"image_id": new, "prompt": "at night"}
    (call,) = output(stream(url, history[2:], tools=tools))
    assert json.loads(call.arguments)["image_id"] == "at night"


def test_a_tool_is_called_with_arguments_that_are_spelled_out(
    api: LoopbackAPI, url: str
):
    tools = [TOOL, function("paint", prompt={"type": "string"})]
    (call,) = output(stream(url, 'paint {"prompt": "a fox"}', tools=tools))
    assert (call.name, json.loads(call.arguments)) == ("paint", {"prompt": "a fox"})
    items = output(stream(url, 'paint {"prompt": a fox}', tools=tools))
    assert "image_generation_call" in [item.type for item in items]


def test_what_a_tool_has_answered_is_said(api: LoopbackAPI, url: str):
    called: list[Any] = [
        user("a fox"),
        {"type": "function_call", "name": "paint", "call_id": "c", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "It hangs."},
    ]
    tools = [function("paint")]
    (message,) = output(stream(url, called, tools=tools))
    assert message.content[0].text == "The tool answered: It hangs."
    called[-1]["output"] = [{"type": "input_image", "image_url": "https://a.example/"}]
    (message,) = output(stream(url, called, tools=tools))
    assert message.content[0].text == "The tool answered: (input_image)"
    (call,) = output(stream(url, [*called, user("another")], tools=tools))
    assert call.name == "paint"


def test_a_polite_question_is_a_wish(api: LoopbackAPI, url: str):
    items = output(stream(url, "Could you draw a cat?"))
    assert items[0].content[0].text == "Here you are: a cat."
    assert items[1].type == "image_generation_call"


def test_a_named_image_is_started_from_and_its_words_are_nobodys(
    api: LoopbackAPI, url: str
):
    fox, boat = (data_url(draw(what, size=(64, 64))) for what in ("a fox", "a boat"))
    context = "# User-provided context for @-mentions\n- When referencing"
    history = [
        user("The image drawn before:", boat),
        user("in the rain"),
        user(context, fox),
    ]
    named = output(stream(url, history))
    plain = output(stream(url, history[:2]))
    assert named[0].content[0].text == "I started from the earlier image: in the rain."
    assert named[1].revised_prompt != plain[1].revised_prompt
    assert named[1].result != plain[1].result
    assert request.named_image({"input": history}) == draw("a fox", size=(64, 64))


def test_a_follow_up_starts_from_the_last_image(api: LoopbackAPI, url: str):
    base = draw("a fox", size=(128, 128))
    history = [
        user("a fox"),
        user("The image drawn before:", data_url(base)),
        user("now at night"),
    ]
    with_base = output(stream(url, history))
    without = output(stream(url, [user("a fox"), user("now at night")]))
    opening = with_base[0].content[0].text
    assert opening == "I started from the earlier image: at night."
    assert with_base[1].action == "edit"
    assert without[1].action == "generate"
    drawn = draw("now at night", size=(128, 128), base=base)
    assert base64.b64decode(with_base[1].result) == drawn
    assert with_base[1].result != without[1].result


def test_a_new_wish_does_not_start_from_the_last_image(api: LoopbackAPI, url: str):
    base = data_url(draw("a fox", size=(64, 64)))
    items = output(stream(url, [user("Look:", base), user("a boat")]))
    assert items[1].action == "generate"


def test_an_image_sent_along_is_the_base(api: LoopbackAPI, url: str):
    base = data_url(draw("a fox", size=(64, 64)))
    assert output(stream(url, [user("in winter", base)]))[1].action == "edit"


@pytest.mark.parametrize(
    "address",
    ["https://example.org/a.png", "data:image/png,plain", "data:a;base64,!", "file:a"],
)
def test_other_addresses_than_data_urls_are_ignored(
    api: LoopbackAPI, url: str, address: str
):
    assert output(stream(url, [user("now blue", address)]))[1].action == "generate"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("two foxes", ["completed", "completed"]),
        ("three foxes", ["completed", "completed", "completed"]),
        ("a forbidden fox", ["failed"]),
        ("a broken fox", ["failed"]),
    ],
)
def test_words_choose_what_happens(
    api: LoopbackAPI, url: str, text: str, kinds: list[str]
):
    items = output(stream(url, text))
    calls = [item for item in items if item.type == "image_generation_call"]
    assert [call.status for call in calls] == kinds
    images = [call.result for call in calls if call.result]
    assert len(set(images)) == len(images)


def test_the_word_drop_cuts_the_connection_after_a_preview(api: LoopbackAPI, url: str):
    with pytest.raises(openai.APIConnectionError):
        stream(url, "drop a fox")


def test_the_word_error_ends_in_an_error_event(api: LoopbackAPI, url: str):
    events = stream(url, "an error fox")
    assert (events[-1].type, events[-1].code) == ("error", "server_error")
    assert len(of_type(events, "partial_image")) == 1


def test_the_word_slow_is_slow():
    from chatkit_images.testing import default_model

    body = {"input": "a slow fox", "tools": [TOOL]}
    (image,) = (step for step in default_model(body) if isinstance(step, Image))
    assert image.delay == 1.5


def test_another_model_can_answer(url: str):
    api = LoopbackAPI(model=lambda body: [Text(body["model"])])
    with serve(api) as address:
        assert output(stream(address))[0].content[0].text == "gpt-5"


def test_another_function_can_draw():
    asked: list[tuple[str, dict[str, Any]]] = []

    def blank(prompt: str, **options: Any) -> bytes:
        asked.append((prompt, options))
        return b"drawn"

    api = LoopbackAPI(draw=blank, max_side=64)
    tool = TOOL | {"partial_images": 1, "output_format": "webp"}
    api.respond_with(Image("a fox", size="1024x512", background="transparent"))
    with serve(api) as address:
        (call,) = output(stream(address, tools=[tool]))
    assert base64.b64decode(call.result) == b"drawn"
    common = {"size": (64, 32), "format": "webp", "base": None, "transparent": True}
    assert asked == [
        ("a fox", common | {"step": 0.5}),
        ("a fox", common | {"step": 1.0}),
    ]


# Failures


def test_a_dropped_connection_is_a_connection_error(api: LoopbackAPI, url: str):
    api.respond_with(Text("He"), Drop())

    async def use(client: AsyncOpenAI) -> list[str]:
        seen = []
        events = await client.responses.create(model="m", input="x", stream=True)
        with pytest.raises(openai.APIConnectionError):
            async for event in events:
                seen.append(event.type)
        return seen

    assert with_client(url, use)[-1] == "response.output_item.done"
    assert api.disconnects == 0


def test_an_error_event_ends_the_stream(api: LoopbackAPI, url: str):
    api.respond_with(Text("He"), ErrorEvent("rate_limit_exceeded", "Slow down."))
    last = stream(url)[-1]
    assert (last.type, last.code, last.message) == (
        "error",
        "rate_limit_exceeded",
        "Slow down.",
    )


def test_a_failed_response_ends_the_stream(api: LoopbackAPI, url: str):
    api.respond_with(ResponseFailed("server_error", "No."), Text("never said"))
    last = stream(url)[-1]
    assert last.type == "response.failed"
    assert (last.response.status, last.response.error.message) == ("failed", "No.")


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, openai.RateLimitError), (500, openai.InternalServerError)],
)
def test_http_errors(
    api: LoopbackAPI, url: str, status: int, error: type[openai.APIStatusError]
):
    api.respond_with(HTTPError(status, "busy", "Too busy.", {"Retry-After": "7"}))
    with pytest.raises(error, match="Too busy") as caught:
        stream(url)
    assert caught.value.code == "busy"
    assert caught.value.response.headers["retry-after"] == "7"


def test_an_http_error_must_come_first(api: LoopbackAPI):
    with pytest.raises(ValueError, match="HTTPError must be the first step"):
        api.respond_with(Text("a"), HTTPError(500))


def test_a_raw_event_is_sent_as_it_is(api: LoopbackAPI, url: str):
    api.respond_with(Raw({"type": "response.queued", "response": {"id": "resp_1"}}))
    event = stream(url)[2]
    assert (event.type, event.response.id, event.sequence_number) == (
        "response.queued",
        "resp_1",
        2,
    )


def test_a_body_that_is_not_an_object_is_refused(api: LoopbackAPI, url: str):
    async def use(client: AsyncOpenAI) -> Any:
        for content in (b"{", b"[]"):
            response = await client._client.post(f"{url}/responses", content=content)
            assert response.status_code == 400
            assert response.json()["error"]["code"] == "invalid_json"

    with_client(url, use)
    assert api.requests == []


def test_unknown_paths_are_not_found(api: LoopbackAPI, url: str):
    async def use(client: AsyncOpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match="Invalid URL"):
            await client.files.list()

    with_client(url, use)


def test_other_protocols_than_http_are_refused():
    with pytest.raises(ValueError, match="only speaks HTTP, got 'websocket'"):
        asyncio.run(LoopbackAPI()({"type": "websocket"}, receive_nothing, send_nothing))


def test_a_client_that_leaves_before_asking_gets_no_answer(api: LoopbackAPI):
    scope = {"type": "http", "method": "POST", "path": "/v1/responses"}
    asyncio.run(api(scope, receive_nothing, send_nothing))
    assert api.requests == []


# Without a stream, and the other routes


def test_a_response_without_a_stream(api: LoopbackAPI, url: str):
    async def use(client: AsyncOpenAI) -> None:
        api.respond_with(Text("Hello."))
        response = await client.responses.create(model="m", input="hi")
        assert (response.output_text, response.status) == ("Hello.", "completed")
        api.respond_with(ErrorEvent())
        with pytest.raises(openai.InternalServerError):
            await client.responses.create(model="m", input="hi")
        api.respond_with(Drop())
        with pytest.raises(openai.APIConnectionError):
            await client.responses.create(model="m", input="hi")

    with_client(url, use)


def test_transcription_models_and_prefixes(api: LoopbackAPI, url: str):
    async def use(client: AsyncOpenAI) -> None:
        spoken = await client.audio.transcriptions.create(
            model="whisper-1", file=("a.webm", b"sound")
        )
        assert spoken.text == "a red fox in the snow"
        assert [model.id async for model in client.models.list()] == ["loopback"]
        below = client.with_options(base_url=f"{url}/mounted/somewhere/v1/")
        assert (await below.responses.create(model="m", input="hi")).output_text

    with_client(url, use)


def test_only_the_last_requests_are_kept(api: LoopbackAPI, url: str, monkeypatch):
    monkeypatch.setattr("chatkit_images.testing.stand_ins.REMEMBERED", 2)
    for text in ("hello 1", "hello 2", "hello 3"):
        stream(url, text)
    assert [body["input"] for body in api.requests] == ["hello 2", "hello 3"]
    api.reset()
    assert api.requests == []


# Time


def test_a_gate_holds_the_answer_until_it_is_opened(api: LoopbackAPI, url: str):
    before, inside = Gate(), Gate()
    api.respond_with(Text("a"), before, Image(partials=1, gate=inside))
    events: list[Any] = []
    thread = threading.Thread(target=lambda: events.extend(stream(url)))
    thread.start()
    assert before.reached.wait(30)
    assert not inside.reached.wait(0.1)
    before.open()
    assert inside.reached.wait(30)
    assert thread.is_alive()
    inside.open()
    thread.join(30)
    assert len(output(events)) == 2


@pytest.mark.parametrize("hold", [Gate(), Wait(60), Image(delay=60)])
def test_a_client_that_leaves_is_noticed(api: LoopbackAPI, url: str, hold: Any):
    api.respond_with(Text("a"), hold, Text("never said"))

    async def use(client: AsyncOpenAI) -> None:
        events = await client.responses.create(model="m", input="x", stream=True)
        async for event in events:
            if event.type == "response.output_item.done":
                break
        await events.close()

    with_client(url, use)
    deadline = time.monotonic() + 30
    while not api.disconnects and time.monotonic() < deadline:
        time.sleep(0.01)
    assert api.disconnects == 1


def test_a_client_that_reads_to_the_end_is_no_disconnect(api: LoopbackAPI, url: str):
    for _ in range(5):
        stream(url, "hello")
    time.sleep(0.05)
    assert api.disconnects == 0


def test_delay_paces_previews():
    with serve(LoopbackAPI(delay=0.1, max_side=32)) as url:
        started = time.monotonic()
        stream(url, "a fox")
        assert time.monotonic() - started > 0.4


def test_serving_ends_quickly_with_an_open_stream():
    api, gate = LoopbackAPI(), Gate()
    api.respond_with(gate)

    def read(url: str) -> None:
        with pytest.raises(openai.APIConnectionError):
            stream(url)

    with serve(api) as url:
        thread = threading.Thread(target=read, args=[url])
        thread.start()
        assert gate.reached.wait(30)
        started = time.monotonic()
    # Else its thread would still be waited for.
    assert time.monotonic() - started < GRACE + 4
    thread.join(30)


def test_any_asgi_application_can_be_served():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    with serve(app, path="") as url:

        async def use(client: AsyncOpenAI) -> str:
            return (await client._client.get(f"{url}/x")).text

        assert with_client(url, use) == "/x"


def test_an_application_that_cannot_start_is_reported():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="uvicorn did not start"), serve(app):
        pass


def test_serving_without_uvicorn_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chatkit_images.testing.serving.uvicorn", None)
    with (
        pytest.raises(ImportError, match=r"pip install chatkit-images\[testing\]"),
        serve(LoopbackAPI()),
    ):
        pass
