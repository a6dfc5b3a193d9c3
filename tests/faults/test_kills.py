"""SIGKILL at every step of an image, of a deletion and of the upkeep.

A server process dies at the step; a new one starts. What had reached a disk by then is
in the thread, what had not is interrupted, and nothing else is left anywhere.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests.client import done_items, of_type, thread_id
from tests.image_files import image_file

from .arming import Fault, sha256
from .browsing import Browser, answer, image_call
from .databases import on
from .proxy import Network
from .world import World

End = Literal["image", "preview", "message", "either"]
FINAL = image_file("green", size=(640, 480))
PREVIEW = image_file("red")
HOLDS, HOLDS_PREVIEW = sha256(FINAL), sha256(PREVIEW)
SWEEP = "chatkit_images_sweep"
FLUSH = "chatkit_images_flush_spool"
# Whatever is there is old enough for the upkeep.
NOW = {"TUNING": {"RUN_STALE_SECONDS": 0.01, "SWEEP_GRACE_SECONDS": 0}}
# A new server takes the dead one's run over at once.
SOON = {"TUNING": {"RUN_STALE_SECONDS": 0.2}}
FINISHED = {"completed", "failed", "blocked", "cancelled", "interrupted"}
APP = "chatkit_images"


@dataclass(frozen=True)
class Step:
    """Where the process dies, and what must be left of the image.

    Attributes:
        name: For the table.
        fault: The step.
        fs: What the thread shows with files on the filesystem; empty where the step
            does not exist.
        s3: The same with S3.
    """

    name: str
    fault: Fault
    fs: End | Literal[""]
    s3: End | Literal[""]


def step(name: str, at: str, when: Any, fs: Any, s3: Any, /, **more: Any) -> Step:
    path = at if at.startswith(("sql:", "pathlib.", "os.")) else f"{APP}.{at}"
    return Step(name, Fault(path, when, **more), fs, s3)


COMPLETING = r"sql:UPDATE .chatkit_images_generatedimage.*(completed|COMPLETED)"
STEPS = [
    step("after-intent-row", "queries.images.begin", "after", "message", "message"),
    # A preview: file, then row.
    step("before-preview-file", "storage.backend.put", "before", "message", "message",
         holding=HOLDS_PREVIEW),
    step("after-preview-file", "storage.backend.put", "after", "message", "message",
         holding=HOLDS_PREVIEW),
    step("before-preview-row", "queries.images.add_partial", "before",
         "message", "message"),
    step("after-preview-row", "queries.images.add_partial", "after",
         "preview", "preview"),
    # The final arrives.
    step("before-decode", "receiving.receive", "before", "preview", "preview"),
    step("after-decode", "imaging.sniff", "before", "preview", "preview",
         holding=HOLDS),
    step("before-spool", "storage.writing.keep", "before", "preview", "preview",
         holding=HOLDS),
    step("in-file", "pathlib.Path.hardlink_to", "before", "preview", "preview",
         holding=HOLDS),
    step("after-file", "pathlib.Path.hardlink_to", "after", "image", "image",
         holding=HOLDS),
    step("after-spool", "storage.writing.keep", "after", "preview", "image",
         holding=HOLDS),
    # It is being stored meanwhile.
    step("after-examination", "receiving.receive", "after", "either", "image"),
    step("before-put", "storage.backend.put", "before", "preview", "image",
         holding=HOLDS),
    step("after-put", "storage.backend.put", "after", "image", "image",
         holding=HOLDS),
    # Its row.
    step("before-row", "queries.images.complete", "before", "image", "image"),
    step("in-transaction", COMPLETING, "after", "image", "image"),
    step("after-row", "queries.images.complete", "after", "image", "image"),
    step("before-spool-dropped", "storage.spool.drop", "before", "image", "image",
         naming="/images/"),
    step("after-spool-dropped", "storage.spool.drop", "after", "image", "image",
         naming="/images/"),
    step("preview-deleted", "storage.delete_all", "before", "image", "image"),
    step("preview-deleted-noted", "storage.delete_all", "after", "image", "image"),
    # Its thumbnail, which is on its way at the same time.
    step("before-thumbnail", "storage.backend.put", "before", "either", "image",
         naming="/thumbnails/"),
    step("after-thumbnail", "storage.backend.put", "after", "either", "image",
         naming="/thumbnails/"),
    step("before-thumbnail-row", "queries.images.announce", "before",
         "image", "image"),
    step("after-thumbnail-row", "queries.images.announce", "after", "image", "image"),
    # Its item, the words after it, the end of the run.
    step("before-item", "queries.items.save", "before", "image", "image",
         naming="GeneratedImageItem"),
    step("after-item", "queries.items.save", "after", "image", "image",
         naming="GeneratedImageItem"),
    step("before-text", "queries.items.save", "before", "image", "image",
         naming="AssistantMessageItem"),
    step("after-text", "queries.items.save", "after", "image", "image",
         naming="AssistantMessageItem"),
    step("before-release", "runs.releases.release", "before", "image", "image"),
    step("in-release", "queries.endings.end_images_of", "after", "image", "image"),
    step("after-release", "runs.releases.release", "after", "image", "image"),
]  # fmt: skip


def cases() -> Iterator[Any]:
    for at in STEPS:
        for storage, end in (("fs", at.fs), ("s3", at.s3)):
            if end:
                yield pytest.param(
                    storage, at.fault, end, id=f"S12-kill-{at.name}-{storage}"
                )


@pytest.fixture
def home(request: pytest.FixtureRequest, world: World, storage: str) -> World:
    """A world whose files are in one of the storages."""
    if storage == "s3":
        net: Network = request.getfixturevalue("net")
        _, root = request.getfixturevalue("bucket")
        world.endpoint, world.bucket_root = net.url, root
    return world


def converse(browser: Browser, model: LoopbackAPI) -> list[dict[str, Any]]:
    """Ask for an image and return the events up to its end or the server's."""
    final, words = Gate(), Gate()
    call = image_call("ig_1", FINAL, PREVIEW, gate=final)
    model.respond_with(*answer(call, words))

    def seen(event: dict[str, Any]) -> None:
        # What comes next is sent when this is shown, so that the steps have an order.
        if event["type"] == "thread.item.updated":
            final.open()
        if done_items([event], "generated_image"):
            words.open()

    return browser.say("Draw a meadow.", seen=seen)


