"""Two server processes and what a deploy, a crash or a network does to them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from chatkit_images.testing import Gate, LoopbackAPI, Text
from tests import services
from tests.client import URL, done_items, message, of_type, thread_id
from tests.servers.browsing import until
from tests.servers.test_watch import receive, watch

from .arming import Fault
from .browsing import Browser, answer, image_call
from .databases import on
from .following import Follower, kinds
from .pipe import Pipe, pipe
from .test_kills import APP, FINAL, PREVIEW, SWEEP, check_rows, check_talk, settle
from .world import Process, World

# Processes that share a database are for PostgreSQL.
pytestmark = [on("postgres"), pytest.mark.sweep(2)]
SERVERS = ["daphne", "uvicorn"]
DOORS = ["view", "consumer"]
# The update that shows a preview.
SHOWN = "generated_image.updated"
# What says at the end of an answer that it was cut off.
NOTE = ["assistant_message"]


@pytest.fixture
def follower(world: World) -> Follower:
    with Browser("http://127.0.0.1", world.cookies) as browser:
        return Follower(browser.cookies)


@pytest.fixture(params=["memory", "redis"])
def logs(request: pytest.FixtureRequest, world: World) -> str:
    """Where the logs of the world's runs are."""
    if request.param == "redis":
        world.settings["RUN_LOG_URL"] = services.redis()
    return str(request.param)


def drawing(model: LoopbackAPI) -> tuple[Gate, Gate]:
    """Let the model hold an image before its final, and the words after it."""
    final, words = Gate(), Gate()
    call = image_call("ig_1", FINAL, PREVIEW, gate=final)
    model.respond_with(*answer([Text("Look.")], call, words))
    return final, words


def ready(server: Process) -> int:
    url = f"{server.url}{URL}ready/"
    return httpx2.get(url, trust_env=False, timeout=30).status_code


def preview(follower: Follower) -> bool:
    """Whether a preview is shown, and thus stored, as the words before it are."""
    return any(SHOWN in kinds(event) for event in follower.events)


def background(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def check_whole(follower: Follower) -> None:
    """No event twice and none missing."""
    numbers = [number for number, _ in follower.frames]
    assert numbers == list(range(1, len(numbers) + 1))
    assert of_type(follower.events, "error") == []
    assert len(done_items(follower.events, "generated_image")) == 1


# A deploy


@pytest.mark.row("O01")
@pytest.mark.row("O02")
@pytest.mark.row("O17")
@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("door", DOORS)
def test_a_server_that_is_told_to_stop_lets_its_runs_end(
    world: World, model: LoopbackAPI, follower: Follower, kind: str, door: str
) -> None:
    final, words = drawing(model)
    with world.server(kind=kind, door=door) as server:
        reading = background(lambda: follower.ask(server.url))
        assert final.reached.wait(30)
        assert ready(server) == 200
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: ready(server) == 503)
        with Browser(server.url, world.cookies) as browser:
            body = {"type": "threads.create", "params": {"input": message("Now?")}}
            refused = browser.post(URL, json=body)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "draining"
            assert refused.json()["error"]["allow_retry"]
            # What takes no time is answered as before.
            assert browser.call("threads.list")["data"]
        final.open()
        words.open()
        reading.join(30)
        assert world.ended(server) in (0, -signal.SIGTERM)
    assert follower.whole
    check_whole(follower)
    first, second = settle(world, SWEEP, SWEEP)
    check_rows(world, first)
    assert first == second
    assert first["runs"] == ["completed"]


@pytest.mark.row("O01")
@pytest.mark.parametrize("kind", SERVERS)
def test_a_run_that_is_watched_ends_as_any_other(
    world: World, model: LoopbackAPI, follower: Follower, logs: str, kind: str
) -> None:
    final, words = drawing(model)
    with world.server(kind=kind) as server, Browser(server.url, world.cookies) as ann:
        reading = background(lambda: follower.ask(server.url))
        assert final.reached.wait(30)
        until(lambda: of_type(follower.events, "thread.item.updated"))
        with watch(ann, follower.thread) as socket:
            assert receive(socket)["status"] == "running"
            os.kill(server.pid, signal.SIGTERM)
            until(lambda: ready(server) == 503)
            final.open()
            words.open()
            theirs = []
            while "status" not in (frame := receive(socket)):
                theirs.append(frame["event"])
            assert frame["status"] == "completed"
            reading.join(30)
        assert world.ended(server) in (0, -signal.SIGTERM)
    assert follower.whole
    check_whole(follower)
    assert len(done_items(theirs, "generated_image")) == 1


