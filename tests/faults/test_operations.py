"""Clocks, threads, deploys, logs and versions: what a server lives with."""

from __future__ import annotations

import asyncio
import base64
import datetime
import logging
import re
import statistics
import threading
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db import models as db
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.utils import timezone
from openai import AsyncOpenAI
from packaging.requirements import Requirement
from packaging.version import Version

from chatkit_images import models, storage, url_tokens
from chatkit_images.context import RequestContext
from chatkit_images.store import DjangoStore
from chatkit_images.testing import (
    ErrorEvent,
    FailedImage,
    Gate,
    HTTPError,
    Image,
    LoopbackAPI,
    Text,
)
from chatkit_images.testing.contracts import make_message, make_thread
from tests.chat import TestServer
from tests.client import (
    ChatClient,
    done_items,
    message,
    of_type,
    read_events,
    thread_id,
)
from tests.docs.pages import ROOT
from tests.image_files import image_file
from tests.tuning import tuned

from .arming import Fault
from .browsing import Browser, answer, image_call
from .databases import on
from .world import World

OPERATIONS_PAGE = (ROOT / "docs" / "operations.md").read_text()
PAGE = " ".join(OPERATIONS_PAGE.split())
FIVE_MINUTES = 300
# What others wait for at most while a storage hangs, on a busy machine too: less than
# it hangs for. Most of them wait for less.
AT_ONCE, MOST = 10, 1


async def reach(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, 30), "the model was not called"


# Clocks


@pytest.mark.row("O05")
@pytest.mark.parametrize("seconds", [-FIVE_MINUTES, FIVE_MINUTES])
async def test_a_run_that_beats_is_alive_by_every_clock(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
) -> None:
    stale = database_sync_to_async(lambda: models.Run.objects.stale().exists())
    right = timezone.now

    def stale_after(seconds: float) -> None:
        settings.CHATKIT_IMAGES = tuned(
            settings.CHATKIT_IMAGES, RUN_STALE_SECONDS=seconds
        )

    # Less than the clocks differ, more than a busy machine is late.
    stale_after(60)

    def wrong() -> datetime.datetime:
        return right() + datetime.timedelta(seconds=seconds)

    gate = Gate()
    model.respond_with(gate, Text("Done."))
    response = await chat.request_op("threads.create", {"input": message("Hello")})
    events = read_events(response)
    await anext(events)
    await reach(gate)
    # One process has the wrong clock, and looks at the runs of another.
    monkeypatch.setattr(timezone, "now", wrong)
    assert not await stale()
    # It beats by its clock, and another one looks.
    before = (await models.Run.objects.aget()).heartbeat_at
    stale_after(2)
    async with asyncio.timeout(30):
        while (beat := (await models.Run.objects.aget()).heartbeat_at) == before:
            await asyncio.sleep(0.02)
    stale_after(60)
    monkeypatch.setattr(timezone, "now", right)
    assert not await stale()
    assert abs((right() - beat).total_seconds()) < 60
    gate.open()
    assert of_type([event async for event in events], "error") == []


@pytest.mark.row("O05")
@pytest.mark.parametrize("seconds", [-FIVE_MINUTES, FIVE_MINUTES])
@pytest.mark.parametrize("age", [0, 3600 - FIVE_MINUTES])
def test_a_signed_url_bears_clocks_that_differ(
    monkeypatch: pytest.MonkeyPatch, seconds: int, age: int
) -> None:
    made = time.time()
    monkeypatch.setattr(time, "time", lambda: made + seconds)
    token = url_tokens.make("image", uuid.uuid4().hex, "full", "user:1")
    monkeypatch.setattr(time, "time", lambda: made + age)
    assert url_tokens.read(token) is not None
    # Nor does it live much longer than it should.
    monkeypatch.setattr(time, "time", lambda: made + 3600 + 900 + FIVE_MINUTES + 1)
    assert url_tokens.read(token) is None


