"""The erasure of a person, and its receipt."""

from __future__ import annotations

import asyncio
import datetime
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth.models import User
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import connection, connections, models
from django.utils import timezone

from chatkit_images import storage
from chatkit_images.maintenance import (
    Receipt,
    digest_of,
    erase,
    erasure_rows,
    move_storage,
)
from chatkit_images.models import (
    Attachment,
    DeletedFile,
    DeletedPosition,
    Feedback,
    GeneratedImage,
    ImageSource,
    ImageVariant,
    LegalHold,
    OwnerBlock,
    RefusedInput,
    Run,
    RunEnd,
    Thread,
    ThreadItem,
    UseCounter,
    UseEntry,
    UseSummary,
)
from chatkit_images.queries import sums
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from chatkit_images.transactions import atomic
from tests import services
from tests.client import ChatClient, message, read_events

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "a secret of ann's"


def put(kind: str = "images") -> str:
    name = storage.new_name(kind, "png")
    storage.store(name, SECRET.encode())
    return name


def fill(owner: str, user: User | None = None, threads: int = 2) -> None:
    """Make a row of every kind, and a file for each that has one."""
    owned = {"owner": owner, "user": user}
    for n in range(threads):
        thread = Thread.objects.create(pk=f"thr_{owner}_{n}", title=SECRET, **owned)
        run = Run.objects.create(
            thread=thread, status="completed", context={"owner": owner}, **owned
        )
        RunEnd.objects.create(run_id=run.pk, payload={"owner": owner})
        item = thread.items.create(
            item_id="item_1", type="user_message", payload={"text": SECRET}
        )
        upload = Attachment.objects.create(
            pk=f"atc_{owner}_{n}", thread=thread, file=put(), bytes=17, **owned
        )
        values = {"thread": thread, "run": run, "status": "completed", "prompt": SECRET}
        image = GeneratedImage.objects.create(
            item=item, call_id="ig_1", file=put(), thumbnail=put(), bytes=17, **values
        )
        image.partials.create(index=0, file=put(), bytes=17)
        ImageVariant.objects.create(image=image, form="model", file=put(), bytes=17)
        ImageVariant.objects.create(attachment=upload, form="m", file=put(), bytes=17)
        values |= {"status": "interrupted", "file": put()}
        newer = GeneratedImage.objects.create(call_id="ig_2", **values)
        ImageSource.objects.create(image=newer, source_image=image, role="edited")
        RefusedInput.objects.create(image=image, host="llm")
        Feedback.objects.create(item=item, thread=thread, kind="positive", **owned)
        DeletedPosition.objects.create(
            scope=thread.pk, key="item_0", position="1", stood_at=timezone.now()
        )
        UseEntry.objects.create(
            owner=owner, day=timezone.now(), kind="image", amount=1, run_id=run.pk
        )
    Attachment.objects.create(pk=f"atc_{owner}", file=put(), bytes=17, **owned)
    Run.objects.create(status="failed", error=SECRET, **owned)
    DeletedPosition.objects.create(
        scope=owner, key="thr_0", position="1", stood_at=timezone.now()
    )
    UseCounter.objects.create(owner=owner, kind="image", period="2030-01", amount=2)
    UseCounter.objects.create(owner=owner)
    UseSummary.objects.create(
        period="day", start="2030-01-01", owner=owner, model="gpt-image-1", images=1
    )
    # A lock that is nobody's.
    UseCounter.objects.get_or_create(owner=sums.SUMS)


def told_of(*words: str) -> set[str]:
    """Return the columns in which words stand."""
    found = set()
    for model in apps.get_app_config("chatkit_images").get_models():
        for row in model._base_manager.all():
            for field in model._meta.concrete_fields:
                text = json.dumps(field.value_from_object(row), default=str)
                if any(json.dumps(word)[1:-1] in text for word in words):
                    found.add(f"{model.__name__}.{field.name}")
    return found


def files(settings: Any) -> set[Path]:
    roots = (settings.MEDIA_ROOT, settings.CHATKIT_IMAGES["SPOOL_DIR"])
    return {path for root in roots for path in Path(root).rglob("*.*")}


def run(**options: Any) -> str:
    out = StringIO()
    call_command("chatkit_images_erase", stdout=out, **options)
    return out.getvalue()