@pytest.mark.row("O01")
@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_ends_when_who_watches_knows_the_end_of_its_run(
    world: World, model: LoopbackAPI, follower: Follower, kind: str
) -> None:
    fault = Fault(f"{APP}.consumers.websocket.status_of", action="hold")
    gate = Gate()
    model.respond_with(Text("Hello."), gate)
    with (
        world.server(fault, kind=kind) as server,
        Browser(server.url, world.cookies) as ann,
    ):
        reading = background(lambda: follower.ask(server.url))
        assert gate.reached.wait(30)
        until(lambda: of_type(follower.events, "thread.created"))
        with watch(ann, follower.thread) as socket:
            assert receive(socket)["status"] == "running"
            os.kill(server.pid, signal.SIGTERM)
            until(lambda: ready(server) == 503)
            gate.open()
            until(lambda: (world.folder / "reached").exists())
            reading.join(30)
            time.sleep(0.5)
            (world.folder / "go").touch()
            while (frame := receive(socket)).get("status") is None:
                pass
            assert frame["status"] == "completed"
        assert world.ended(server) in (0, -signal.SIGTERM)


@pytest.mark.row("S11")
@pytest.mark.parametrize("kind", SERVERS)
def test_who_is_let_in_to_watch_misses_no_run(
    world: World, model: LoopbackAPI, kind: str
) -> None:
    """The run of a moment in which the server is still busy with the newcomer."""
    fault = Fault(f"{APP}.consumers.websocket.current", action="hold")
    model.respond_with(Text("First."))
    model.respond_with(Text("Second."))
    frames: list[dict[str, Any]] = []
    let_in = threading.Event()

    def look(ann: Browser, key: str) -> None:
        with watch(ann, key) as socket:
            let_in.set()
            while not frames or frames[-1].get("status", "running") == "running":
                frames.append(receive(socket))

    with (
        world.server(fault, kind=kind) as server,
        Browser(server.url, world.cookies) as ann,
    ):
        key = thread_id(ann.say("Hello"))
        looking = background(lambda: look(ann, key))
        until(lambda: (world.folder / "reached").exists())
        assert not let_in.wait(0.5)
        (world.folder / "go").touch()
        assert let_in.wait(30)
        ann.say("And now?", key)
        looking.join(30)
    assert frames[0]["status"] == "running"
    assert frames[-1]["status"] == "completed"


@pytest.mark.row("O01")
@pytest.mark.row("O02")
@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_not_ready_in_time_is_interrupted(
    world: World, model: LoopbackAPI, follower: Follower, kind: str, door: str
) -> None:
    final, _ = drawing(model)
    with world.server(kind=kind, door=door, DRAIN_SECONDS=0.3) as server:
        reading = background(lambda: follower.ask(server.url))
        assert final.reached.wait(30)
        until(lambda: preview(follower))
        os.kill(server.pid, signal.SIGTERM)
        reading.join(30)
        assert world.ended(server) in (0, -signal.SIGTERM)
    assert follower.whole
    (error,) = of_type(follower.events, "error")
    assert error["allow_retry"]
    with world.server(kind=kind) as server, Browser(server.url, world.cookies) as ann:
        assert follower.resume(server.url) == 200
        items = ann.items(follower.thread)
        assert [item["type"] for item in items] == [
            "user_message",
            "assistant_message",
            "generated_image",
            *NOTE,
        ]
        # The best preview stands for the image.
        assert ann.fetch(items[2]).content == PREVIEW
        first, _ = settle(world, SWEEP, SWEEP)
        check_rows(world, first)
        assert first["runs"] == ["interrupted"]
        assert [image["status"] for image in first["images"]] == ["interrupted"]
        # The model is not told that the person wanted an end.
        assert "sdk_hidden_context" not in first["items"]
        check_talk(ann, model, follower.thread)
    final.open()


