"""What a name of another package may be found to be, for ``test_upstream``."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import inspect
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from unittest.mock import AsyncMock, MagicMock

import httpx2
from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.models import openai_responses
from chatkit import types
from django.db import connection
from django.test import RequestFactory, override_settings
from django.utils.functional import SimpleLazyObject
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.responses import Response
from openai.types.responses.response_output_item import ImageGenerationCall
from PIL import Image

from chatkit_images import times


class Use(NamedTuple):
    """One thing of another package that the app uses.

    Attributes:
        distribution: The package as pip knows it.
        name: Its dotted path; the last word stands in the app's code.
        purpose: What the app does with it.
        look: Raises ``AssertionError`` with words if it has another shape than the app
            needs.
    """

    distribution: str
    name: str
    purpose: str
    look: Look

    @property
    def word(self) -> str:
        return self.name.rpartition(".")[2]


Look = Callable[[Use], None]


def found(use: Use) -> Any:
    """Return what a dotted path names."""
    parts = use.name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            assert hasattr(value, part), f"{part!r} is missing"
            value = getattr(value, part)
        return value
    raise AssertionError(f"{parts[0]!r} is missing")


def present(use: Use) -> None:
    """Look for a name that a class or a module has."""
    found(use)


def call(*parameters: str, kind: str = "") -> Look:
    """Look for a function with these parameters and no others, maybe of a kind.

    An ellipsis at the end allows for others: the app calls it, and the package does not
    call the app's.
    """
    wanted = [name for name in parameters if name != "..."]

    def look(use: Use) -> None:
        value = found(use)
        names = [name for name in inspect.signature(value).parameters if name != "self"]
        given = names[: len(wanted)] if "..." in parameters else names
        assert given == wanted, f"it takes {names}, not {wanted}"
        if kind:
            assert getattr(inspect, f"is{kind}function")(value), f"it is no {kind}"

    return look


def value_of(expected: object) -> Look:
    """Look for a value: this one, or any of this type that is not empty."""

    def look(use: Use) -> None:
        value = found(use)
        if isinstance(expected, type):
            assert isinstance(value, expected) and value, f"it is {value!r}"
        else:
            assert value == expected, f"it is {value!r}, not {expected!r}"

    return look


def of_instance(make: Callable[[], Any], expected: type = object) -> Look:
    """Look for an attribute that only instances have."""

    def look(use: Use) -> None:
        instance = make()
        assert hasattr(instance, use.word), f"{use.word!r} is missing"
        value = getattr(instance, use.word)
        assert isinstance(value, expected), f"it is {value!r}"

    return look


def field(factory: object = dataclasses.MISSING) -> Look:
    """Look for a field of a dataclass, maybe with a factory of its default."""

    def look(use: Use) -> None:
        owner = found(use._replace(name=use.name.rpartition(".")[0]))
        fields = {part.name: part for part in dataclasses.fields(owner)}
        assert use.word in fields, f"{use.word!r} is missing"
        assert fields[use.word].default_factory is factory, f"{fields[use.word]}"

    return look


def begins_with_type(use: Use) -> None:
    """Look for ``type`` at the beginning of an event's JSON."""
    first = next(iter(found(use).model_fields))
    assert first == "type", f"its first field is {first!r}"


def framing(use: Use) -> None:
    """Look at how the SDK frames an event."""
    call("request", "context", kind="asyncgen")(use)
    source = inspect.getsource(found(use))
    assert 'b"data: " + b + b"\\n\\n"' in source, "it frames events otherwise"


def takes_events_only(use: Use) -> None:
    """Look at what the SDK's function takes from a streamed run."""
    taken = set(re.findall(r"\bresult\.(\w+)", inspect.getsource(found(use))))
    assert taken == {"stream_events"}, f"it takes {sorted(taken)} from its result"


def holds_notes(use: Use) -> None:
    """Look at a value that is noted beside the fields of a model."""
    thread = types.ThreadMetadata(id="thr_1", created_at=times.now())
    noted = thread.model_copy()
    noted.__dict__["_noted"] = 1
    assert noted.model_copy().__dict__.get("_noted") == 1, "a copy forgets it"
    assert "_noted" not in noted.model_dump(), "a dump shows it"
    assert noted == thread, "comparisons look at it"


