"""Dialects: the same script, spoken as other providers and gateways speak."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from chatkit_images.testing import (
    DIALECTS,
    Dialect,
    FailedImage,
    HTTPError,
    Image,
    LoopbackAPI,
    ResponseIncomplete,
    Text,
    ToolCall,
    Usage,
    refusing,
)
from chatkit_images.testing.dialects import GROUPS, every
from tests.image_files import image_file

DATA = image_file("teal")
SCRIPT = (Image(partials=1, data=DATA), FailedImage(), Text("Here."))
TOOLS = {
    "image_gen": {
        "input_tokens": 500,
        "input_tokens_details": {"image_tokens": 400, "text_tokens": 100},
        "output_tokens": 8320,
        "total_tokens": 8820,
    },
    "web_search": {"num_requests": 0},
}


def ask(api: LoopbackAPI, text: str = "a fox", **body: Any) -> httpx2.Response:
    async def post() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=api)
        async with httpx2.AsyncClient(transport=transport) as client:
            whole = {"model": "gpt-5", "input": text, "stream": True} | body
            return await client.post("http://model/v1/responses", json=whole)

    return asyncio.run(post())


def events_of(response: httpx2.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def spoken(*names: Dialect | str, steps: Any = SCRIPT) -> list[dict[str, Any]]:
    api = LoopbackAPI()
    api.speak(*names)
    api.respond_with(*steps)
    return events_of(ask(api))


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_tells_the_script_otherwise(name: str) -> None:
    dialect = DIALECTS[name]
    assert dialect.name == name
    assert dialect.about.endswith(".")
    steps = (*SCRIPT, Text("Or/and not."))
    api = LoopbackAPI(dialect=name)
    api.respond_with(*steps)
    url = "data:image/png;base64,aaaa"
    part = {"type": "input_image", "image_url": url}
    image = [{"role": "user", "content": [part]}]
    told = None
    try:
        told = ask(api, image).text  # type: ignore[arg-type]
    except Exception as error:  # The connection was cut.
        assert name.startswith("cut-off"), repr(error)
    api.speak()
    api.respond_with(*steps)
    plain = ask(api, image).text  # type: ignore[arg-type]
    assert (shape(told or "") == shape(plain)) == (name == "openai")


def shape(text: str) -> str:
    """Return a stream with made-up ids by their first appearance, and without times."""
    made: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"id {made.setdefault(match[0], len(made))}"

    return re.sub(r"_at\": \d+", "", re.sub(r"[0-9a-f]{32}", number, text))


def test_of_several_dialects_the_next_one_changes_what_the_first_has_made() -> None:
    once = spoken("ids-numbered", "every-event-twice")
    ids = [event["item_id"] for event in once if "partial_image_index" in event]
    assert ids == ["ig_0", "ig_0"]
    types = [event["type"] for event in once]
    assert types[::2][:-1] == types[1::2]


def test_a_dialect_of_a_project_changes_what_it_wants() -> None:
    def shout(event: dict[str, Any]) -> None:
        if event["type"] == "response.output_text.delta":
            event["delta"] = event["delta"].upper()

    loud = Dialect("loud", "Texts are in capitals.", every(shout))
    deltas = [event.get("delta") for event in spoken(loud)]
    assert "HERE." in deltas
    assert Dialect("other", "").name in (loud + Dialect("other", "")).name


def test_reset_returns_to_the_dialect_of_the_api() -> None:
    api = LoopbackAPI(dialect="ids-missing")
    api.speak("ids-numbered", "no-created")
    api.reset()
    assert api.dialect == DIALECTS["ids-missing"]
    with pytest.raises(KeyError):
        api.speak("klingon")


def test_what_is_refused_leaves_the_answer_for_the_next_request() -> None:
    api = LoopbackAPI()
    api.speak(refusing(lambda kind, data: kind == "image/gif"))
    api.respond_with(Text("Here."))
    part = {"type": "input_image", "image_url": "data:image/gif;base64,R0lG"}
    given = [{"role": "user", "content": [{"type": "input_text"}, part]}]
    refused = ask(api, given)  # type: ignore[arg-type]
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input[0].content[1]"
    assert "Here." in ask(api).text


@pytest.mark.parametrize("name", [dialect.name for dialect in GROUPS["moderation"]])
def test_moderation_is_told_of_blocked_images_alone(name: str) -> None:
    plain = (Image(data=DATA, call_id="ig_1"), Text("Here."))
    assert [event["type"] for event in spoken(name, steps=plain)] == [
        event["type"] for event in spoken(steps=plain)
    ]


def test_an_answer_that_is_not_streamed_is_spoken_too() -> None:
    api = LoopbackAPI(dialect="tool-usage")
    api.respond_with(*SCRIPT)
    response = Response.model_validate(ask(api, stream=False).json())
    assert response.tool_usage is not None
    assert response.tool_usage.image_gen.input_tokens == 500


@pytest.mark.parametrize(
    "name", ["openai", "citations", "searches", "svg", "tool-usage", "cut-emoji"]
)
def test_what_the_api_itself_sends_has_its_types(name: str) -> None:
    adapter = TypeAdapter(ResponseStreamEvent)
    events = spoken(name, steps=(*SCRIPT, Usage(10, 20, tools=TOOLS)))
    for event in events:
        read = adapter.validate_python(event)
        # A field that no type has would be an extra one.
        assert not read.model_extra, event
    assert len({event["sequence_number"] for event in events}) == len(events)


def test_the_tokens_of_tools_are_told() -> None:
    (*_, end) = spoken(steps=(Image(data=DATA), Usage(10, 20, tools=TOOLS)))
    response = Response.model_validate(end["response"])
    assert response.tool_usage is not None
    assert response.tool_usage.image_gen.output_tokens == 8320
    (*_, end) = spoken(steps=(Image(data=DATA), Usage(10, 20)))
    assert "tool_usage" not in end["response"]


def test_an_image_has_more_fields() -> None:
    step = Image(data=DATA, fields={"model": "gpt-image-2"})
    (*_, end) = spoken(steps=(step,))
    assert end["response"]["output"][0]["model"] == "gpt-image-2"


def test_a_response_can_be_incomplete() -> None:
    (*_, end) = spoken(steps=(Text("Half"), ResponseIncomplete("content_filter")))
    response = Response.model_validate(end["response"])
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "content_filter"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, '"param": "input[0]"'),
        ({"detail": "no"}, '{"detail": "no"}'),
        ("<h1>no</h1>", "<h1>no</h1>"),
    ],
)
def test_an_error_has_the_body_of_its_step(body: Any, said: str) -> None:
    api = LoopbackAPI()
    api.respond_with(HTTPError(400, "odd", "No.", param="input[0]", body=body))
    response = ask(api)
    assert response.status_code == 400
    assert said in response.text


def test_a_stream_without_an_end_is_closed_in_order() -> None:
    (*_, last) = spoken("end-missing")
    assert last["type"] == "response.output_item.done"


async def test_the_events_that_a_dialect_gets_are_its_own() -> None:
    item = {"id": "ig_1", "type": "image_generation_call"}

    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "response.output_item.added", "output_index": 0, "item": item}

    (event,) = [event async for event in DIALECTS["ids-empty"].speak(events())]
    assert event["item"]["id"] == ""
    assert item["id"] == "ig_1"


def test_items_of_tools_pass_unchanged() -> None:
    steps = (ToolCall("f", {"a": 1}), Text("Here."))
    for name in ("ids-missing", "data-url", "svg", "late-previews"):
        kinds = [event["type"] for event in spoken(name, steps=steps)]
        assert kinds == [event["type"] for event in spoken(steps=steps)]