@pytest.mark.row("O01")
@pytest.mark.row("O02")
@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("door", DOORS)
def test_a_server_that_only_has_readers_sends_them_to_the_process_of_their_run(
    world: World, model: LoopbackAPI, follower: Follower, kind: str, door: str
) -> None:
    world.settings["RUN_LOG_URL"] = services.redis()
    final, words = drawing(model)
    with world.server() as one, world.server(kind=kind, door=door) as two:
        follower.ask(one.url, until="thread.item.updated")
        reading = background(lambda: follower.resume(two.url))
        with Browser(two.url, world.cookies) as ann:
            with watch(ann, follower.thread) as socket:
                assert receive(socket)["status"] == "running"
                time.sleep(0.3)
                os.kill(two.pid, signal.SIGTERM)
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        assert receive(socket).get("status", "running") == "running"
            assert closed.value.rcvd and closed.value.rcvd.code == 4500
            reading.join(20)
            assert not reading.is_alive(), "The stream did not end."
            assert world.ended(two, 20) in (0, -signal.SIGTERM)
        assert not follower.whole
        final.open()
        words.open()
        assert follower.resume(one.url) == 200
        assert follower.whole
        check_whole(follower)


@pytest.mark.row("O02")
@pytest.mark.parametrize("kind", SERVERS)
def test_an_idle_server_stops_at_once(
    world: World, model: LoopbackAPI, kind: str
) -> None:
    model.respond_with(Text("Hello."))
    with world.server(kind=kind) as server, Browser(server.url, world.cookies) as ann:
        assert of_type(ann.say("Hello"), "error") == []
        ann.close()
        os.kill(server.pid, signal.SIGTERM)
        assert world.ended(server, 20) in (0, -signal.SIGTERM)


@pytest.mark.row("O01")
@pytest.mark.row("O02")
@pytest.mark.parametrize("kind", SERVERS)
def test_a_second_signal_does_not_wait(
    world: World, model: LoopbackAPI, follower: Follower, kind: str
) -> None:
    final, _ = drawing(model)
    with world.server(kind=kind) as server:
        reading = background(lambda: follower.ask(server.url))
        assert final.reached.wait(30)
        until(lambda: preview(follower))
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: ready(server) == 503)
        os.kill(server.pid, signal.SIGTERM)
        assert world.ended(server, 20) in (0, -signal.SIGTERM)
        reading.join(30)
    assert len(of_type(follower.events, "error")) == 1
    assert settle(world, SWEEP)[0]["runs"] == ["interrupted"]
    final.open()


@pytest.mark.row("O03")
@pytest.mark.parametrize("kind", SERVERS)
def test_rolling_restarts_lose_no_image(
    world: World, model: LoopbackAPI, kind: str
) -> None:
    """Three people draw one image after another while every server is replaced."""
    world.settings["RUN_LOG_URL"] = services.redis()
    world.settings["DRAIN_SECONDS"] = 20
    call = image_call("ig_1", FINAL, PREVIEW)
    for _ in range(200):
        model.respond_with(*answer(call))
    current: list[Process] = []
    over = threading.Event()
    followers: list[Follower] = []

    def draw() -> None:
        with Browser("http://127.0.0.1", world.cookies) as browser:
            cookies = browser.cookies
        while not over.is_set():
            follower = Follower(cookies)
            followers.append(follower)
            key, deadline = os.urandom(8).hex(), time.monotonic() + 60
            while not follower.whole and time.monotonic() < deadline:
                # As the module for browsers does: the same request, then the rest.
                if follower.run:
                    follower.resume(current[-1].url)
                else:
                    follower.ask(current[-1].url, **{"Idempotency-Key": key})
                if not follower.whole:
                    time.sleep(0.05)

    servers = [world.server(kind=kind) for _ in range(5)]
    first = servers.pop()
    current.append(first.__enter__())
    people = [background(draw) for _ in range(3)]
    opened = [first]
    try:
        for server in servers:
            time.sleep(1.0)
            before = current[-1]
            current.append(server.__enter__())
            opened.append(server)
            os.kill(before.pid, signal.SIGTERM)
            assert world.ended(before, 40) in (0, -signal.SIGTERM)
        time.sleep(0.5)
        until(lambda: len(followers) > 10, 60)
    finally:
        over.set()
        for person in people:
            person.join(120)
    there = settle(world, SWEEP)[0]
    for server in opened:
        server.__exit__(None, None, None)
    for follower in followers:
        check_whole(follower)
    assert set(there["runs"]) == {"completed"}
    # One model call for each message: nothing was made twice.
    assert len(there["runs"]) == len(followers) == len(model.requests)
    assert {image["status"] for image in there["images"]} == {"completed"}