def die(world: World, model: LoopbackAPI, fault: Fault) -> list[dict[str, Any]]:
    """Let a server die at a step of a conversation; return what the browser saw."""
    with world.server(fault) as server, Browser(server.url, world.cookies) as browser:
        events = converse(browser, model)
        assert world.killed(server), f"It survived {fault}."
    return events


def settle(world: World, *commands: str) -> list[dict[str, Any]]:
    """Run commands of the upkeep in a new process; return what is there after each."""
    status, seen = world.run("settle", options=NOW, commands=list(commands))
    assert status == 0
    assert isinstance(seen, list)
    return seen


def check_rows(world: World, there: dict[str, Any]) -> None:
    """Compare rows and files: all final, all named, all there, all whole."""
    assert {image["status"] for image in there["images"]} <= FINISHED
    assert "running" not in there["runs"]
    assert there["noted"] == []
    assert there["missing"] == []
    assert set(world.files()) == set(there["files"])
    for image in there["images"]:
        if image["status"] == "completed":
            assert there["files"][image["file"]] == image["sha256"]


def check_thread(browser: Browser, key: str, end: End) -> None:
    """Look at the thread as Ann does when she comes back."""
    items = browser.items(key)
    images = [item for item in items if item["type"] == "generated_image"]
    shown = [browser.fetch(item) for item in images]
    assert all(response.status_code == 200 for response in shown)
    seen = [response.content for response in shown]
    if end == "either":
        assert seen in ([FINAL], [PREVIEW])
    else:
        assert seen == {"image": [FINAL], "preview": [PREVIEW], "message": []}[end]
    texts = [
        part["text"]
        for item in items
        if item["type"] == "assistant_message"
        for part in item["content"]
    ]
    told = [text for text in texts if text.startswith("The image was interrupted")]
    assert len(told) == (end == "message")