def test_nothing_of_a_person_is_left(settings: Any, ann: User, bob: User) -> None:
    fill(f"user:{bob.pk}", bob)
    theirs = files(settings)
    others = {model: model._base_manager.count() for model in with_rows()}
    owner = f"user:{ann.pk}"
    fill(owner, ann)
    # A final that waits for the storage, of an image of which there is a preview.
    waiting = GeneratedImage.objects.filter(thread__owner=owner, status="interrupted")
    for image in waiting:
        name = storage.name_of("images", image.key, "webp")
        storage.spool.keep(name, SECRET.encode())
    planned = json.loads(run(user="ann", dry_run=True, json=True))
    assert len(files(settings)) > len(theirs)

    receipt = json.loads(run(user="ann", json=True))

    assert told_of(owner, f"thr_{owner}", SECRET) <= {
        # Bob's.
        "Thread.title",
        "ThreadItem.payload",
        "GeneratedImage.prompt",
        "Run.error",
    }
    left = {model: model._base_manager.count() for model in with_rows()}
    kept = {UseEntry: 4, UseSummary: 2, DeletedFile: 0, OwnerBlock: 0}
    assert left == others | kept
    assert UseSummary.objects.get(owner="").images == 1
    assert files(settings) == theirs
    assert (receipt["complete"], receipt["held"], receipt["dry_run"]) == (
        True,
        False,
        False,
    )
    assert receipt["owner_digest"] == digest_of(owner)
    assert receipt["erased"]["images"] == {"rows": 4, "bytes": 34}
    assert receipt["erased"]["attachments"] == {"rows": 3, "bytes": 51}
    planned["erased"].pop("image_sources")
    for kind, found in planned["erased"].items():
        if kind != "positions":  # Those in threads come in addition.
            assert receipt["erased"][kind] == found, kind
    assert {"entries of use", "backups", "logs"} <= {
        each["what"] for each in receipt["remains"]
    }
    # A second one finds nothing.
    assert json.loads(run(user="ann", json=True))["erased"] == {}
    assert "Erased" not in run(owner=owner)


def with_rows() -> list[Any]:
    return [
        model
        for model in apps.get_app_config("chatkit_images").get_models()
        if model.__name__ != "Installation"
    ]


def test_what_a_team_has_stays_without_the_user(ann: User) -> None:
    fill("team:1", ann, threads=1)
    mine = Feedback.objects.get()
    Feedback.objects.filter(pk=mine.pk).update(owner=f"user:{ann.pk}")
    Run.objects.update(context={"user": ann.pk}, safety_identifier="abc")
    receipt = erase(f"user:{ann.pk}")
    assert receipt.rows == {"feedback": 1}
    assert {each.what: each.count for each in receipt.remains}["rows of others"] == 5
    assert Thread.objects.get().owner == "team:1"
    for model in (Thread, Attachment, Run):
        assert not model._default_manager.exclude(user=None).exists()
    for row in Run.objects.all():
        assert (row.context, row.safety_identifier) == ({}, "")
    assert told_of(f"user:{ann.pk}") == set()


def test_rows_of_a_user_who_was_deleted_go_by_their_owner(ann: User) -> None:
    owner = f"user:{ann.pk}"
    fill(owner)
    User.objects.all().delete()
    OwnerBlock.objects.create(owner=owner, words="Spam.")
    assert run(owner=owner)
    assert told_of(owner) == set()


def test_a_block_of_staff_stays_as_long_as_the_user(ann: User) -> None:
    owner = f"user:{ann.pk}"
    OwnerBlock.objects.create(owner=owner, words="Spam.")
    assert "Remains: 1 block. Staff have blocked the owner." in run(user="ann")
    assert OwnerBlock.objects.get().words == "Spam."


def test_what_is_held_stays_and_is_told(ann: User) -> None:
    owner = f"user:{ann.pk}"
    fill(owner, ann)
    hold = LegalHold.objects.create(thread_id=f"thr_{owner}_0")
    with pytest.raises(CommandError) as failed:
        run(user="ann")
    assert failed.value.returncode == 3
    assert Thread.objects.get().pk == hold.thread_id
    assert GeneratedImage.objects.count() == 2
    assert Feedback.objects.count() == Attachment.objects.count() == 1
    receipt = erase(owner)
    assert (receipt.held, receipt.is_complete) == (True, True)
    assert {each.what: each.count for each in receipt.remains}["threads"] == 1
    hold.delete()
    LegalHold.objects.create(owner=owner)
    with pytest.raises(CommandError) as failed:
        run(user="ann")
    assert failed.value.returncode == 3
    assert Thread.objects.count() == 1
    assert not OwnerBlock.objects.exists()