# Another process


@pytest.mark.row("S09")
@pytest.mark.parametrize("door", DOORS)
def test_a_stream_goes_on_in_another_process(
    world: World, model: LoopbackAPI, follower: Follower, logs: str, door: str
) -> None:
    final, words = drawing(model)
    with world.server(door=door) as one, world.server(kind="uvicorn", door=door) as two:
        follower.ask(one.url, until="thread.item.updated")
        if logs == "redis":
            follower.resume(two.url, until="thread.item.added")
        final.open()
        if logs == "redis":
            follower.resume(two.url, until="thread.item.done")
        words.open()
        if logs == "redis":
            follower.resume(one.url, until="thread.item.added")
        assert follower.resume(two.url) == 200
        assert follower.whole
        if logs == "redis":
            check_whole(follower)
        with Browser(two.url, world.cookies) as ann:
            done = {e["item"]["id"]: e["item"] for e in of_type(
                follower.events, "thread.item.done")}  # fmt: skip
            assert list(done) == [item["id"] for item in ann.items(follower.thread)]
    there = settle(world, SWEEP)[0]
    assert there["runs"] == ["completed"]


@pytest.mark.row("S03")
@pytest.mark.parametrize("stage", ["waiting", "text", "image"])
@pytest.mark.parametrize("by", ["thread", "run"])
def test_a_stop_from_another_process(
    world: World, model: LoopbackAPI, follower: Follower, stage: str, by: str
) -> None:
    gate = Gate()
    steps: dict[str, list[Any]] = {
        "waiting": [gate, Text("Never.")],
        "text": [Text("First."), gate],
        "image": [Text("Look."), *image_call("ig_1", FINAL, PREVIEW, gate=gate)],
    }
    model.respond_with(*steps[stage])
    with world.server() as one, world.server() as two:
        reading = background(lambda: follower.ask(one.url))
        assert gate.reached.wait(30)
        until(lambda: follower.run and of_type(follower.events, "stream_options"))
        if stage != "waiting":
            until(lambda: of_type(follower.events, "thread.item.updated"))
        if stage == "image":
            until(
                lambda: [e for e in follower.events if "image" in e.get("update", ())]
            )
        path = (
            f"threads/{follower.thread}" if by == "thread" else f"runs/{follower.run}"
        )
        with Browser(two.url, world.cookies) as ann:
            assert ann.post(f"{URL}{path}/stop/").json() == {"stopped": True}
            reading.join(20)
            assert not reading.is_alive(), "The stream did not end."
            assert of_type(follower.events, "error") == []
            kinds = [item["type"] for item in ann.items(follower.thread)]
            made = {
                "waiting": ["user_message"],
                "text": ["user_message", "assistant_message"],
                "image": ["user_message", "assistant_message", "generated_image"],
            }
            assert kinds == made[stage] + NOTE
            until(lambda: model.disconnects == 1)
    there = settle(world, SWEEP)[0]
    assert there["runs"] == ["cancelled"]
    assert there["items"].count("sdk_hidden_context") == 1
    gate.open()


@pytest.mark.row("S12")
def test_a_reader_learns_that_the_process_of_its_run_was_killed(
    world: World, model: LoopbackAPI, follower: Follower, logs: str
) -> None:
    final, _ = drawing(model)
    # The one that looks has patience with the other, which may be late.
    with (
        world.server(TUNING={"RUN_STALE_SECONDS": 1}) as one,
        world.server(TUNING={"RUN_STALE_SECONDS": 3}) as two,
    ):
        follower.ask(one.url, until=SHOWN)
        reading = background(lambda: follower.resume(two.url))
        time.sleep(0.3)
        os.kill(one.pid, signal.SIGKILL)
        assert world.killed(one)
        reading.join(30)
        assert follower.whole
        (error,) = of_type(follower.events, "error")
        assert error["allow_retry"]
        with Browser(two.url, world.cookies) as ann:
            kinds = [item["type"] for item in ann.items(follower.thread)]
            made = ["user_message", "assistant_message", "generated_image"]
            assert kinds == made + NOTE
            check_talk(ann, model, follower.thread)
        first, second = settle(world, SWEEP, SWEEP)
        check_rows(world, first)
        assert first == second
        assert sorted(first["runs"]) == ["completed", "interrupted"]
    final.open()