def lazy(use: Use) -> None:
    """Look at what a lazy object holds once it was used."""
    user = SimpleLazyObject(lambda: "ann")
    assert str(user) == "ann"
    of_instance(lambda: user, str)(use)


def reads_again(use: Use) -> None:
    """Look at the body of a request that was given one."""
    request = RequestFactory().post("/", b"sent", content_type="application/json")
    request.read()
    request._body = b"given"
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1):
        assert request.body == b"given", f"it is {request.body!r}"


def asks(use: Use) -> None:
    """Look at how OpenAI's client uses the HTTP client that it is given."""
    asked = []

    class Client(DefaultAsyncHttpxClient):
        def build_request(self, *args: Any, **options: Any) -> httpx2.Request:
            asked.append("build_request")
            return super().build_request(*args, **options)

        async def send(self, *args: Any, **options: Any) -> httpx2.Response:
            asked.append(f"send(stream={options.get('stream')})")
            return await super().send(*args, **options)

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, content=b"data: [DONE]\n\n")

    async def ask() -> None:
        http = Client(transport=httpx2.MockTransport(answer))
        async with AsyncOpenAI(api_key="a", http_client=http) as client:
            stream = await client.responses.create(model="m", input="a", stream=True)
            assert [event async for event in stream] == []

    # In a thread of its own: this one's event loop is pytest's to make and to close.
    with ThreadPoolExecutor() as pool:
        pool.submit(asyncio.run, ask()).result()
    assert asked == ["build_request", "send(stream=True)"], f"it calls {asked}"


def opened() -> Image.Image:
    """Return an image as Pillow opens it."""
    out = io.BytesIO()
    Image.new("RGB", (1, 1)).save(out, "PNG")
    return Image.open(out)


def image_call() -> ImageGenerationCall:
    """Return a call that has just begun."""
    return ImageGenerationCall(
        id="ig_1", type="image_generation_call", status="in_progress"
    )


def numbered_response() -> Any:
    """Return a response as the Agents SDK hands it out, with the id of its request."""
    stream = openai_responses._ResponseStreamWithRequestId(
        MagicMock(), request_id="req_1", cleanup=AsyncMock()
    )
    response = Response.model_construct()
    stream._attach_request_id(MagicMock(response=response))
    return response


def responses_model() -> OpenAIResponsesModel:
    """Return a model with a client."""
    return OpenAIResponsesModel("gpt-4.1", AsyncOpenAI(api_key="key"))


def chat_model() -> OpenAIChatCompletionsModel:
    """Return a model of the older API with a client."""
    return OpenAIChatCompletionsModel("gpt-4.1", AsyncOpenAI(api_key="key"))


def s3() -> Any:
    """Return a storage that has asked nobody for anything yet."""
    storage = importlib.import_module("storages.backends.s3").S3Storage
    return storage(
        bucket_name="shop", access_key="a", secret_key="b", region_name="us-east-1"
    )


def database() -> Any:
    """Return Django's connection, which need not be open."""
    return connection


def server() -> Any:
    """Return a server of uvicorn's that has not begun."""
    uvicorn = importlib.import_module("uvicorn")
    return uvicorn.Server(uvicorn.Config("none:app"))


def keeps_a_pinned_time(use: Use) -> None:
    """Its signature must be as of the time that the context of a request keeps."""
    auth = importlib.import_module("botocore.auth")
    requests = importlib.import_module("botocore.awsrequest")
    credentials = importlib.import_module("botocore.credentials").Credentials("a", "b")
    pinned = importlib.import_module("chatkit_images.storage.presigned_urls")._Pinned
    request = requests.AWSRequest("GET", url="https://shop.example/a.png")
    request.context = pinned(timestamp="20200101T000000Z")
    signer = auth.S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60)
    signer.add_auth(request)
    assert "X-Amz-Date=20200101T000000Z" in request.url, "it signs as of another time"
    assert "20200101%2Fus-east-1" in request.url, "it signs as of another day"
