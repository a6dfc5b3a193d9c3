"""The same request again: joined while it is answered, refused if it is another one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from chatkit import types
from django.contrib.auth.models import User

from chatkit_images.context import RequestContext
from chatkit_images.models import Run, Thread, ThreadItem
from chatkit_images.runs import Repeated, claims
from chatkit_images.runs.repeats import request_digest
from chatkit_images.testing import Gate, LoopbackAPI, Text, ToolCall
from tests.asking import DOORS, JSON, Answer, ask_op, door, scope
from tests.client import TOKEN, URL, ChatClient, message, thread_id
from tests.runs.test_replays import idle

RESUME = {"ChatKit-Resume": "1"}


class Open:
    """A request whose answer is being read."""

    def __init__(self, client: ApplicationCommunicator, start: Any) -> None:
        self.client = client
        self.status: int = start["status"]
        self.headers = {n.decode().lower(): v.decode() for n, v in start["headers"]}
        self.text = ""

    async def until(self, mark: str) -> str:
        """Read on until a text has come; return all of it."""
        while mark not in self.text:
            part = await self.client.receive_output(30)
            self.text += part.get("body", b"").decode()
        return self.text

    async def rest(self) -> list[Any]:
        """Read to the end; return all events."""
        while True:
            part = await self.client.receive_output(30)
            self.text += part.get("body", b"").decode()
            if not part.get("more_body", False):
                await self.client.wait(30)
                return events(self.text)

    async def leave(self) -> None:
        """Close the connection."""
        await self.client.send_input({"type": "http.disconnect"})
        await self.client.wait(30)


def events(text: str) -> list[Any]:
    lines = text.split("\n")
    return [json.loads(each[6:]) for each in lines if each.startswith("data: ")]


@pytest.fixture(params=DOORS)
def application(request: pytest.FixtureRequest) -> Any:
    return door(request.param)


@pytest.fixture
def cookie(chat: ChatClient) -> dict[str, str]:
    """Who asks: the person of the client."""
    token = TOKEN.decode()
    sent = {n: m.value for n, m in chat.cookies.items()} | {"csrftoken": token}
    cookie = "; ".join(f"{name}={value}" for name, value in sent.items())
    return {"Cookie": cookie, "X-CSRFToken": token}


@pytest.fixture
def begin(application: Any, cookie: dict[str, str]) -> Any:
    """Return a function that sends a request and waits for its headers."""

    async def begin(op: str, params: Any, **headers: str) -> Open:
        body = json.dumps({"type": op, "params": params}).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = scope("http", URL, JSON | cookie | named, method="POST", scheme="http")
        client = ApplicationCommunicator(application, sent)
        await client.send_input({"type": "http.request", "body": body})
        return Open(client, await client.receive_output(30))

    return begin


@pytest.fixture
def ask(application: Any, cookie: dict[str, str]) -> Any:
    """Return a function that sends a request and returns its whole answer."""

    async def ask(op: str, params: Any, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask_op(application, op, params, cookie | named)

    return ask


async def hello(chat: ChatClient, model: LoopbackAPI, *steps: Any) -> str:
    """Return a thread with one answer."""
    model.respond_with(*(steps or (Text("Hello."),)))
    key = thread_id(await chat.say("hello"))
    await idle()
    model.requests.clear()
    return key


async def counted() -> tuple[int, int]:
    """Return how many runs and how many messages of people there are."""
    messages = ThreadItem.objects.filter(type="user_message")
    return await Run.objects.acount(), await messages.acount()


async def test_the_very_same_message_joins_its_live_run(
    chat: ChatClient, model: LoopbackAPI, begin: Any, ask: Any
) -> None:
    key = await hello(chat, model)
    gate = Gate()
    model.respond_with(Text("One."), gate, Text("Two."))
    params = {"thread_id": key, "input": message("again")}
    first = await begin("threads.add_user_message", params)
    await first.until("One.")
    # Other words, another choice, and a key are another request.
    chosen = message("again") | {"inference_options": {"model": "x"}}
    for other, headers in (
        (params | {"input": message("again!")}, {}),
        (params, {"Idempotency_Key": "on-purpose"}),
    ):
        refused = await ask("threads.add_user_message", other, **headers)
        assert (refused.status, refused.code) == (409, "run_in_progress")
    assert request_digest_of(params) != request_digest_of(params | {"input": chosen})

    second = await begin("threads.add_user_message", params)
    assert second.status == 200
    # Who leaves ends nothing for who stays, neither the first nor the last.
    await first.leave()
    third = await begin("threads.add_user_message", params)
    await third.until("One.")
    await third.leave()
    gate.open()
    assert "Two." in json.dumps(await second.rest())
    await idle()
    assert await counted() == (2, 2)
    assert len(model.requests) == 1
    # When it is over, the same words are said once more.
    model.respond_with(Text("Again."))
    assert (await ask("threads.add_user_message", params)).status == 200
    assert await counted() == (3, 3)


def request_digest_of(params: Any) -> str:
    request = types.ThreadsAddUserMessageReq.model_validate({"params": params})
    return request_digest(request)


async def test_retries_and_outputs_of_tools_join_too(
    chat: ChatClient, model: LoopbackAPI, begin: Any
) -> None:
    key = await hello(chat, model, ToolCall("pick_colour", {"hint": "warm"}))
    for op, params in (
        ("threads.add_client_tool_output", {"result": {"colour": "red"}}),
        ("threads.retry_after_item", {}),
    ):
        if op.startswith("threads.retry"):
            item = await ThreadItem.objects.aget(type="user_message")
            params = {"item_id": item.item_id}
        gate = Gate()
        model.respond_with(Text("One."), gate, Text("Two."))
        first = await begin(op, params | {"thread_id": key})
        await first.until("One.")
        second = await begin(op, params | {"thread_id": key})
        gate.open()
        assert await second.rest() == await first.rest()
        await idle()
    assert await Run.objects.acount() == 3
    assert len(model.requests) == 2


async def test_two_first_messages_are_joined_by_a_key_only(
    model: LoopbackAPI, begin: Any
) -> None:
    gates = [Gate(), Gate()]
    for gate in gates:
        model.respond_with(Text("One."), gate)
    params = {"input": message("hello")}
    opened = [
        await begin("threads.create", params),
        await begin("threads.create", params, Idempotency_Key="k"),
        await begin("threads.create", params, Idempotency_Key="k"),
    ]
    for gate in gates:
        gate.open()
    one, two, three = [await each.rest() for each in opened]
    assert two == three != one
    assert await counted() == (2, 2)


async def test_what_a_person_has_stopped_is_not_joined(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext
) -> None:
    key = await hello(chat, model)
    params = {"thread_id": key, "input": message("again")}
    request = types.ThreadsAddUserMessageReq.model_validate({"params": params})
    run = await Run.objects.acreate(
        thread_id=key, owner=context.owner, request_digest=request_digest(request)
    )
    with pytest.raises(Repeated) as joined:
        await sync_to_async(claims.claim)(run.pk, request, context)
    assert joined.value.run == run
    await Run.objects.filter(pk=run.pk).aupdate(stop_requested_at="2026-01-01T00:00Z")
    refused = await chat.request_op("threads.add_user_message", params)
    assert refused.status_code == 409


async def test_of_two_claims_at_once_one_joins_the_other(
    chat: ChatClient,
    model: LoopbackAPI,
    context: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = await hello(chat, model)
    params = {"thread_id": key, "input": message("again")}
    request = types.ThreadsAddUserMessageReq.model_validate({"params": params})
    other = Run(
        thread_id=key, owner=context.owner, request_digest=request_digest(request)
    )

    def late(*args: Any) -> None:
        """Find nothing yet; then the other process makes its claim."""
        monkeypatch.undo()
        other.save()

    monkeypatch.setattr(claims, "check_repetition", late)
    with pytest.raises(Repeated) as joined:
        await sync_to_async(claims.claim)(Run().pk, request, context)
    assert joined.value.run == other


@pytest.mark.parametrize("over", [False, True])
async def test_a_key_with_another_request_is_refused(
    chat: ChatClient, model: LoopbackAPI, begin: Any, ask: Any, over: bool
) -> None:
    key = await hello(chat, model)
    gate = Gate()
    model.respond_with(Text("One."), gate)
    params = {"thread_id": key, "input": message("a")}
    first = await begin("threads.add_user_message", params, Idempotency_Key="k")
    if over:
        gate.open()
        await first.rest()
        await idle()
    before = await counted()
    text = params["input"] | {"content": [{"type": "input_text", "text": "b"}]}
    item = {"thread_id": key, "item_id": "msg_unknown"}
    for op, other in (
        ("threads.add_user_message", params | {"input": text}),
        ("threads.add_user_message", params | {"thread_id": "thr_unknown"}),
        ("threads.add_user_message", params | {"input": message("a", ["atc_1"])}),
        ("threads.create", {"input": message("a")}),
        ("threads.retry_after_item", item),
        ("threads.update", {"thread_id": key, "title": "b"}),
        ("threads.delete", {"thread_id": key}),
    ):
        refused = await ask(op, other, Idempotency_Key="k")
        assert (refused.status, refused.code) == (422, "idempotency_key_reused"), op
        assert refused.json["error"]["allow_retry"] is False
    assert await counted() == before
    assert await Thread.objects.filter(pk=key).aexists()
    # What reads alone may have any key.
    listed = await ask("threads.list", {}, Idempotency_Key="k")
    assert listed.status == 200
    gate.open()
    again = await ask("threads.add_user_message", params, Idempotency_Key="k")
    assert "One." in again.body.decode()
    await idle()


async def test_who_has_logged_in_meanwhile_finds_what_the_visitor_began(
    context: RequestContext, ann: User
) -> None:
    params = {"input": message("hello")}
    request = types.ThreadsCreateReq.model_validate({"params": params})
    digest = request_digest(request)
    keyed = {"idempotency_key": "k", "request_digest": digest}
    began = await Run.objects.acreate(owner="visitor:1", user=ann, **keyed)
    await Run.objects.acreate(owner="visitor:2", **keyed)
    claim = sync_to_async(claims.claim)
    with pytest.raises(Repeated) as joined:
        await claim(Run().pk, request, context, "k")
    assert joined.value.run == began
    # The same key of another owner is another one.
    await Run.objects.filter(pk=began.pk).aupdate(status="completed")
    run = await claim(Run().pk, request, context, "k")
    assert (run.owner, run.idempotency_key) == (context.owner, "k")


async def test_a_post_that_names_the_last_event_gets_the_rest(
    chat: ChatClient, model: LoopbackAPI, begin: Any
) -> None:
    key = await hello(chat, model)
    for headers in ({}, {"Idempotency_Key": "k"}):
        model.respond_with(Text("One two three.", chunk=4))
        params = {"thread_id": key, "input": message(f"again {headers}")}
        resume = RESUME | {n.replace("_", "-"): v for n, v in headers.items()}
        first = await begin("threads.add_user_message", params, **resume)
        whole = await first.rest()
        await idle()
        runs = await counted()
        last = {"Last_Event_ID": "3"}
        again = await begin("threads.add_user_message", params, **headers, **last)
        assert await again.rest() == whole[3:]
        assert again.text.startswith("id: 4\n")
        assert again.headers["chatkit-run"] == first.headers["chatkit-run"]
        assert await counted() == runs


async def test_numbers_go_to_clients_that_ask(
    chat: ChatClient, model: LoopbackAPI, begin: Any
) -> None:
    for headers in ({}, {"Accept": "text/event-stream"}, {"Last_Event_ID": "x"}):
        model.respond_with(Text("Hello."))
        answer = await begin("threads.create", {"input": message("hi")}, **headers)
        await answer.rest()
        assert "id:" not in answer.text.replace('"', "").split("data")[0]
        assert "\nid: " not in answer.text
        assert "chatkit-run" not in answer.headers


def test_a_digest_is_that_of_what_is_asked() -> None:
    def digest(op: str = "threads.add_user_message", **changes: Any) -> str:
        body = {"type": op, "params": {"thread_id": "t", "input": message("a")}}
        return request_digest(
            types.ThreadsAddUserMessageReq.model_validate(body | changes)
        )

    plain = digest()
    told = {"thread_id": "t", "input": message("a")}
    same = {"input": {k: v for k, v in message("a").items() if v}, "thread_id": "t"}
    same["input"] = same["input"] | {"attachments": [], "inference_options": {}}
    assert len(plain) == 64
    for change in (
        {"metadata": {"sent": 2}},
        {"params": same},
        {"params": told | {"unknown": 1}},
    ):
        assert digest(**change) == plain
    options = {"inference_options": {"tool_choice": {"id": "draw"}}}
    for other in (
        told | {"thread_id": "u"},
        told | {"input": message("a ")},
        told | {"input": message("a", ["atc_1"])},
        told | {"input": message("a") | {"quoted_text": "b"}},
        told | {"input": message("a") | options},
    ):
        assert digest(params=other) != plain