def check_talk(browser: Browser, model: LoopbackAPI, key: str) -> None:
    """Go on talking."""
    model.reset()
    model.respond_with(Text("Again."))
    events = browser.say("And now?", key)
    assert of_type(events, "error") == []
    (done,) = done_items(events, "assistant_message")
    assert done["content"][0]["text"] == "Again."


@pytest.mark.sweep(14)
@pytest.mark.row("S12")
@pytest.mark.parametrize(("storage", "fault", "end"), list(cases()))
@on("sqlite", "postgres")
def test_a_kill_and_then_the_sweep(
    home: World, model: LoopbackAPI, fault: Fault, end: End
) -> None:
    events = die(home, model, fault)
    with home.server() as server, Browser(server.url, home.cookies) as browser:
        first, second = settle(home, SWEEP, SWEEP)
        check_rows(home, first)
        assert second == first
        (image,) = first["images"]
        if end != "either":
            completed = end == "image"
            assert image["status"] == ("completed" if completed else "interrupted")
        check_thread(browser, thread_id(events), end)
        check_talk(browser, model, thread_id(events))
        # What the browser was told is true.
        if done_items(events, "generated_image"):
            assert image["status"] == "completed"


TAKEN_OVER = ("after-preview-row", "before-decode", "after-spool", "after-put",
              "before-row", "after-row", "before-item", "before-release")  # fmt: skip


@pytest.mark.sweep(4)
@pytest.mark.row("S12")
@pytest.mark.parametrize(
    ("storage", "fault", "end"),
    [
        pytest.param(storage, at.fault, end, id=f"S12-kill-{at.name}-{storage}-message")
        for at in STEPS
        if at.name in TAKEN_OVER
        for storage, end in (("fs", at.fs), ("s3", at.s3))
    ],
)
@on("sqlite", "postgres")
def test_a_kill_and_then_the_next_message(
    home: World, model: LoopbackAPI, fault: Fault, end: End
) -> None:
    """The thread is whole as soon as somebody writes in it, without any upkeep."""
    key = thread_id(die(home, model, fault))
    with home.server(**SOON) as server, Browser(server.url, home.cookies) as browser:
        check_talk(browser, model, key)
        check_thread(browser, key, end)
    (there,) = settle(home, SWEEP)
    check_rows(home, there)