@pytest.mark.row("S12")
def test_a_dead_run_is_found_though_nobody_asks_for_it(
    world: World, model: LoopbackAPI, follower: Follower
) -> None:
    world.settings["TUNING"] = {"RUN_STALE_SECONDS": 1}
    final, _ = drawing(model)
    with world.server() as one, world.server() as two:
        follower.ask(one.url, until="thread.item.updated")
        with Browser(two.url, world.cookies) as ann:
            ann.call("threads.list")
        os.kill(one.pid, signal.SIGKILL)
        assert world.killed(one)
        time.sleep(1)

        def interrupted() -> bool:
            _, there = world.run("dump")
            return bool(there["runs"] == ["interrupted"])

        until(interrupted, 30)
    final.open()


@pytest.mark.row("O04")
def test_a_process_that_was_asleep_writes_nothing_into_the_thread_of_another(
    world: World, model: LoopbackAPI, follower: Follower
) -> None:
    world.settings["TUNING"] = {"RUN_STALE_SECONDS": 1}
    gate = Gate()
    model.respond_with(Text("First."), gate, Text("Late."))
    with world.server() as one, world.server() as two:
        reading = background(lambda: follower.ask(one.url))
        assert gate.reached.wait(30)
        until(lambda: of_type(follower.events, "thread.item.updated"))
        with Browser(two.url, world.cookies) as ann:
            with world.asleep(one):
                time.sleep(2)
                model.respond_with(Text("Answered by another."))
                events = ann.say("Still there?", follower.thread)
                assert of_type(events, "error") == []
                before = [item["id"] for item in ann.items(follower.thread)]
                gate.open()
            reading.join(30)
            assert follower.whole
            time.sleep(0.5)
            assert [item["id"] for item in ann.items(follower.thread)] == before
        first, second = settle(world, SWEEP, SWEEP)
        check_rows(world, first)
        assert first == second
        assert sorted(first["runs"]) == ["completed", "interrupted"]


# Redis


@pytest.fixture
def wire(world: World) -> Iterator[Pipe]:
    """What is between the world's servers and Redis."""
    host = services.redis().split("/")[2].rpartition("@")[2]
    with pipe(int(host.partition(":")[2] or 6379)) as wire:
        world.settings["RUN_LOG_URL"] = f"redis://127.0.0.1:{wire.port}/0"
        yield wire


@pytest.mark.row("S17")
@pytest.mark.parametrize("away", ["before", "in the middle", "until after the end"])
def test_redis_goes_away_and_comes_back(
    world: World, model: LoopbackAPI, follower: Follower, wire: Pipe, away: str
) -> None:
    final, words = drawing(model)
    with world.server() as one, world.server(kind="uvicorn") as two:
        if away == "before":
            wire.cut()
        mine = Follower(follower.cookies)
        reading = background(lambda: mine.ask(one.url))
        assert final.reached.wait(30)
        until(lambda: of_type(mine.events, "thread.item.updated"))
        follower.run = mine.run
        theirs = background(lambda: follower.resume(two.url))
        if away != "before":
            until(lambda: of_type(follower.events, "thread.item.updated"))
        time.sleep(0.3)
        wire.cut()
        final.open()
        assert words.reached.wait(30)
        if away != "until after the end":
            wire.mend()
            # Before the run has ended, though nothing was there when it was asked for.
            until(lambda: done_items(follower.events, "generated_image"), 30)
        words.open()
        reading.join(30)
        theirs.join(30)
        # Who is at the process of the run notices nothing.
        assert mine.whole
        check_whole(mine)
        # The other one has it all as well, maybe only in the end.
        assert follower.whole
        if away != "until after the end":
            check_whole(follower)
        assert of_type(follower.events, "error") == []
        done = {e["item"]["id"]: e["item"] for e in of_type(
            mine.events, "thread.item.done")}  # fmt: skip
        assert {
            e["item"]["id"]: e["item"]["type"]
            for e in of_type(follower.events, "thread.item.done")
        } == {key: item["type"] for key, item in done.items()}
        wire.mend()