def test_a_hold_that_is_placed_meanwhile_keeps_what_is_left(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = f"user:{ann.pk}"
    fill(owner, ann, threads=3)
    fill("team:1", ann, threads=1)
    monkeypatch.setattr(erasure_rows, "THREADS", 1)
    receipt = erase(owner, progress=lambda what, count: place(owner))
    # The thread that was about to go at that moment.
    assert Thread.objects.for_owner(owner).count() >= 2
    assert UseEntry.objects.filter(owner=owner).count() == 3
    assert Thread.objects.get(owner="team:1").user == ann
    assert (receipt.held, receipt.is_complete) == (True, True)
    assert "all that is left" in {each.what for each in receipt.remains}
    with pytest.raises(CommandError) as failed:
        run(user="ann")
    assert failed.value.returncode == 3


def place(owner: str) -> None:
    LegalHold.objects.get_or_create(owner=owner)


def test_a_hold_between_two_parts_of_use_keeps_the_rest(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = f"user:{ann.pk}"
    fill(owner, ann, threads=3)
    monkeypatch.setattr(erasure_rows, "SLICE", 1)

    def told(what: str, count: int) -> None:
        if what == "use_entries":
            place(owner)

    assert erase(owner, progress=told).held
    assert UseEntry.objects.filter(owner=owner).count() == 2


def test_what_holds_of_others_keep_of_a_person_is_told(ann: User) -> None:
    fill("team:1", ann, threads=1)
    owner = f"user:{ann.pk}"
    Feedback.objects.update(owner=owner)
    place("team:1")
    for dry_run in (True, False):
        receipt = erase(owner, user=ann, dry_run=dry_run)
        assert receipt.held
        left = {each.what: each.count for each in receipt.remains}
        assert left["held rows of others"] == 6
    assert Feedback.objects.get().owner == owner
    assert Thread.objects.get().user == ann


def test_rows_of_a_projects_own_models_go_under_their_own_names(ann: User) -> None:
    class Run(models.Model):
        thread = models.ForeignKey(Thread, on_delete=models.CASCADE)

        class Meta:
            app_label = "auth"

        def __str__(self) -> str:
            return str(self.pk)

    owner = f"user:{ann.pk}"
    with connection.schema_editor() as editor:
        editor.create_model(Run)
    try:
        thread = Thread.objects.create(pk="thr_1", owner=owner, user=ann)
        Run.objects.create(thread=thread)
        receipt = erase(owner, user=ann)
        assert receipt.rows == {"auth.Run": 1, "threads": 1}
        assert receipt.is_complete
    finally:
        Run.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.delete_model(Run)
        apps.all_models["auth"].pop("run")
        apps.clear_cache()


def test_ends_of_runs_that_are_gone_go(ann: User) -> None:
    for owner in (f"user:{ann.pk}", "team:1"):
        payload = {"data": {"owner": owner, "thread_id": "thr_gone"}}
        RunEnd.objects.create(run_id=uuid.uuid4(), payload=payload)
    assert erase(f"user:{ann.pk}").rows == {"run_ends": 1}
    assert RunEnd.objects.get().payload["data"]["owner"] == "team:1"


def test_notes_of_others_are_told_and_leave_an_erasure_complete(ann: User) -> None:
    DeletedFile.objects.create(name=put(), storage_alias="gone")
    fill(f"user:{ann.pk}", ann, threads=1)
    receipt = erase(f"user:{ann.pk}")
    assert (receipt.files_left, receipt.is_complete) == (0, True)
    assert {each.what: each.count for each in receipt.remains}["other files"] == 1


def test_copies_that_a_move_has_left_go_at_once(
    settings: Any, ann: User, tmp_path: Path
) -> None:
    backend = "django.core.files.storage.FileSystemStorage"
    other = {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "other"}}
    settings.STORAGES = settings.STORAGES | {"other": other}
    fill(f"user:{ann.pk}", ann, threads=1)
    old = DeletedFile.objects.create(
        name=put(), due_at=timezone.now() + datetime.timedelta(hours=1)
    )
    move_storage("default", "other")
    assert DeletedFile.objects.count() > 5
    receipt = erase(f"user:{ann.pk}")
    assert receipt.is_complete
    left_files = [*tmp_path.rglob("*.png"), *files(settings)]
    assert {path.name for path in left_files if path.suffix == ".png"} == {
        Path(old.name).name
    }


async def test_who_chats_is_stopped_and_kept_out_meanwhile(
    chat: ChatClient, ann: User, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    model.respond_with(Text("Hello."), gate, Image())
    refused: list[Any] = []
    loop = asyncio.get_running_loop()
    pages = erasure_rows.Erasure._threads

    def told(self: Any) -> Any:
        # A message that comes while rows are being deleted.
        answer = asyncio.run_coroutine_threadsafe(
            chat.request_op("threads.create", {"input": message("Again")}), loop
        ).result(20)
        refused.append((answer.status_code, json.loads(answer.content)))
        yield from pages(self)

    monkeypatch.setattr(erasure_rows.Erasure, "_threads", told)
    response = await chat.request_op("threads.create", {"input": message("Hi")})
    reading = asyncio.ensure_future(collect(response))
    await asyncio.wait_for(asyncio.to_thread(gate.reached.wait, 20), 20)
    owner = f"user:{ann.pk}"
    receipt = await sync_to_async(erase_aside, thread_sensitive=False)(owner)
    gate.open()
    await asyncio.wait_for(reading, 20)
    assert receipt.is_complete
    assert {status for status, _ in refused} == {403}
    words = "What you have here is being erased. Please come back later."
    assert refused[0][1]["error"]["message"] == words
    assert not await Thread.objects.aexists()
    assert not await Run.objects.aexists()
    assert not await ThreadItem.objects.aexists()
    # They may come back.
    model.respond_with(Text("Hello."))
    assert await chat.say("Hi")


def erase_aside(owner: str) -> Receipt:
    try:
        return erase(owner)
    finally:
        connections.close_all()


async def collect(response: Any) -> list[Any]:
    return [event async for event in read_events(response)]


def test_files_that_a_storage_keeps_are_told(
    settings: Any, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(f"user:{ann.pk}", ann, threads=1)

    def refuse(self: Any, name: str) -> None:
        raise OSError("read-only")

    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "delete", refuse)
        out = StringIO()
        with pytest.raises(CommandError, match="Not all is erased"):
            call_command("chatkit_images_erase", user="ann", json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert (told["complete"], told["files_left"] > 5) == (False, True)
    assert files(settings)
    assert json.loads(run(user="ann", json=True))["complete"]
    assert not files(settings)


class Killed(BaseException):
    """The end of a process, as far as code can see it."""


@contextmanager
def killed_after(
    monkeypatch: pytest.MonkeyPatch, transactions: int
) -> Iterator[list[int]]:
    """End the code within after some transactions; the list has how many there were."""
    done = [0]

    @contextmanager
    def counted() -> Iterator[None]:
        with atomic():
            yield
            done[0] += 1
            if done[0] > transactions:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(erasure_rows, "atomic", counted)
        yield done


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_what_was_cut_off_is_finished_by_the_next(
    settings: Any, ann: User, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    owner = f"user:{ann.pk}"
    fill(owner, ann)
    with killed_after(monkeypatch, after), pytest.raises(Killed):
        erase(owner)
    # Until then nobody comes in.
    assert OwnerBlock.objects.filter(owner=owner).exists()
    assert erase(owner).is_complete
    assert told_of(owner) == set()
    assert not files(settings)


def test_slices_are_small(
    ann: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(erasure_rows, "SLICE", 2)
    monkeypatch.setattr(erasure_rows, "THREADS", 1)
    owner = f"user:{ann.pk}"
    fill(owner, ann, threads=3)
    assert erase(owner).is_complete
    assert told_of(owner) == set()
    assert not files(settings)


def test_shared_logs_of_runs_go(settings: Any, ann: User) -> None:
    url = services.redis()
    from redis import Redis

    from chatkit_images.runs.log.publisher import keys

    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"RUN_LOG_URL": url}
    fill(f"user:{ann.pk}", ann, threads=1)
    names = [name for row in Run.objects.all() for name in keys(row.pk)]
    with Redis.from_url(url) as redis:
        for name in names:
            redis.set(name, SECRET, ex=60)
        erase(f"user:{ann.pk}")
        assert not redis.exists(*names)
    settings.CHATKIT_IMAGES["RUN_LOG_URL"] = "redis://127.0.0.1:9/0"
    fill(f"user:{ann.pk}", ann, threads=1)
    receipt = erase(f"user:{ann.pk}")
    assert "shared logs of runs" in {each.what for each in receipt.remains}