@pytest.mark.row("S12")
@pytest.mark.parametrize("storage", [pytest.param("s3", id="S12-kill-in-put-s3")])
def test_a_kill_while_the_body_is_sent(
    home: World, model: LoopbackAPI, net: Network
) -> None:
    """The S3 server has got a part of the object when its client dies."""
    # Previews get through; the final is the second.
    trouble = net.suffer(stall_after=500, writes_only=True, skip=1)
    with home.server() as server, Browser(server.url, home.cookies) as browser:

        def kill() -> None:
            assert trouble.stalled.wait(30)
            os.kill(server.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        events = converse(browser, model)
        killer.join(60)
        assert home.killed(server)
    net.heal()
    with home.server() as server, Browser(server.url, home.cookies) as browser:
        (there,) = settle(home, SWEEP)
        check_rows(home, there)
        check_thread(browser, thread_id(events), "image")
        check_talk(browser, model, thread_id(events))


DELETIONS = {
    "before-commit": Fault(
        r"sql:DELETE FROM .chatkit_images_thread[^_i]", "before", naming=""
    ),
    "after-commit": Fault(f"{APP}.deleted_files.DeletedFileQuerySet._delete_quietly"),
    # The first are the previews' here, too.
    "before-files": Fault(f"{APP}.storage.delete_all", call=2),
    "after-files": Fault(f"{APP}.storage.delete_all", "after", call=2),
}


@pytest.mark.sweep(4)
@pytest.mark.row("D10")
@pytest.mark.parametrize("storage", ["fs", "s3"])
@pytest.mark.parametrize("at", [pytest.param(a, id=f"D10-kill-{a}") for a in DELETIONS])
@on("sqlite", "postgres")
def test_a_kill_while_a_thread_is_deleted(
    home: World, model: LoopbackAPI, at: str
) -> None:
    fault = DELETIONS[at]
    if at == "after-commit":
        # The first are the previews'.
        fault = Fault(fault.at, call=2)
    with home.server(fault) as server, Browser(server.url, home.cookies) as browser:
        key = thread_id(converse(browser, model))
        with pytest.raises(Exception, match="disconnect|reset|closed|Disconnected|20"):
            browser.call("threads.delete", thread_id=key)
            assert home.killed(server), "20"
            raise RuntimeError("20")
    (there,) = settle(home, SWEEP)
    if at == "before-commit":
        assert len(there["images"]) == 1
    else:
        assert there["images"] == []
        assert home.files() == {}
    check_rows(home, there)


@dataclass(frozen=True)
class Upkeep:
    """A command, where it dies, and what it finds.

    Attributes:
        elsewhere: Whether another host, whose spool is empty, has ended the run first.
    """

    command: str
    at: str
    when: Literal["before", "after"] = "before"
    elsewhere: bool = False


UPKEEP = {
    "flush-in-take-over": Upkeep(FLUSH, "queries.endings.end_images_of"),
    "flush-after-take-over": Upkeep(FLUSH, "runs.releases.release", "after"),
    "flush-before-put": Upkeep(FLUSH, "storage.backend.put", "before", True),
    "flush-after-put": Upkeep(FLUSH, "storage.spool.drop", "before", True),
    "flush-after-unlink": Upkeep(FLUSH, "storage.spool.drop", "after", True),
    "flush-before-row": Upkeep(FLUSH, "queries.images.complete", "before", True),
    "flush-after-row": Upkeep(FLUSH, "queries.images.complete", "after", True),
    "sweep-in-take-over": Upkeep(SWEEP, "queries.endings.end_images_of"),
    "sweep-before-row": Upkeep(SWEEP, "queries.images.complete"),
    "sweep-after-row": Upkeep(SWEEP, "queries.images.complete", "after"),
    "sweep-before-item": Upkeep(SWEEP, "queries.items.save"),
    "sweep-after-item": Upkeep(SWEEP, "queries.items.save", "after"),
    "sweep-after-release": Upkeep(SWEEP, "runs.releases.release", "after"),
    "sweep-elsewhere": Upkeep(SWEEP, "queries.images.complete", "before", True),
}


@pytest.mark.sweep(4)
@pytest.mark.row("D08")
@pytest.mark.parametrize("storage", ["s3"])
@pytest.mark.parametrize(
    "upkeep", [pytest.param(UPKEEP[at], id=f"D08-kill-{at}") for at in UPKEEP]
)
@on("sqlite", "postgres")
def test_a_kill_of_the_upkeep_itself(
    home: World, model: LoopbackAPI, upkeep: Upkeep
) -> None:
    """The server died with the image in its spool; so does what would save it."""
    events = die(home, model, Fault(f"{APP}.storage.backend.put", holding=HOLDS))
    if upkeep.elsewhere:
        options = NOW | {"SPOOL_DIR": str(home.folder / "elsewhere")}
        _, (seen,) = home.run("settle", options=options, commands=[SWEEP])
        assert [image["status"] for image in seen["images"]] == ["interrupted"]
    fault = Fault(f"{APP}.{upkeep.at}", upkeep.when)
    status, _ = home.run("settle", fault, options=NOW, commands=[upkeep.command])
    assert status == -signal.SIGKILL
    with home.server() as server, Browser(server.url, home.cookies) as browser:
        first, second = settle(home, SWEEP, SWEEP)
        check_rows(home, first)
        assert second == first
        check_thread(browser, thread_id(events), "image")
        check_talk(browser, model, thread_id(events))
