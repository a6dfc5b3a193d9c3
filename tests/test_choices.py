"""The composer's model and tool: what is offered, chosen, refused and noted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chatkit import types
from chatkit.server import StreamingResult
from django.test import Client

from chatkit_images.context import RequestContext
from chatkit_images.exceptions import RequestRefused
from chatkit_images.models import Run, Thread, ThreadItem
from chatkit_images.testing import LoopbackAPI, Text, ToolCall
from tests.chat import TestServer
from tests.client import ChatClient, done_items, message, thread_id

# As ChatKit.js takes them in ``composer.models`` and ``composer.tools``.
MODELS = [
    {"id": "fast", "label": "Fast", "default": True},
    {"id": "fine", "label": "Fine"},
    {"id": "finest", "label": "Finest", "disabled": True},
]
LONG = "long-" + "m" * 300
# What the agent was asked for with.
seen: list[tuple[str | None, str | None]] = []
get_agent = TestServer.get_agent


def chosen(model: Any = None, tool: Any = None) -> dict[str, Any]:
    """Return a choice as a client sends it."""
    return {"model": model, "tool_choice": {"id": tool} if tool is not None else None}


def say(model: Any = None, tool: Any = None) -> dict[str, Any]:
    return message("a fox") | {"inference_options": chosen(model, tool)}


def seeing(server: TestServer, thread: Any, context: RequestContext) -> Any:
    assert context.message is not None
    options = context.message.inference_options
    tool = options.tool_choice
    seen.append((options.model, tool.id if tool else None))
    return get_agent(server, thread, context)


@pytest.fixture(autouse=True)
def agent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen.clear()
    monkeypatch.setattr(TestServer, "get_agent", seeing)


def offer(monkeypatch: pytest.MonkeyPatch, models: Any, tools: Any) -> None:
    async def get_tools(server: TestServer, context: RequestContext) -> Any:
        assert context.owner
        return tools

    monkeypatch.setattr(TestServer, "get_models", lambda *args: models)
    monkeypatch.setattr(TestServer, "get_tools", get_tools)


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, [*MODELS, LONG], {"poster", "stamp"})


async def requested() -> list[tuple[str, str]]:
    rows = Run.objects.order_by("created_at")
    return [(row.requested_model, row.requested_tool) async for row in rows]


async def test_without_an_offer_a_choice_is_neither_used_nor_kept(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    evil = say("gpt-evil-unlisted", "no_such_tool")
    events = await chat.stream("threads.create", input=evil)
    assert done_items(events, "assistant_message")
    assert seen == [(None, None)]
    assert await requested() == [("", "")]
    row = await ThreadItem.objects.aget(type="user_message")
    assert "gpt-evil" not in json.dumps(row.payload)
    page = await chat.call("items.list", thread_id=thread_id(events))
    assert "gpt-evil" not in json.dumps([events, page])


async def test_a_choice_reaches_the_agent_and_the_row(
    chat: ChatClient, model: LoopbackAPI, offers: None
) -> None:
    key = thread_id(await chat.stream("threads.create", input=say("fine", "stamp")))
    add = {"thread_id": key}
    await chat.stream("threads.add_user_message", **add, input=say(LONG))
    await chat.stream("threads.add_user_message", **add, input=say(tool="poster"))
    await chat.say("plain", key)
    assert seen == [("fine", "stamp"), (LONG, None), (None, "poster"), (None, None)]
    assert await requested() == [
        ("fine", "stamp"),
        (LONG[:255], ""),
        ("", "poster"),
        ("", ""),
    ]


REFUSED = [
    (chosen("gpt-evil"), "model_not_allowed"),
    (chosen(""), "model_not_allowed"),
    # It may be seen, but not be chosen.
    (chosen("finest"), "model_not_allowed"),
    (chosen("fin"), "model_not_allowed"),
    (chosen("m" * 100_000), "model_not_allowed"),
    (chosen("fast", "no_such_tool"), "tool_not_allowed"),
    (chosen(tool=""), "tool_not_allowed"),
    (chosen(tool="post\x00er"), "tool_not_allowed"),
]


@pytest.mark.parametrize("own", [False, True], ids=["check", "claim"])
@pytest.mark.parametrize(("options", "code"), REFUSED)
async def test_what_is_not_offered_is_refused_before_anything_is_written(
    chat: ChatClient,
    model: LoopbackAPI,
    offers: None,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    code: str,
    own: bool,
) -> None:
    if own:

        async def check_request(*args: Any) -> None:
            """Check nothing that the app checks."""

        monkeypatch.setattr(TestServer, "check_request", check_request)
    asked = message("a fox") | {"inference_options": options}
    response = await chat.request_op("threads.create", {"input": asked})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, code)
    assert (error["allow_retry"], len(response.content) < 200) == (False, True)
    assert not await Thread.objects.aexists()
    assert not await Run.objects.aexists()
    assert model.requests == []


@pytest.mark.parametrize("value", [7, ["fast"], {"id": "fast"}])
async def test_what_is_no_id_is_malformed(
    chat: ChatClient, model: LoopbackAPI, offers: None, value: Any
) -> None:
    asked = message("a fox") | {"inference_options": {"model": value}}
    response = await chat.request_op("threads.create", {"input": asked})
    assert response.status_code == 400
    assert not await Thread.objects.aexists()


async def test_an_empty_offer_lets_nothing_be_chosen(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, [], ())
    response = await chat.request_op("threads.create", {"input": say("fast")})
    assert response.json()["error"]["code"] == "model_not_allowed"
    events = await chat.stream("threads.create", input=say())
    assert done_items(events, "assistant_message")


async def test_a_retry_holds_the_choice_against_what_is_offered_now(
    chat: ChatClient,
    model: LoopbackAPI,
    offers: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model.respond_with(Text("First."))
    key = thread_id(await chat.stream("threads.create", input=say("fine", "stamp")))
    question = await ThreadItem.objects.aget(type="user_message")
    params = {"thread_id": key, "item_id": question.item_id}

    model.respond_with(Text("Second."))
    await chat.stream("threads.retry_after_item", **params)
    offer(monkeypatch, ["fast"], ["stamp"])
    response = await chat.request_op("threads.retry_after_item", params)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "model_not_allowed"
    page = await chat.call("items.list", thread_id=key)
    assert "Second." in json.dumps(page)

    offer(monkeypatch, None, ["stamp"])
    model.respond_with(Text("Third."))
    await chat.stream("threads.retry_after_item", **params)
    assert seen == [("fine", "stamp"), ("fine", "stamp"), (None, "stamp")]
    assert await requested() == seen[:2] + [("", "stamp")]


async def test_only_a_message_has_a_choice(
    chat: ChatClient,
    model: LoopbackAPI,
    offers: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model.respond_with(Text("One."))
    key = thread_id(await chat.stream("threads.create", input=say("fine")))

    async def check_request(*args: Any) -> None:
        """Check nothing that the app checks."""

    monkeypatch.setattr(TestServer, "check_request", check_request)
    answer = await ThreadItem.objects.aget(type="assistant_message")
    params = {"thread_id": key, "item_id": answer.item_id}
    response = await chat.request_op("threads.retry_after_item", params)
    assert response.status_code == 500
    assert await requested() == [("fine", ""), ("", "")]


async def test_a_turn_without_a_message_keeps_what_is_still_offered(
    chat: ChatClient,
    model: LoopbackAPI,
    offers: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model.respond_with(ToolCall("pick_colour", {"hint": "warm"}))
    key = thread_id(await chat.stream("threads.create", input=say("fine", "stamp")))
    model.respond_with(ToolCall("pick_colour", {"hint": "cold"}))
    result = {"thread_id": key, "result": "red"}
    await chat.stream("threads.add_client_tool_output", **result)
    # A question of the agent's can be answered in any case.
    offer(monkeypatch, ["fast"], ["stamp"])
    model.respond_with(Text("Done."))
    events = await chat.stream("threads.add_client_tool_output", **result)
    assert done_items(events, "assistant_message")
    assert seen == [("fine", "stamp"), ("fine", "stamp"), (None, "stamp")]
    assert await requested() == seen[:2] + [("", "stamp")]


async def test_a_server_without_the_endpoint_offers_the_same(
    context: RequestContext, model: LoopbackAPI, offers: None
) -> None:
    body = {"type": "threads.create", "params": {"input": say("fine")}}
    result = await TestServer().process(json.dumps(body), context)
    assert isinstance(result, StreamingResult)
    assert [chunk async for chunk in result]
    assert seen == [("fine", None)]


class Changing(TestServer):
    """Chooses by itself what the person has not chosen."""

    __test__ = False

    async def process(self, request: Any, context: RequestContext) -> Any:
        changed = json.loads(request)
        changed["params"]["input"]["inference_options"] = chosen("fast")
        return await super().process(json.dumps(changed), context)


async def test_a_project_may_choose_by_itself(
    chat: ChatClient, model: LoopbackAPI, offers: None, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"SERVER": f"{__name__}.{Changing.__name__}"}
    await chat.stream("threads.create", input=say())
    assert seen == [("fast", None)]


async def test_an_offer_is_a_list(
    chat: ChatClient,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    offer(monkeypatch, "fast", None)
    response = await chat.request_op("threads.create", {"input": say("fas")})
    assert response.status_code == 500
    expected = "get_models() must return a list of ids or None, got 'fast'."
    assert expected in caplog.text


async def test_check_request_refuses_by_itself(
    context: RequestContext, offers: None
) -> None:
    request = types.ThreadsCreateReq.model_validate({"params": {"input": say("x")}})
    with pytest.raises(RequestRefused, match=r"^This model cannot be chosen\.$"):
        await TestServer().check_request(request, context)


def test_staff_see_and_filter_choices(admin_client: Client) -> None:
    fine = Run.objects.create(
        owner="user:1", operation="threads.create", requested_model="fine",
        requested_tool="stamp", context={"locale": "pt-br"},
    )  # fmt: skip
    plain = Run.objects.create(owner="user:2", operation="items.list", context=None)
    runs = "/admin/chatkit_images/run/"
    page = admin_client.get(f"{runs}{fine.pk}/change/").content.decode()
    for words in ("fine", "stamp", "pt-br"):
        assert words in page
    assert admin_client.get(f"{runs}{plain.pk}/change/").status_code == 200
    found = admin_client.get(runs, {"requested_model": "fine"}).content.decode()
    assert str(fine.pk) in found
    assert str(plain.pk) not in found
