"""Each piece alone in a project's own server: it works, or says at once why not.

docs/images.md has the table, which is filled here by what happens.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from chatkit.agents import ResponseStreamConverter, ThreadItemConverter
from chatkit.server import ChatKitServer
from chatkit.store import Store
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile

from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.converters import (
    DjangoResponseStreamConverter,
    DjangoThreadItemConverter,
)
from chatkit_images.server import DjangoChatKitServer, get_server
from chatkit_images.server.loading import load_server
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Image, LoopbackAPI, Text
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.docs.test_tables import rows
from tests.own_server import (
    HOSTED,
    MemoryStore,
    OwnServer,
    Reading,
    Uploading,
    agent,
    ask,
    say,
)

FAULTS = (TypeError, ImproperlyConfigured)
WORKS = "works"


@dataclass
class Person:
    name: str


class Ours(DjangoChatKitServer):
    """``DjangoChatKitServer`` with ChatKit's converters in its hooks."""

    reader: Any = None
    saver: Any = None

    def get_agent(self, thread: Any, context: Any) -> Any:
        return agent()

    def get_thread_item_converter(self, thread: Any, context: Any) -> Any:
        return self.reader or super().get_thread_item_converter(thread, context)

    def get_response_stream_converter(
        self, thread: Any, context: Any, agent: Any
    ) -> Any:
        ours = super().get_response_stream_converter
        return self.saver or ours(thread, context, agent)


class Mounted(OwnServer):
    """What ``CHATKIT_IMAGES["SERVER"]`` names; a test says which store it has."""

    store_class: type[Store[Any]] = MemoryStore

    def __init__(self) -> None:
        super().__init__(self.store_class())


def with_hooks(**converters: Any) -> Ours:
    server = Ours()
    vars(server).update(converters)
    return server


def django_saver(thread: Any, context: Any) -> ResponseStreamConverter:
    return DjangoResponseStreamConverter(thread, context, partial_images=1)


class Keeping(DjangoStore):
    keeps_foreign_urls = True


def uploading(thread: Any, context: Any) -> ResponseStreamConverter:
    return Uploading()


async def two_turns(server: ChatKitServer[Any], context: Any) -> list[Any]:
    """Have an image drawn, read it again, and send it along with a second message."""
    events = await say(server, context, "a fox")
    if of_type(events, "error"):
        return events
    (item,) = done_items(events, "generated_image")
    thread = thread_id(events)
    page = await ask(server, context, "threads.get_by_id", thread_id=thread)
    (read,) = [i for i in page["items"]["data"] if i["type"] == "generated_image"]
    assert read["image"]["url"].startswith(("data:image/png", "https://"))
    assert HOSTED not in item["image"]["url"] or read["image"]["url"] == HOSTED
    return events + await say(server, context, "again", thread)


async def with_file(server: ChatKitServer[Any], context: Any) -> list[Any]:
    """Send a file with a message, as ChatKit.js does in two phases."""
    said = {"name": "a.txt", "size": 2, "mime_type": "text/plain"}
    made = await ask(server, context, "attachments.create", **said)
    files: Any = server.attachment_store
    file = SimpleUploadedFile("a.txt", b"hi", "text/plain")
    await files.upload(file, context, made["id"])
    return await say(server, context, "read it", attachments=[made["id"]])


Server = Callable[[], ChatKitServer[Any]]
# By piece: the servers with a store of their own, with this app's and with converters
# of their own; and how each is tried.
CASES: dict[str, tuple[Server | None, Server, list[Server]]] = {
    "DjangoStore": (
        None,
        lambda: OwnServer(DjangoStore()),
        [
            lambda: OwnServer(DjangoStore()),
            lambda: OwnServer(Keeping(), saver=uploading),
            lambda: OwnServer(DjangoStore(), reader=lambda context: Reading()),
        ],
    ),
    "DjangoAttachmentStore": (
        lambda: OwnServer(None, DjangoAttachmentStore()),
        lambda: OwnServer(DjangoStore(), DjangoAttachmentStore()),
        [
            lambda: OwnServer(
                DjangoStore(), DjangoAttachmentStore(), reader=lambda c: Reading()
            )
        ],
    ),
    "DjangoResponseStreamConverter": (
        lambda: OwnServer(saver=django_saver),
        lambda: OwnServer(DjangoStore(), saver=django_saver),
        [lambda: OwnServer(DjangoStore(), saver=django_saver)],
    ),
    "DjangoThreadItemConverter": (
        lambda: OwnServer(reader=DjangoThreadItemConverter),
        lambda: OwnServer(DjangoStore(), reader=DjangoThreadItemConverter),
        [
            lambda: OwnServer(saver=uploading, reader=DjangoThreadItemConverter),
            lambda: OwnServer(DjangoStore(), reader=DjangoThreadItemConverter),
        ],
    ),
    "DjangoChatKitServer": (
        lambda: Ours(MemoryStore()),  # type: ignore[arg-type]
        Ours,
        [
            lambda: with_hooks(saver=ResponseStreamConverter()),
            lambda: with_hooks(reader=ThreadItemConverter()),
        ],
    ),
}
STORE, CONTEXT, CONVERTER = 1, 2, 3
TABLE = {row[0].split("`")[1]: row for row in rows("images.md", "Single pieces")}
piece = pytest.mark.parametrize("name", CASES)


