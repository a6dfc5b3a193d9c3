"""Each source times all that can happen to an image while it is made, and after."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

import httpx2
import pytest

from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from tests.client import URL, message, of_type, thread_id
from tests.faults.arming import Fault
from tests.faults.databases import on
from tests.faults.following import kinds
from tests.faults.world import World
from tests.servers.browsing import until

from .cells import EVENTS, SOURCES
from .play import SHOWN, TUNING, Play, Reading, images, words
from .sources import FINAL, PREVIEW, PROMPT

# Rows are read with the database's own module.
pytestmark = on("sqlite")
ADMIN = "/admin/chatkit_images/generatedimage/"


def previews(play: Play) -> None:
    """A preview is shown before the image, and can be fetched."""
    with play.server() as server, play.browser(server) as browser:
        reading, scene = play.held(browser)
        update = reading.seen(SHOWN)["update"]
        assert browser.fetch(update).content == PREVIEW
        assert play.rows() == [("generating", play.source.kept_as)]
        scene.open()
        turn = reading.turn()
        (item,) = images(turn.items.values())
        assert browser.fetch(item).content == FINAL


def final(play: Play) -> None:
    """The image is shown, stored, and the answer goes on behind it."""
    with play.server() as server, play.browser(server) as browser:
        _, turn = play.turn(browser)
        (item,) = images(turn.items.values())
        assert browser.fetch(item).content == FINAL
        assert ("Done." in words(turn.items.values())) == play.source.replies
        assert turn.errors == []
    assert play.rows() == [("completed", play.source.kept_as)]
    assert set(play.runs()) == {"completed"}


def failure(play: Play) -> None:
    """The source fails: the person reads so, and the answer goes on."""
    with play.server() as server, play.browser(server) as browser:
        key, turn = play.turn(browser, "failure")
        items = play.check_reload(browser, key, turn)
        said = words(items)
        assert ("Done." in said) == play.source.replies
        if play.source.shown:
            assert [status for status, _ in play.rows()] == ["failed"]
            assert "image" in said
        else:
            # Nothing was begun, so the model alone is told.
            assert play.rows() == []


def block(play: Play) -> None:
    """Moderation blocks the image: the person reads so, and may not try again."""
    with play.server() as server, play.browser(server) as browser:
        key, turn = play.turn(browser, "block")
        items = play.check_reload(browser, key, turn)
        assert "blocked" in words(items)
    assert play.rows() == [("blocked", play.source.kept_as)]


def stop(play: Play) -> None:
    """The person stops: what was shown stays, and the source is left."""
    with play.server() as server, play.browser(server) as browser:
        reading, _ = play.held(browser)
        key = reading.key
        with play.browser(server) as other:
            play.stop(other, key)
        turn = reading.turn()
        play.ended("cancelled")
        items = play.check_reload(browser, key, turn)
        shown = [browser.fetch(item).content for item in images(items)]
        assert shown == ([PREVIEW] if play.source.previews else [])
        assert "stopped" in words(items)
    assert [status for status, _ in play.rows()] == ["cancelled"] * play.source.shown


def leave(play: Play) -> None:
    """The person leaves while the image is made: it is finished all the same."""
    with play.server() as server, play.browser(server) as browser:
        scene = play.scene(held=True)
        play.source.plan(scene)
        answer = play.source.ask(browser, scene)
        events = [next(answer)]
        if play.source.previews:
            events += takewhile(lambda event: SHOWN not in kinds(event), answer)
        scene.reached()
        answer.close()  # type: ignore[attr-defined]
        key = thread_id(events)
        if not play.source.shown:
            play.ended("cancelled")
            assert play.rows() == []
            return
        again = {"thread_id": key, "input": message("Now?")}
        asked = {"type": "threads.add_user_message", "params": again}
        assert browser.post(URL, json=asked).status_code == 409
        scene.open()
        play.ended("completed")
        (item,) = images(play.items(browser, key))
        assert browser.fetch(item).content == FINAL
    assert play.rows() == [("completed", play.source.kept_as)]


def kill(play: Play) -> None:
    """The process is killed: another one ends the image, and the thread goes on."""
    with play.server() as server, play.browser(server) as browser:
        reading, _ = play.held(browser)
        key = reading.key
        os.kill(server.pid, signal.SIGKILL)
        assert play.world.killed(server)
        reading.turn()
    with play.server() as server, play.browser(server) as browser:
        # As a page does that is loaded again: it follows an answer that goes on.
        browser.get(f"{URL}threads/{key}/events/")
        play.ended("interrupted")
        items = play.items(browser, key)
        shown = [browser.fetch(item).content for item in images(items)]
        assert shown == ([PREVIEW] if play.source.previews else [])
        assert "interrupted" in words(items)
        play.model.reset()
        play.model.respond_with(Text("Again."))
        events = browser.say("And now?", key)
        assert of_type(events, "error") == []
    expected = ["interrupted"] * play.source.shown
    assert [status for status, _ in play.rows()] == expected


def deploy(play: Play) -> None:
    """The server is told to end: it waits for the image."""
    with play.server() as server, play.browser(server) as browser:
        reading, scene = play.held(browser)
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: ready(server.url) == 503, what="the drain")
        scene.open()
        turn = reading.turn()
        (item,) = images(turn.items.values())
        assert turn.open == set() and turn.errors == []
        assert play.world.ended(server) in (0, -signal.SIGTERM)
    assert play.rows() == [("completed", play.source.kept_as)]
    with play.server() as server, play.browser(server) as browser:
        (again,) = images(play.items(browser, reading.key))
        assert again["id"] == item["id"]
        assert browser.fetch(again).content == FINAL


def ready(url: str) -> int:
    return httpx2.get(f"{url}{URL}ready/", trust_env=False, timeout=30).status_code


def limit(play: Play) -> None:
    """The image counts: with one a day, the next message is refused."""
    limits = {"IMAGES_PER_DAY": 1}
    with play.server(LIMITS=limits) as server, play.browser(server) as browser:
        key, turn = play.turn(browser)
        assert len(images(turn.items.values())) == 1
        asked = {"thread_id": key, "input": message("One more.")}
        body = {"type": "threads.add_user_message", "params": asked}
        refused = browser.post(URL, json=body)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "images_per_day"
    assert play.rows() == [("completed", play.source.kept_as)]


def reload(play: Play) -> None:
    """A reload shows what was seen live."""
    with play.server() as server, play.browser(server) as browser:
        key, turn = play.turn(browser)
        items = play.check_reload(browser, key, turn)
        (item,) = images(items)
        assert browser.fetch(item).content == FINAL
        assert item["image"]["url"] == images(turn.items.values())[0]["image"]["url"]


def next_turn(play: Play) -> None:
    """The model gets the image with the next message."""
    with play.server() as server, play.browser(server) as browser:
        key, _ = play.turn(browser)
        play.model.respond_with(Text("Seen."))
        events = browser.say("What do you see?", key)
        assert of_type(events, "error") == []
        given = str(play.model.requests[-1]["input"])
        assert base64.b64encode(FINAL).decode() in given


def admin(play: Play) -> None:
    """Staff see the image, where it came from, and how it ended."""
    with play.server() as server, play.browser(server) as browser:
        play.turn(browser)
        play.make_staff()
        by_source = {"source__exact": play.source.kept_as, "status__exact": "completed"}
        page = browser.get(ADMIN, params=by_source)
        assert page.status_code == 200
        ((key,),) = play.select("SELECT id FROM chatkit_images_generatedimage")
        assert key in page.text.replace("-", "")
        change = browser.get(f"{ADMIN}{key}/change/")
        assert change.status_code == 200, change.text
        assert "Completed" in change.text or "completed" in change.text


DO: dict[str, Callable[[Play], None]] = dict(
    zip(
        EVENTS,
        (previews, final, failure, block, stop, leave, kill, deploy, limit, reload,
         next_turn, admin),
        strict=True,
    )
)  # fmt: skip


def cells() -> Iterator[Any]:
    for name, source in SOURCES.items():
        for event in EVENTS:
            if event not in source.absent:
                yield pytest.param(name, event, id=f"{name}-{event}".replace(" ", "_"))


@pytest.mark.parametrize(("name", "event"), list(cells()))
def test_source(
    world: World,
    model: LoopbackAPI,
    name: str,
    event: str,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("cell", [name, event])
    DO[event](Play(world, model, SOURCES[name]))


def test_kill_leaves_the_image_of_a_tool_beside_which_another_one_worked(
    world: World, model: LoopbackAPI
) -> None:
    play = Play(world, model, SOURCES["ToolOutputImage"])
    with play.server() as server, play.browser(server) as browser:
        scene = play.scene(held=True)
        play.source.plan(scene)
        model.reset()
        model.respond_with(
            ToolCall("trace", {}), ToolCall("generate", {"prompt": PROMPT})
        )
        reading = Reading(play.source.ask(browser, scene))
        scene.reached()
        reading.seen(SHOWN)
        key = reading.key
        os.kill(server.pid, signal.SIGKILL)
        assert play.world.killed(server)
    with play.server() as server, play.browser(server) as browser:
        browser.get(f"{URL}threads/{key}/events/")
        play.ended("interrupted")
        items = play.items(browser, key)
        assert [browser.fetch(item).content for item in images(items)] == [FINAL]
        assert "interrupted" in words(items)
    assert play.rows() == [("completed", "tool")]


def test_kill_leaves_the_sources_of_an_image_that_is_recovered(
    world: World, model: LoopbackAPI
) -> None:
    play = Play(world, model, SOURCES["hosted tool"])
    with play.server() as server, play.browser(server) as browser:
        key, _ = play.turn(browser)
    # The bytes are on a disk, and the row does not say so.
    before_row = Fault("chatkit_images.queries.images.complete", "before")
    options = {"SERVER": play.source.server, "TUNING": TUNING}
    with world.server(before_row, **options) as server:
        model.respond_with(Image(data=PREVIEW, base=FINAL, partials=0), Text("Done."))
        with play.browser(server) as browser:
            browser.say("Make it red.", key)
        assert world.killed(server)
    with play.server() as server, play.browser(server) as browser:
        browser.get(f"{URL}threads/{key}/events/")
        play.ended("interrupted")
        shown = [browser.fetch(item) for item in images(play.items(browser, key))]
        assert [response.content for response in shown] == [FINAL, PREVIEW]
    assert play.rows() == [("completed", "hosted")] * 2
    made, source = play.select(
        "SELECT id FROM chatkit_images_generatedimage ORDER BY created_at DESC"
    )
    noted = "SELECT image_id, source_image_id FROM chatkit_images_imagesource"
    assert play.select(noted) == [made + source]
