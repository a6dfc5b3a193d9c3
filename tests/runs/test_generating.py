"""Images that a project's code generates outside of a turn, in runs of their own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from chatkit import types
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path

from chatkit_images import runs
from chatkit_images.agents import GeneratingImage
from chatkit_images.consumers import websocket
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import (
    GenerationRefused,
    GenerationStopped,
    NotFoundError,
    RequestRefused,
)
from chatkit_images.models import GeneratedImage, Run, Thread, ThreadItem, UseEntry
from chatkit_images.runs import drain, generating_image
from chatkit_images.signals import run_finished
from chatkit_images.testing import LoopbackAPI, Text
from tests import tenancy
from tests.chat import TestServer
from tests.client import ChatClient, of_type
from tests.image_files import image_file
from tests.test_watchers import client_of, frames_of, socket
from tests.tuning import tuned

RED, GREEN = image_file("red"), image_file("green")
Ways = dict[str, Any]


class Strict(TestServer):
    """Refuses to generate, and messages about foxes."""

    def check_generation(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> None:
        raise GenerationRefused("Not on Sundays.")


@pytest.fixture
async def thread(ann: User) -> Thread:
    return await Thread.objects.acreate(pk="thr_1", owner=f"user:{ann.pk}", user=ann)


@pytest.fixture
def ended() -> Iterator[list[Run]]:
    """The runs that the signal has told of."""
    found: list[Run] = []

    def note(sender: Any, run: Run, **kwargs: Any) -> None:
        found.append(run)

    run_finished.connect(note)
    yield found
    run_finished.disconnect(note)


def drawing(
    context: RequestContext, **ways: Any
) -> AbstractAsyncContextManager[GeneratingImage]:
    ways = {"prompt": "a fox", "model": "flux-2", **ways}
    return generating_image("thr_1", context, **ways)


class Painter:
    """Draws in a task of its own: a preview at once, the image when it is told.

    Attributes:
        drawn: Set when the preview is sent.
        go: Lets it send the image.
        left: Set when its block is through.
        task: Its task.
    """

    def __init__(self, context: RequestContext, **ways: Any) -> None:
        self.drawn, self.go, self.left = (
            asyncio.Event(),
            asyncio.Event(),
            asyncio.Event(),
        )
        self.task = asyncio.create_task(self._draw(context, ways))

    async def _draw(self, context: RequestContext, ways: Ways) -> str:
        try:
            async with drawing(context, **ways) as image:
                try:
                    await image.partial(RED)
                    self.drawn.set()
                    await self.go.wait()
                finally:
                    self.left.set()
                await image.final(GREEN)
        except GenerationStopped as stopped:
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
            assert str(stopped)
            # What follows is not cancelled.
            await asyncio.sleep(0)
            return stopped.reason
        return image.model_text()


async def events_of(response: Any) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a stream with numbers."""
    async for chunk in response.streaming_content:
        for line in chunk.split(b"\n"):
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def shown(chat: ChatClient) -> list[dict[str, Any]]:
    """Return what the thread shows after a reload, oldest first."""
    page = await chat.call("items.list", thread_id="thr_1", order="asc")
    return list(page["data"])


async def state_of(chat: ChatClient) -> dict[str, Any]:
    state = (await chat.get("/chatkit/threads/thr_1/status/")).json()
    assert isinstance(state, dict)
    return state