@pytest.fixture
def shows(
    caplog: pytest.LogCaptureFixture, model: LoopbackAPI
) -> Callable[[str, int, Awaitable[list[Any]]], Awaitable[str]]:
    """Look at what an attempt comes to, and hold it against a cell of the table."""

    async def show(name: str, column: int, attempt: Awaitable[list[Any]]) -> str:
        caplog.set_level(logging.INFO)
        error: BaseException | None = None
        try:
            events = await attempt
        except FAULTS as raised:
            error = raised
        else:
            logged = [record.exc_info for record in caplog.records if record.exc_info]
            error = logged[0][1] if logged else None
            assert bool(of_type(events, "error")) == bool(error)
            if error is not None:
                # ChatKit's own function shows one before it calls its converter.
                own = name == "DjangoResponseStreamConverter" and column == STORE
                assert own == ("generated_image" in str(events)), "no placeholder"
        found = WORKS if error is None else f"`{type(error).__name__}`"
        assert TABLE[name][column].startswith(found), (name, column, error)
        return str(error or "")

    return show


@pytest.fixture(autouse=True)
def answers(model: LoopbackAPI) -> None:
    for step in (Image(partials=1), Text("Two.")):
        model.respond_with(step)


def test_the_table_has_each_piece() -> None:
    assert [*TABLE] == [*CASES, "chatkit_images.urls"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[0]])
async def test_a_store_of_its_own(
    name: str, shows: Any, context: RequestContext, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SERVER": None}
    make: Any = CASES[name][0]

    async def attempt() -> list[Any]:
        run = with_file if name == "DjangoAttachmentStore" else two_turns
        return await run(make(), context)

    error = await shows(name, STORE, attempt())
    if error:
        assert "DjangoStore" in error and "With a store of your own" in error.replace(
            "with", "With"
        )
    else:
        parts = str(model.requests[-1]["input"])
        assert "data:image/png;base64" in parts, "the model gets the bytes"


@piece
@pytest.mark.parametrize(
    "own",
    [{"user_id": "ann"}, Person("ann"), "ann", None, object()],
    ids=["dict", "dataclass", "str", "None", "object"],
)
async def test_a_context_of_its_own(
    name: str, own: Any, shows: Any, context: RequestContext
) -> None:
    run = with_file if name == "DjangoAttachmentStore" else two_turns
    error = await shows(name, CONTEXT, run(CASES[name][1](), own))
    words = "needs a RequestContext, which says whose rows it may see, got"
    assert f"{words} {type(own).__name__}." in error
    assert "RequestContext.from_request(request)" in error


@pytest.mark.parametrize(
    ("name", "make"), [(name, make) for name, case in CASES.items() for make in case[2]]
)
@pytest.mark.sweep(4)
async def test_a_converter_of_its_own(
    name: str, make: Server, shows: Any, context: RequestContext, model: LoopbackAPI
) -> None:
    run = with_file if name == "DjangoAttachmentStore" else two_turns
    error = await shows(name, CONVERTER, run(make(), context))
    if error:
        assert "Derive your converter from Django" in error
        assert model.requests == []


async def test_an_image_that_no_provider_can_reach_is_told_of_in_the_log(
    context: RequestContext, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    class Inner(Uploading):
        async def base64_image_to_url(self, *args: Any, **kwargs: Any) -> str:
            return "http://127.0.0.1:9000/fox.png"

    server = OwnServer(
        saver=lambda thread, context: Inner(), reader=DjangoThreadItemConverter
    )
    thread = thread_id(await say(server, context, "a fox"))
    events = await say(server, context, "again", thread)
    assert of_type(events, "error") == []
    assert "input_image" not in str(model.requests[-1]["input"])
    assert "cannot be reached by this model" in str(model.requests[-1]["input"])
    assert "override generated_image_to_input() of the converter" in caplog.text


@pytest.mark.parametrize("store", [MemoryStore, DjangoStore])
async def test_the_endpoint(
    store: type[Store[Any]],
    chat: ChatClient,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    shows: Any,
) -> None:
    monkeypatch.setattr(Mounted, "store_class", store)
    server = {"SERVER": f"{__name__}.Mounted"}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | server
    load_server.cache_clear()

    async def attempt() -> list[Any]:
        get_server()
        events = await chat.say("a fox")
        return events + await chat.say("again", thread_id(events))

    column = STORE if store is MemoryStore else CONVERTER
    error = await shows("chatkit_images.urls", column, attempt())
    load_server.cache_clear()
    assert bool(error) == (store is MemoryStore)
    assert not error or "Give the server a DjangoStore" in error