@pytest.mark.row("O05")
async def test_items_keep_their_order_when_an_hour_comes_twice(
    context: RequestContext,
) -> None:
    """Europe/Berlin, of the settings, has 02:30 twice on 25 October 2026."""
    store = DjangoStore()
    await store.save_thread(make_thread(), context)
    first = datetime.datetime(2026, 10, 25, 0, 10, tzinfo=datetime.UTC)
    moments = [first + datetime.timedelta(minutes=20 * n) for n in range(8)]
    for n, moment in enumerate(moments):
        # As ChatKit stamps them.
        naive = datetime.datetime.fromtimestamp(moment.timestamp())
        item = make_message(f"msg_{n}", created_at=naive)
        await store.add_thread_item("thr_1", item, context)
    assert {moment.astimezone().hour for moment in moments[:6]} == {2}
    rows = models.ThreadItem.objects.order_by("pk").values_list("created_at", flat=True)
    assert [row async for row in rows] == moments
    for order, expected in (("asc", range(8)), ("desc", range(7, -1, -1))):
        page = await store.load_thread_items("thr_1", None, 20, order, context)
        assert [item.id for item in page.data] == [f"msg_{n}" for n in expected]


@pytest.mark.row("O05")
def test_what_clocks_must_do_is_documented() -> None:
    assert "The clocks of the servers should agree" in PAGE
    assert "`URL_MAX_AGE`" in PAGE


# Threads


def hold_up(world: World, browser: Browser) -> list[float]:
    """Return how long others wait while a step of the world is held."""
    deadline = time.monotonic() + 30
    while not (world.folder / "reached").exists():
        assert time.monotonic() < deadline, "Nobody came by."
        time.sleep(0.01)
    seconds = []
    for _ in range(50):
        began = time.monotonic()
        browser.call("threads.list")
        seconds.append(time.monotonic() - began)
    return seconds


@pytest.mark.row("O09")
@pytest.mark.parametrize("step", ["backend.put", "open_reader"])
@on("postgres")
def test_a_storage_that_hangs_keeps_nobody_from_the_database(
    world: World, model: LoopbackAPI, step: str
) -> None:
    fault = Fault(f"chatkit_images.storage.{step}", "before", "hold")
    data = image_file("green")
    events: list[dict[str, Any]] = []
    fetched: list[bytes] = []
    with (
        world.server(fault) as server,
        Browser(server.url, world.cookies) as browser,
        Browser(server.url, world.cookies) as other,
    ):

        def converse() -> None:
            model.respond_with(*answer(image_call("ig_1", data)))
            events.extend(browser.say("a meadow"))
            (item,) = done_items(events, "generated_image")
            fetched.append(browser.fetch(item).content)

        talk = threading.Thread(target=converse)
        talk.start()
        seconds = hold_up(world, other)
        assert fetched == []
        (world.folder / "go").touch()
        talk.join(60)
    assert statistics.median(seconds) < MOST
    assert max(seconds) < AT_ONCE
    assert of_type(events, "error") == []
    assert fetched == [data]


