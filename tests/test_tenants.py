"""All work for somebody is done within their context, and tenants never meet."""

from __future__ import annotations

import asyncio
import datetime
import io
import json
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from chatkit.types import ThreadMetadata
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chatkit_images import models, storage, times, url_tokens
from chatkit_images.contexts import working_for
from chatkit_images.exceptions import NotFoundError
from chatkit_images.maintenance import sweep
from chatkit_images.runs.supervisor import Supervisor
from chatkit_images.store import DjangoStore
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text, ToolCall
from tests import tenancy
from tests.asgi import doors
from tests.asking import ask_op
from tests.client import ChatClient, ask_asgi, done_items, message, receive_stream
from tests.servers.tour import OPERATIONS, STREAMING, tour
from tests.tenancy import NAMES, TenantContext

pytestmark = pytest.mark.django_db(transaction=True)
EXECUTE = CursorWrapper.execute


def execute(self: Any, sql: str, params: Any = None) -> Any:
    if "chatkit_images_" in sql:
        tenancy.note(sql)
    return EXECUTE(self, sql, params)


@pytest.fixture(autouse=True)
def tenants(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have two tenants, and note what is done for which."""
    settings.STORAGES = settings.STORAGES | {
        "chatkit_images": {"BACKEND": "tests.tenancy.TenantStorage"}
    }
    settings.CHATKIT_IMAGES |= {
        "SERVER": "tests.tenancy.TenantServer",
        "CONTEXT": "tests.tenancy.TenantContext",
        "CONTEXTS": "tests.tenancy.contexts",
    }
    monkeypatch.setattr(CursorWrapper, "execute", execute)
    tenancy.seen.clear()
    yield
    tenancy.seen.clear()


def tune(settings: Any, **values: float) -> None:
    tuning = settings.CHATKIT_IMAGES["TUNING"] | values
    settings.CHATKIT_IMAGES |= {"TUNING": tuning}


def of_others(name: str) -> list[tuple[str, str]]:
    """Return what was done for another tenant, or for none."""
    return [each for each in tenancy.seen if each[0] != name]


def done_for(name: str) -> str:
    return "\n".join(what for tenant, what in tenancy.seen if tenant == name)


async def by_view(chat: ChatClient, op: str, params: Any) -> Any:
    response = await chat.request_op(op, params, headers={"X-Tenant": "acme"})
    assert response.status_code == 200, response.content
    if op not in STREAMING:
        return json.loads(response.content)
    return parse(b"".join([part async for part in response.streaming_content]))


async def by_consumer(chat: ChatClient, op: str, params: Any) -> Any:
    cookie = f"sessionid={chat.cookies['sessionid'].value}".encode()
    browser = await ask_asgi(doors["consumer"], op, params, cookie, tenant=b"acme")
    body = await receive_stream(browser)
    return parse(body) if op in STREAMING else json.loads(body)


def parse(stream: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in stream.split(b"\n\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("door", [by_view, by_consumer])
@pytest.mark.sweep(1)
async def test_every_operation_works_for_its_tenant(
    chat: ChatClient, model: LoopbackAPI, door: Callable[..., Any]
) -> None:
    steps, answer, done = tour(model), None, set()
    while True:
        try:
            op, params = steps.send(answer)
        except StopIteration:
            break
        answer = await door(chat, op, params)
        done.add(op)
    assert done == OPERATIONS
    await sync_to_async(storage.drain)()
    assert of_others("acme") == []
    assert 'INSERT INTO "chatkit_images_generatedimage"' in done_for("acme")
    assert "save chatkit_images/~acme/images/" in done_for("acme")
    assert "delete chatkit_images/~acme/" in done_for("acme")


async def test_tools_and_uploads_work_for_their_tenant(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    upload = await chat.post(
        "/chatkit/attachments/",
        {"file": SimpleUploadedFile("plan.png", png)},
        headers={"X-Tenant": "acme"},
    )
    model.respond_with(ToolCall("count_threads", {}))
    model.respond_with(Text("One."), Image(partials=1))
    said = message("How many?", [upload.json()["id"]])
    events = await by_view(chat, "threads.create", {"input": said})
    (image,) = done_items(events, "generated_image")
    path = image["image"]["url"].removeprefix("http://testserver")
    assert (await chat.get(path, headers={"X-Tenant": "acme"})).status_code == 200
    # Even for an owner of the same name the image of another tenant does not exist.
    assert (await chat.get(path, headers={"X-Tenant": "beta"})).status_code == 404
    assert {name for name, what in of_others("acme")} == {"beta"}
    assert {what.split()[0] for name, what in of_others("acme")} == {"SELECT"}
    (output,) = [
        item
        for item in model.requests[-1]["input"]
        if item.get("type") == "function_call_output"
    ]
    assert output["output"] == "1"


async def test_heartbeats_are_written_where_the_run_is(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    quick = {"RUN_STALE_SECONDS": 1, "HEARTBEAT_SECONDS": 0.1}
    tune(settings, **quick)
    gate = Gate()
    model.respond_with(gate, Text("Done."))
    params = {"input": message("Hello")}
    response = await chat.request_op(
        "threads.create", params, headers={"X-Tenant": "acme"}
    )
    stream = response.streaming_content
    await anext(stream)
    beats = ("UPDATE", '"heartbeat_at"')
    while not any(all(w in what for w in beats) for _, what in tenancy.seen):
        await anext(stream)
    gate.open()
    assert b"Done." in b"".join([part async for part in stream])
    found = {tenant for tenant, what in tenancy.seen if all(w in what for w in beats)}
    assert found == {"acme"}


def dead_run(name: str) -> models.Run:
    context = TenantContext(None, "user:1", tenant=name, locale="de")
    run = models.Run.objects.create(owner="user:1", context=context.to_row())
    long_ago = timezone.now() - datetime.timedelta(days=9)
    models.Run.objects.filter(pk=run.pk).update(heartbeat_at=long_ago)
    return run


def test_commands_work_for_each_tenant() -> None:
    dead_run("acme")
    tenancy.seen.clear()
    out = io.StringIO()
    call_command("chatkit_images_recover", stdout=out)
    assert out.getvalue().splitlines() == [
        "acme:",
        "Ended 1 runs, 0 go on.",
        "beta:",
        "Ended 0 runs, 0 go on.",
    ]
    assert {tenant for tenant, _ in tenancy.seen} == {"acme", "beta"}
    assert [
        what for tenant, what in tenancy.seen if tenant == "beta" and "UPD" in what
    ] == []
    tenancy.seen.clear()
    for command in ("sweep", "verify", "flush_spool", "recover"):
        call_command(f"chatkit_images_{command}", "--tenant=beta", stdout=out)
    assert of_others("beta") == []
    with pytest.raises(CommandError, match="no tenant 'gamma'"):
        call_command("chatkit_images_sweep", "--tenant=gamma")


def test_a_tenant_that_fails_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def listdir(self: Any, path: str) -> Any:
        if "~acme" in path:
            raise OSError("The disk of Acme is away.")
        return [], []

    monkeypatch.setattr(tenancy.TenantStorage, "listdir", listdir)
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match="It failed for acme"):
        call_command("chatkit_images_sweep", stdout=out, stderr=err)
    assert "The disk of Acme is away." in err.getvalue()
    assert out.getvalue().count("Settled 0 unknown files.") == 2


@pytest.mark.parametrize("name", ["acme", "", "Größe/../..", "ACME"])
def test_a_sweep_leaves_the_files_of_other_tenants(
    name: str, settings: Any, tmp_path: Any
) -> None:
    tune(settings, SWEEP_GRACE_SECONDS=0)
    names = {}
    for tenant in ("beta", name):
        with working_for(TenantContext(None, "", tenant=tenant)):
            names[tenant] = storage.new_name("images", "png")
            storage.store(names[tenant], b"bytes")
    with working_for(TenantContext(None, "", tenant=name)):
        assert sweep()["unknown files"] == 1
    found = {
        key: storages["chatkit_images"].exists(each) for key, each in names.items()
    }
    assert found == {"beta": True, name: False}


def test_code_of_the_project_deletes_the_files_of_its_tenant() -> None:
    """A page of staff, say: no request of the app's has made a context."""
    tenancy.selected.name = "beta"
    try:
        name = storage.new_name("images", "png")
        storage.store(name, b"bytes")
        thread = models.Thread.objects.create(pk="thr_1", owner="user:1")
        models.GeneratedImage.objects.create(thread=thread, file=name, call_id="c")
        tenancy.seen.clear()
        thread.delete()
    finally:
        tenancy.selected.name = ""
    storage.drain()
    assert not storages["chatkit_images"].exists(name)
    assert of_others("beta") == []


@pytest.mark.parametrize("kind", ["image", "attachment"])
def test_a_signed_url_at_a_host_of_no_tenant_is_a_404(
    client: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def refuse(cls: type[TenantContext], request: Any = None) -> str:
        raise NotFoundError("No tenant has this host")

    token = url_tokens.make(kind, uuid.uuid4().hex, "full", "user:1")
    monkeypatch.setattr(TenantContext, "get_tenant", classmethod(refuse))
    response = client.get(reverse(f"chatkit_images:{kind}", args=[token]))
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


def test_the_row_of_a_run_says_when_it_was_seen() -> None:
    run = dead_run("acme")
    models.Run.objects.filter(pk=run.pk).update(heartbeat_at=Now())
    run.refresh_from_db()
    context = run.to_context()
    assert (type(context), context.tenant, context.locale) == (
        TenantContext,
        "acme",
        "de",
    )


async def test_watchers_of_two_tenants_watch_threads_of_the_same_id() -> None:
    """A tenant may be a copy of another one."""
    acme, beta = (TenantContext(None, "user:1", tenant=name) for name in NAMES)
    supervisor, run = Supervisor(), uuid.uuid4()
    with supervisor.watching("thr_1", acme) as ours:
        with supervisor.watching("thr_1", beta) as theirs:
            polls = {each.context: each.watched for each in supervisor._polls(False)}
            assert polls == {acme: ["thr_1"], beta: ["thr_1"]}
            live = SimpleNamespace(id=run, thread_id="thr_1", context=acme)
            with supervisor.supervising(live):  # type: ignore[arg-type]
                assert await asyncio.wait_for(ours.next(), 5) == run
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(theirs.next(), 0)
        # Who goes leaves the other's.
        (poll,) = supervisor._polls(False)
        assert poll.context is acme


async def test_the_session_of_a_request_that_is_refused_is_its_tenants(
    chat: ChatClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noting(self: Any, sql: str, params: Any = None) -> Any:
        if "UPDATE" in sql and "django_session" in sql:
            tenancy.note(sql)
        return EXECUTE(self, sql, params)

    settings.SESSION_SAVE_EVERY_REQUEST = True
    cookie = f"sessionid={chat.cookies['sessionid'].value}"
    forged = {"Cookie": cookie, "X-Tenant": "acme"}
    monkeypatch.setattr(CursorWrapper, "execute", noting)
    tenancy.seen.clear()
    answer = await ask_op(doors["consumer"], "threads.list", {}, forged)
    assert (answer.status, answer.code) == (403, "csrf_failed")
    assert done_for("acme")
    assert of_others("acme") == []


async def test_stores_work_for_the_context_that_they_are_given(ann: User) -> None:
    """A project's own code, on the event loop, where no request has set anything."""
    context = TenantContext(ann, "user:1", tenant="beta")
    store, thread = DjangoStore(), ThreadMetadata(id="thr_1", created_at=times.now())
    tenancy.seen.clear()
    await store.save_thread(thread, context)
    assert (await store.load_threads(1, None, "asc", context)).data[0].id == "thr_1"
    assert done_for("beta")
    assert of_others("beta") == []
