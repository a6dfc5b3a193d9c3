"""What is far above real use is refused before anything is written."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from chatkit import types
from django.contrib.auth.models import User
from pydantic import TypeAdapter

from chatkit_images import models
from chatkit_images.exceptions import NotFoundError, RequestRefused
from chatkit_images.queries import preflight, sizes
from tests.client import ChatClient
from tests.client import message as user_message

REQUEST: TypeAdapter[types.ChatKitReq] = TypeAdapter(types.ChatKitReq)
TEXT = {"type": "input_text", "text": "a"}


def nested(depth: int) -> Any:
    value: Any = "a"
    for _ in range(depth):
        value = [value]
    return value


def tag(data: Any) -> dict[str, Any]:
    return {"type": "input_tag", "id": "t", "text": "t", "data": {"d": data}}


def request(op: str, params: Any, **others: Any) -> dict[str, Any]:
    return {"type": op, "params": params, **others}


def written(**fields: Any) -> dict[str, Any]:
    return request("threads.create", {"input": user_message("hi") | fields})


def output(result: Any) -> dict[str, Any]:
    params = {"thread_id": "thr_1", "result": result}
    return request("threads.add_client_tool_output", params)


def action(payload: Any) -> dict[str, Any]:
    params = {"thread_id": "thr_1", "action": {"type": "a", "payload": payload}}
    return request("threads.custom_action", params)


def answers(count: int, text: str = "a") -> dict[str, Any]:
    given = {str(number): {"values": [text]} for number in range(count)}
    params = {"thread_id": "thr_1", "item_id": "msg_1", "input": {"answers": given}}
    return request("threads.add_structured_input", params)


LARGE = "ä" * (sizes.MAX_TEXT_BYTES // 2 + 1)
MANY = ["a"] * (sizes.MAX_VALUES + 1)


@pytest.mark.parametrize(
    "body",
    [
        written(content=[TEXT] * (sizes.MAX_PARTS + 1)),
        written(content=[TEXT | {"text": LARGE}]),
        written(quoted_text=LARGE),
        written(content=[TEXT, tag(LARGE)]),
        written(content=[TEXT, tag(MANY)]),
        written(content=[TEXT, tag({LARGE: 1})]),
        written(content=[TEXT, tag(nested(sizes.MAX_DEPTH))]),
        written() | {"metadata": {"m": MANY}},
        written() | {"metadata": {"m": nested(sizes.MAX_DEPTH + 2)}},
        output(MANY),
        output(LARGE),
        output(nested(sizes.MAX_DEPTH + 2)),
        action(MANY),
        action(nested(sizes.MAX_DEPTH + 2)),
        answers(sizes.MAX_VALUES),
        answers(1, LARGE),
        request("threads.update", {"thread_id": "thr_1", "title": LARGE}),
    ],
    ids=range(17),
)
def test_what_nobody_needs_is_refused(body: dict[str, Any]) -> None:
    parsed = REQUEST.validate_python(body)
    began = time.thread_time()
    with pytest.raises(RequestRefused, match="too much for one request") as refused:
        sizes.check(parsed)
    assert (refused.value.code, refused.value.status) == ("too_many", 400)
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize(
    "body",
    [
        written(content=[TEXT] * sizes.MAX_PARTS),
        written(content=[TEXT | {"text": "a" * sizes.MAX_TEXT_BYTES}][:0]),
        written(content=[TEXT | {"text": "a" * (sizes.MAX_TEXT_BYTES - 99)}]),
        written(content=[TEXT, tag(nested(10))]),
        output(nested(sizes.MAX_DEPTH - 1)),
        action("a" * 5 * 2**20),
        request("input.transcribe", {"audio_base64": LARGE * 2, "mime_type": "a"}),
    ],
    ids=range(7),
)
def test_what_somebody_may_need_is_not(body: dict[str, Any]) -> None:
    sizes.check(REQUEST.validate_python(body))


async def test_a_message_of_many_parts_writes_nothing(ann: User) -> None:
    client = ChatClient()
    await client.aforce_login(ann)
    body = json.dumps(written(content=[TEXT] * 50_000))
    response = await client.post("/chatkit/", body, content_type="application/json")
    assert response.status_code == 400
    assert b"too_many" in response.content
    assert await models.Thread.objects.acount() == 0
    assert await models.Run.objects.acount() == 0


def test_ids_that_no_column_has_are_not_looked_up() -> None:
    with pytest.raises(NotFoundError):
        preflight.check_ids(["a" * 256])
    with pytest.raises(RequestRefused):
        preflight.check_ids(["a"] * 1001)


async def test_a_message_has_so_many_files_and_no_more(ann: User) -> None:
    client = ChatClient()
    await client.aforce_login(ann)
    files = [f"atc_{number}" for number in range(preflight.MAX_ATTACHMENTS + 1)]
    params = {"input": user_message("hi", files)}
    response = await client.request_op("threads.create", params)
    assert (response.status_code, await models.Thread.objects.acount()) == (400, 0)