@pytest.mark.row("O11")
def test_leaving_a_context_waits_for_its_thread_and_holds_up_no_loop() -> None:
    """The thread needs the loop, which must not stand still to wait for it."""
    gaps: list[float] = []
    ended: list[str] = []

    async def tick() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - began)

    async def later() -> None:
        await asyncio.sleep(0.1)
        ended.append("coroutine")

    async def leave() -> None:
        started, left = threading.Event(), threading.Event()

        def work() -> None:
            started.set()
            # The loop goes on while somebody waits for this thread.
            assert left.wait(10)
            count = len(gaps)
            while len(gaps) < count + 20:
                time.sleep(0.01)
            async_to_sync(later)()
            ended.append("thread")

        ticking = asyncio.create_task(tick())
        async with ThreadSensitiveContext():
            task = asyncio.create_task(sync_to_async(work)())
            await asyncio.to_thread(started.wait, 10)
            left.set()
        ended.append("context")
        await asyncio.wait([task], timeout=20)
        ticking.cancel()

    # A loop that stands still would keep the test for ever.
    thread = threading.Thread(target=lambda: asyncio.run(leave()), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "The loop waits for a thread that waits for the loop."
    assert set(ended) == {"coroutine", "thread", "context"}
    assert max(gaps) < AT_ONCE


@pytest.mark.row("O12")
def test_servers_that_do_not_end_requests_are_documented() -> None:
    assert "gunicorn" in PAGE
    assert "https://github.com/benoitc/gunicorn/pull/3654" in PAGE
    assert "`request_finished`" in PAGE


# Deploys

LABEL = "chatkit_images"


# What a field has for people only.
FOR_PEOPLE = ("help_text", "verbose_name", "choices")
# An index is in the table, and all that is written without it is as before.
ASIDE = (*FOR_PEOPLE, "db_index")


def contractions(migration: Any, before: Any = None) -> list[str]:
    """Return what in a migration old code could stumble over.

    Args:
        migration: The migration.
        before: The state of the models before it, if there is one.
    """
    added: set[tuple[str, str]] = set()
    created: set[str] = set()
    found = []
    for operation in migration.operations:
        model = getattr(operation, "model_name_lower", "")
        match operation:
            case operations.CreateModel():
                created.add(operation.name_lower)
                continue
            case operations.AddField(field=field):
                added.add((model, operation.name))
                # The old code does not know it, and leaves it out.
                if field.null or field.many_to_many or field.has_db_default():
                    continue
            case operations.AddIndex() | operations.RemoveConstraint():
                continue  # What old code writes is allowed as before.
            case operations.AlterModelOptions():
                continue  # No database knows of it.
            case operations.RunPython(reversible=True):
                continue  # The rows are what they were, with more in them.
            case operations.AlterField(field=field) if before is not None:
                old = before.models[LABEL, model].fields[operation.name]
                if in_the_table(old) == in_the_table(field):
                    continue
            case operations.AddConstraint(constraint=constraint):
                # One that old rows are not in.
                names = getattr(constraint, "fields", ())
                if any((model, name) in added for name in names):
                    continue
        if model not in created:
            found.append(operation.describe())
    return found


def in_the_table(field: Any) -> Any:
    """Return what of a field its column depends on."""
    _, _, args, options = field.deconstruct()
    # A class of the app's own, such as KeyField, has the column of Django's. What
    # becomes of rows is decided by Django.
    left_out = {*ASIDE, "on_delete"}
    kind = field.get_internal_type()
    return kind, args, {k: v for k, v in options.items() if k not in left_out}


def later_migrations() -> Iterator[tuple[Any, Any]]:
    loader = MigrationLoader(None)
    for (label, name), migration in sorted(loader.disk_migrations.items()):
        if label == LABEL and not name.startswith("0001_"):
            yield migration, loader.project_state((label, name), at_end=False)


@pytest.mark.row("O14")
def test_migrations_only_add_what_old_code_may_ignore() -> None:
    found = {m.name: contractions(m, before) for m, before in later_migrations()}
    assert not any(found.values()), found


class Steps:
    """A migration of some operations."""

    def __init__(self, *steps: Operation) -> None:
        self.operations = steps


KEY = operations.AddField("run", "key", db.CharField(max_length=9, null=True))
ONCE = operations.AddConstraint(
    "run", db.UniqueConstraint(fields=["owner", "key"], name="once")
)


@pytest.mark.row("O14")
@pytest.mark.parametrize(
    "steps",
    [
        [KEY],
        [KEY, ONCE],
        [operations.AddField("run", "n", db.IntegerField(db_default=0))],
        [operations.AddIndex("run", db.Index(fields=["owner"], name="i"))],
        [operations.CreateModel("log", [("id", db.AutoField(primary_key=True))])],
    ],
    ids=lambda steps: " ".join(type(step).__name__ for step in steps),
)
def test_what_old_code_may_ignore_is_an_addition(steps: list[Operation]) -> None:
    assert contractions(Steps(*steps)) == []


@pytest.mark.row("O14")
@pytest.mark.parametrize(
    "step",
    [
        operations.AddField("run", "n", db.IntegerField(default=0)),
        operations.AlterField("run", "owner", db.CharField(max_length=9)),
        operations.RemoveField("run", "owner"),
        operations.RenameField("run", "owner", "who"),
        operations.DeleteModel("run"),
        operations.RenameModel("run", "turn"),
        operations.RemoveIndex("run", "chatkit_run_alive"),
        operations.AlterUniqueTogether("run", {("owner", "user")}),
        operations.RunPython(operations.RunPython.noop),
        ONCE,
    ],
    ids=lambda step: type(step).__name__,
)
def test_what_old_code_would_stumble_over_is_seen(step: Operation) -> None:
    assert contractions(Steps(step)) == [step.describe()]


@pytest.mark.row("O14")
def test_code_of_the_first_schema_works_on_the_newest(ann: User) -> None:
    loader = MigrationLoader(connection)
    (first,) = [
        key for key in loader.disk_migrations if key[0] == LABEL and "0001_" in key[1]
    ]
    old = loader.project_state([first]).apps
    rows = {
        name: old.get_model(LABEL, name)
        for name in ("Thread", "ThreadItem", "Run", "GeneratedImage", "Attachment")
    }
    person = {"owner": f"user:{ann.pk}", "user_id": ann.pk}
    thread = rows["Thread"].objects.create(pk="thr_1", **person)
    item = rows["ThreadItem"].objects.create(
        thread=thread, item_id="msg_1", type="user_message", payload={"content": []}
    )
    run = rows["Run"].objects.create(thread=thread, operation="x", **person)
    rows["GeneratedImage"].objects.create(
        thread=thread, item=item, run=run, call_id="ig_1"
    )
    rows["Attachment"].objects.create(pk="atc_1", kind="image", bytes=1, **person)
    assert rows["Run"].objects.filter(status="running").update(status="completed") == 1
    # The new code reads what the old one wrote.
    assert models.Run.objects.get().status == "completed"
    assert models.GeneratedImage.objects.get().run == models.Run.objects.get()
    assert models.Thread.objects.get().delete()[0] >= 4


@pytest.mark.row("O14")
def test_the_order_of_a_deploy_is_documented() -> None:
    assert "Migrate first" in PAGE


# Logs

SECRET = "sk-proj-canary-4f1c"
PROMPT = "canary-prompt-9d2e"
BASE64 = re.compile(r"[A-Za-z0-9+/]{120,}")
TOKEN = re.compile(r"(image|attachment|upload)\.[\w-]+\.[\w-]+\.[0-9a-f]+\.[0-9a-f]+~")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """What this app has logged, tracebacks included, at every level."""
    # Errors would be the test's own, of a mistake in a line's arguments.
    logging.raiseExceptions = True
    form = logging.Formatter("%(levelname)s %(message)s")
    with caplog.at_level(logging.DEBUG, logger=LABEL):
        yield lambda: [
            form.format(record)
            for record in caplog.records
            if record.name.partition(".")[0] == LABEL
        ]


@pytest.mark.row("O15")
async def test_no_log_has_an_image_a_token_a_key_or_a_prompt(
    chat: ChatClient,
    model: LoopbackAPI,
    png: bytes,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    lines: Callable[[], list[str]],
) -> None:
    monkeypatch.setattr(
        TestServer,
        "get_openai_client",
        lambda self: AsyncOpenAI(
            base_url=settings.LOOPBACK_URL,
            api_key=SECRET,
            max_retries=0,
            default_headers={"Connection": "close"},
        ),
    )
    seen: list[dict[str, Any]] = []

    async def say(*steps: Any, key: str | None = None, files: Any = ()) -> str:
        model.respond_with(*steps)
        events = await chat.say(f"{PROMPT} {len(seen)}", key, files)
        seen.extend(events)
        return key or thread_id(events)

    async def fetch() -> None:
        for item in done_items(seen, "generated_image"):
            await chat.get(item["image"]["url"])
            # A token that is altered, and one that is used where it is not good.
            await chat.get(item["image"]["url"][:-3] + "!/")
            url = item["image"]["url"].replace("/images/", "/uploads/")
            await chat.put(url, png, content_type="image/png")

    upload = await chat.post(
        "/chatkit/attachments/",
        {"file": SimpleUploadedFile(f"{PROMPT}.png", png)},
    )
    inline = base64.b64encode(png).decode()
    key = await say(
        Image(data=image_file("red", size=(200, 200)), partials=2, prompt=PROMPT),
        Text(f"![](data:image/png;base64,{inline})"),
        files=[upload.json()["id"]],
    )
    await say(Image(data=png), Text("Done."), key=key)
    # What goes wrong is what is logged.
    await say(FailedImage(message=PROMPT, partials=1), Text("No."), key=key)
    await say(Image(data=image_file("blue")[:-9], partials=1, prompt=PROMPT), key=key)
    await say(Image(data=b"<html>" + PROMPT.encode() * 50), key=key)
    await say(Text(f"![](data:image/png;base64,{inline[:-20]}AAAA)"), key=key)
    await say(HTTPError(401, "invalid_api_key", f"Bad key {SECRET}"), key=key)
    await say(Image(partials=1, finish=False), ErrorEvent(message=PROMPT), key=key)

    def refuse(name: str, data: bytes, *where: str | None) -> None:
        raise OSError(f"{name} is refused")

    with monkeypatch.context() as patch:
        patch.setattr(storage.backend, "put", refuse)
        await say(Image(data=image_file("green")), Text("Done."), key=key)
        patch.setattr(storage.spool, "keep", refuse)
        await say(Image(data=image_file("pink")), Text("Done."), key=key)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "read", lambda name, *where: refuse(name, b""))
        await fetch()
        await say(Text("Done."), key=key)
    await fetch()
    # An item that this version does not know, or cannot read any more.
    thread = await models.Thread.objects.aget(pk=key)
    for kind in ("poem", "user_message"):
        payload = {"type": kind, "text": PROMPT, "content": PROMPT, "attachments": []}
        await thread.items.acreate(item_id=kind, type=kind, payload=payload)
    await chat.call("items.list", thread_id=key, limit=100)
    await chat.request_op("input.transcribe", {"audio_base64": inline, "mime_type": ""})
    await chat.request_op("threads.delete", {"thread_id": f"{PROMPT}\x00"})
    await chat.post("/chatkit/", f'{{"type": "{PROMPT}"}}', "application/json")
    monkeypatch.setattr(TestServer, "check_request", refusing_check)
    await chat.request_op("threads.list", {})
    await asyncio.to_thread(storage.drain)

    logged = lines()
    assert len(logged) >= 8, logged
    for line in logged:
        assert SECRET not in line
        assert PROMPT not in line
        assert ";base64," not in line
        assert not TOKEN.search(line), line
        # Paths of a traceback have slashes at every word.
        assert not BASE64.search(re.sub(r'File "[^"]+"', "", line)), line


async def refusing_check(*args: Any) -> None:
    raise RuntimeError("A bug of the project.")


@pytest.mark.row("O15")
def test_what_others_log_is_documented() -> None:
    for name in ("`httpx2`", "`httpcore2`", "`openai.agents`"):
        assert name in PAGE
    assert "access log" in PAGE


# Versions

MINIMUM = {
    "django": "5.2.19",
    "daphne": "4.2.2",
    "pillow": "13",
    "asgiref": "3.12.1",
}


@pytest.mark.row("O18")
@pytest.mark.parametrize(
    "name",
    [
        "django",
        "daphne",
        "pillow",
        pytest.param("asgiref", marks=pytest.mark.row("O11")),
    ],
)
def test_no_version_is_allowed_that_is_known_to_be_bad(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {
        requirement.name.lower(): requirement.specifier
        for requirement in map(Requirement, project["dependencies"])
    }
    (least,) = [each.version for each in needed[name] if each.operator == ">="]
    assert Version(least) >= Version(MINIMUM[name])
    assert needed[name].contains(version(name))