async def test_who_has_the_thread_open_sees_the_image_being_made(
    chat: ChatClient,
    model: LoopbackAPI,
    thread: Thread,
    context: RequestContext,
    ended: list[Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "LOOK_SECONDS", 0.05)
    owner = await User.objects.aget()
    async with socket(await client_of(owner), "thr_1") as opened:
        assert await opened.receive_output(10) == {"type": "websocket.accept"}
        ways: Ways = {"message": "A fox, please.", "provider": "api.bfl.ai"}
        painter = Painter(context, partial_images=2, **ways)
        await painter.drawn.wait()
        state = await state_of(chat)
        assert state["busy"]
        events = events_of(await chat.get("/chatkit/threads/thr_1/events/"))
        async with asyncio.timeout(20):
            # The preview is in the item if it has come by now.
            async for event in events:
                if "/images/" in str(event):
                    break
        painter.go.set()
        seen = [event async for event in events]
        await painter.task
        frames = await asyncio.wait_for(frames_of(opened), 20)
    assert seen[-1]["type"] == "thread.item.done"
    kinds = [event["type"].removeprefix("thread.") for event in frames]
    assert kinds[-1] == "item.done"
    run = await Run.objects.aget()
    assert state["run"] == str(run.pk)
    assert [each.pk for each in ended] == [run.pk]
    assert (run.status, run.operation, run.model) == (
        "completed",
        "images.generate",
        "flux-2",
    )
    assert (run.provider, run.owner, run.thread_id) == (
        "api.bfl.ai",
        context.owner,
        "thr_1",
    )
    assert run.requested_at is not None
    assert run.first_event_at is not None
    row = await GeneratedImage.objects.aget()
    assert (row.status, row.source, row.run_id) == ("completed", "own", run.pk)
    said, made = await shown(chat)
    assert said["content"][0]["text"] == "A fox, please."
    assert made["image"]["id"] == row.image_id
    # Who was cut off reads the rest, and the thread is free.
    again = await chat.get(
        f"/chatkit/runs/{run.pk}/events/", headers={"Last-Event-ID": "3"}
    )
    rest = [event async for event in events_of(again)]
    assert rest[-1]["item"]["id"] == made["id"]
    assert not (await state_of(chat))["busy"]
    model.respond_with(Text("A green fox."))
    await chat.say("What is it?", "thr_1")
    assert "input_image" in str(model.requests[-1]["input"])
    used = [entry.kind async for entry in UseEntry.objects.filter(run_id=run.pk)]
    assert sorted(used) == ["bill", "image", "run"]


async def by_the_person(chat: ChatClient, task: asyncio.Task[Any]) -> None:
    answer = await chat.post("/chatkit/threads/thr_1/stop/")
    assert answer.json() == {"stopped": True}


async def by_staff(chat: ChatClient, task: asyncio.Task[Any]) -> None:
    await sync_to_async(runs.stop_by_staff)(Run.objects.all(), "Enough.")


async def by_the_server(chat: ChatClient, task: asyncio.Task[Any]) -> None:
    await drain.drain(0, asyncio.Event())


async def by_another_process(chat: ChatClient, task: asyncio.Task[Any]) -> None:
    """Take the run over, as if this process had been asleep."""
    await sync_to_async(runs.releases.interrupt)(Run.objects.all())


async def by_its_caller(chat: ChatClient, task: asyncio.Task[Any]) -> None:
    task.cancel()


@pytest.mark.parametrize(
    ("end", "raised", "status"),
    [
        (by_the_person, "stopped", "cancelled"),
        (by_staff, "stopped_by_staff", "cancelled"),
        (by_the_server, "interrupted", "interrupted"),
        (by_another_process, "interrupted", "interrupted"),
        (by_its_caller, "", "interrupted"),
    ],
)
async def test_whoever_ends_it_the_image_has_an_end_and_the_caller_is_told(
    chat: ChatClient,
    thread: Thread,
    context: RequestContext,
    settings: Any,
    end: Callable[[ChatClient, asyncio.Task[Any]], Awaitable[None]],
    raised: str,
    status: str,
) -> None:
    painter = Painter(context)
    async with asyncio.timeout(30):
        await painter.drawn.wait()
        partials = GeneratedImage.objects.exclude(partials=None)
        await until(partials.aexists)
        events = events_of(await chat.get("/chatkit/threads/thr_1/events/"))
        await end(chat, painter.task)
        if raised:
            assert await painter.task == raised
        else:
            with pytest.raises(asyncio.CancelledError):
                await painter.task
        seen = [event async for event in events]
    assert painter.left.is_set()
    run, row = await Run.objects.aget(), await GeneratedImage.objects.aget()
    assert (run.status, row.status) == (status, status)
    if raised:
        assert run.reason == raised
    # Live and after a reload: the preview, beside it why it is no more than that.
    items = await shown(chat)
    assert [item["type"] for item in items] == ["generated_image", "assistant_message"]
    done = [event["item"]["id"] for event in of_type(seen, "thread.item.done")]
    if end is not by_another_process:
        assert done[-2:] == [item["id"] for item in items]
    # No model is told that its answer was stopped: there was none.
    assert not await ThreadItem.objects.filter(type="sdk_hidden_context").aexists()
    assert not runs.LIVE
    async with drawing(context) as image:
        await image.final(GREEN)


async def test_what_the_block_raises_ends_the_run_with_its_reason(
    chat: ChatClient, thread: Thread, context: RequestContext
) -> None:
    with pytest.raises(TimeoutError):
        async with drawing(context), asyncio.timeout(0.01):
            await asyncio.Event().wait()
    run, row = await Run.objects.aget(), await GeneratedImage.objects.aget()
    assert (run.status, row.status) == ("failed", "failed")
    assert run.reason == row.reason != ""
    # One text says so.
    assert [item["type"] for item in await shown(chat)] == ["assistant_message"]
    # A host that is not known is none that is named.
    async with drawing(context, provider=None) as image:
        pass
    assert image.failure is not None
    assert image.failure.reason == "no_result"
    assert "image" in image.model_text()


async def test_a_run_whose_context_cannot_be_entered_ends(
    thread: Thread, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, working = asyncio.current_task(), runs.LiveRun.working

    @asynccontextmanager
    async def broken(run: runs.LiveRun) -> AsyncIterator[None]:
        if asyncio.current_task() is caller:
            raise LookupError("There is no such tenant.")
        async with working(run):
            yield

    monkeypatch.setattr(runs.LiveRun, "working", broken)
    with pytest.raises(LookupError):
        async with drawing(context):
            raise AssertionError
    assert (await Run.objects.aget()).status == "failed"
    assert runs.LIVE == {}


async def test_a_reader_who_leaves_ends_nothing(
    chat: ChatClient, thread: Thread, context: RequestContext, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ON_DISCONNECT": "cancel"}
    painter = Painter(context)
    await painter.drawn.wait()
    response = await chat.get("/chatkit/threads/thr_1/events/")
    await anext(events_of(response))
    await response.events.aclose()
    (run,) = runs.LIVE.values()
    assert run.readers.count == 0
    painter.go.set()
    await painter.task
    assert (await Run.objects.aget()).status == "completed"


async def test_what_is_refused_writes_nothing(
    chat: ChatClient,
    thread: Thread,
    context: RequestContext,
    foreign: RequestContext,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(who: RequestContext = context, **ways: Any) -> str:
        with pytest.raises(RequestRefused) as caught:
            async with drawing(who, **ways):
                raise AssertionError
        return caught.value.code

    for key, who in (("thr_1", foreign), ("thr_2", context), ("thr\0", context)):
        with pytest.raises(NotFoundError):
            async with generating_image(key, who, prompt="a fox", model="flux-2"):
                raise AssertionError
    assert await refused(message=" ") == "empty_message"
    with monkeypatch.context() as patch:
        patch.setattr(drain, "draining", lambda: True)
        assert await refused() == "draining"
    await Thread.objects.aupdate(status="locked")
    assert await refused() == "thread_locked"
    await Thread.objects.aupdate(status="active")
    before = settings.CHATKIT_IMAGES
    settings.CHATKIT_IMAGES = before | {"LIMITS": {"IMAGES_PER_DAY": 0}}
    assert await refused() == "images_per_day"
    settings.CHATKIT_IMAGES = before
    assert not await Run.objects.aexists()
    settings.CHATKIT_IMAGES = before | {"SERVER": f"{__name__}.Strict"}
    with pytest.raises(GenerationRefused, match="Sundays"):
        async with drawing(context, message="A fox"):
            raise AssertionError
    settings.CHATKIT_IMAGES = before
    assert (await Run.objects.aget()).status == "failed"
    assert await shown(chat) == []
    wrong: list[Ways] = [{"prompt": 1}, {"partial_images": -1}, {"sizes": "1"}]
    for ways in wrong:
        with pytest.raises(TypeError):
            async with drawing(context, **ways):
                raise AssertionError
    async with drawing(context) as image:
        assert await refused() == "run_in_progress"
        with pytest.raises(TypeError, match="RequestContext"):
            async with drawing(None):  # type: ignore[arg-type]
                raise AssertionError
        await image.final(GREEN)
    assert len(await shown(chat)) == 1


MADE_FROM: dict[str, tuple[Ways, type[Exception], str]] = {
    "a number": ({"sources": [7]}, TypeError, "A source is an image"),
    "no list": ({"edited": 7}, TypeError, "edited must be a list"),
    "text": ({"sources": "img_1"}, TypeError, "sources must be a list"),
    "mask": ({"mask": b"png"}, TypeError, "A source is an image"),
    "no one's": ({"mask": "img_" + 32 * "0"}, NotFoundError, "not found"),
    "too many": ({"sources": list(map(str, range(101)))}, ValueError, "100 sources"),
    "message": ({"message": 7}, TypeError, "message must be a str"),
}


@pytest.mark.parametrize("what", MADE_FROM)
async def test_what_it_cannot_be_made_from_is_refused_before_there_is_a_run(
    context: RequestContext, thread: Thread, what: str
) -> None:
    ways, kind, words = MADE_FROM[what]
    with pytest.raises(kind, match=words):
        async with drawing(context, **{"message": "A fox", **ways}):
            raise AssertionError
    assert not await Run.objects.aexists()
    assert not await ThreadItem.objects.aexists()


async def test_its_sources_may_be_an_iterator(
    context: RequestContext, thread: Thread
) -> None:
    async with drawing(context) as image:
        await image.final(GREEN)
    first = await GeneratedImage.objects.aget()
    async with drawing(context, sources=iter([first]), edited=iter([first])) as image:
        await image.final(RED)
    assert image.row is not None
    roles = image.row.sources.order_by("role").values_list("role", flat=True)
    assert [role async for role in roles] == ["edited", "input"]


async def is_followed() -> bool:
    return bool(runs.supervisor().followed_logs.followed)


# Without a server of the project's, and without asynchronous code around it


async def draw(context: RequestContext, prompt: str) -> str:
    async with drawing(context, prompt=prompt) as image:
        await image.final(GREEN)
    return image.model_text()


def view(request: HttpRequest) -> HttpResponse:
    context = RequestContext.from_request(request)
    return HttpResponse(async_to_sync(draw)(context, "by a view"))


urlpatterns = [path("draw/", view), path("chatkit/", include("chatkit_images.urls"))]


class Command(BaseCommand):
    """Draws for a person."""

    def handle(self, *args: Any, **options: Any) -> None:
        context = RequestContext.for_user(User.objects.get())
        async_to_sync(draw)(context, "by a command")
        asyncio.run(draw(context, "by a script"))


def test_code_that_is_not_asynchronous_draws_and_leaves_nothing(
    ann: User, settings: Any
) -> None:
    settings.ROOT_URLCONF = __name__
    Thread.objects.create(pk="thr_1", owner=f"user:{ann.pk}", user=ann)
    client = Client()
    client.force_login(ann)
    assert client.get("/draw/").status_code == 200
    before = set(threading.enumerate())
    call_command(Command())
    assert client.get("/draw/").status_code == 200
    left = {each.name for each in set(threading.enumerate()) - before}
    # Those of asgiref end as soon as they are looked at.
    assert [name for name in left if not name.startswith("ThreadPoolExecutor")] == []
    assert [image.status for image in GeneratedImage.objects.all()] == 4 * ["completed"]
    assert not runs.LIVE


async def test_a_plain_view_of_an_asynchronous_server_draws(
    ann: User, thread: Thread, settings: Any
) -> None:
    settings.ROOT_URLCONF = __name__
    client = AsyncClient()
    await client.aforce_login(ann)
    assert (await client.get("/draw/")).status_code == 200
    assert (await Run.objects.aget()).status == "completed"


async def test_nothing_goes_on_in_the_loop_of_a_script(
    thread: Thread, context: RequestContext
) -> None:
    def script() -> set[asyncio.Task[Any]]:
        async def main() -> set[asyncio.Task[Any]]:
            await draw(context, "a fox")
            await asyncio.sleep(0)
            return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

        return asyncio.run(main())

    assert await asyncio.to_thread(script) == set()


@pytest.mark.parametrize("end", [by_the_person, by_the_server])
async def test_a_run_of_another_loop_is_read_and_ended_from_here(
    chat: ChatClient,
    thread: Thread,
    context: RequestContext,
    settings: Any,
    end: Callable[[ChatClient, Any], Awaitable[None]],
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=4)
    begun = threading.Event()

    async def wait() -> None:
        async with drawing(context):
            begun.set()
            await asyncio.Event().wait()

    other = asyncio.create_task(asyncio.to_thread(asyncio.run, wait()))
    assert await asyncio.to_thread(begun.wait, 20)
    reading = asyncio.create_task(chat.get("/chatkit/threads/thr_1/events/"))
    await until(is_followed)
    await end(chat, other)
    with pytest.raises(GenerationStopped):
        await asyncio.wait_for(other, 20)
    # The log is in the memory of the other loop, so what the thread keeps is read.
    response = await reading
    if end is by_the_server:
        assert response.status_code == 503
    else:
        seen = [event["type"] async for event in events_of(response)]
        assert seen[-1] == "thread.item.done"
    run = await Run.objects.aget()
    assert run.status == ("cancelled" if end is by_the_person else "interrupted")


async def test_it_works_for_a_tenant(ann: User, thread: Thread, settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXT": "tests.tenancy.TenantContext"
    }
    context = tenancy.TenantContext(ann, f"user:{ann.pk}", tenant="acme", locale="de")
    async with drawing(context) as image:
        assert await sync_to_async(lambda: tenancy.selected.name)() == "acme"
        await image.final(GREEN)
    assert tenancy.selected.name == ""
    row = await GeneratedImage.objects.aget()
    assert row.file.name.startswith("acme/") or "acme" in row.file.name


async def test_the_alias_of_the_database_is_the_routers(
    routers: None, thread: Thread, context: RequestContext
) -> None:
    async with drawing(context) as image:
        await image.final(GREEN)
    assert (await GeneratedImage.objects.using("main").aget()).status == "completed"
