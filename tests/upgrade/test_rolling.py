"""Processes of before and after the upgrade, side by side on one site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.urls import reverse

from chatkit_images.models import GeneratedImage, Run, Thread
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import done_items, message, of_type
from tests.servers.browsing import Browser, until
from tests.servers.conftest import Server
from tests.servers.test_resume import Numbered, begin, resume

from .sides import NEW, OLD, Sides

HELLO = {"input": message("Hello")}
LOOK, DONE = Text("Look.", chunk=64), Text("Done.", chunk=64)
both_ways = pytest.mark.parametrize("ways", [(OLD, NEW), (NEW, OLD)], ids="-to-".join)


@pytest.fixture
def servers(sides: Sides, model: LoopbackAPI, ann: User) -> Iterator[dict[str, Server]]:
    """Both servers: at rest before and after the test, and without complaints."""
    found = {name: sides.server(name) for name in (OLD, NEW)}
    starts = {name: len(server.log.read_text()) for name, server in found.items()}
    yield found
    until(lambda: not Run.objects.running().exists(), what="the end of every run")
    for name, server in found.items():
        assert server.troubles(starts[name]) == [], name


@pytest.fixture
def here(
    servers: dict[str, Server], ways: tuple[str, str], ann: User
) -> Iterator[Browser]:
    """Ann's browser at the server at which a run begins."""
    with Browser(servers[ways[0]].url, ann) as browser:
        yield browser


@pytest.fixture
def there(
    servers: dict[str, Server], ways: tuple[str, str], ann: User
) -> Iterator[Browser]:
    """Ann's browser at the other server."""
    with Browser(servers[ways[1]].url, ann) as browser:
        yield browser


def drawing(model: LoopbackAPI, png: bytes) -> Gate:
    """Let the model hold an image behind its preview."""
    gate = Gate()
    model.respond_with(LOOK, Image(data=png, partials=1, gate=gate), DONE)
    return gate


def preview(stream: Numbered) -> list[Any]:
    """Read up to the preview of an image."""
    seen: list[Any] = []
    while True:
        seen += stream.until("thread.item.updated")
        if seen[-1][1]["update"]["type"] == "generated_image.updated":
            return seen


def items(browser: Browser, key: str) -> list[Any]:
    """Return the items of a thread, the same at every server."""
    page = browser.call("items.list", thread_id=key, order="asc")
    for item in page["data"]:
        if item["type"] == "generated_image":
            # Each version has an id of its own for an image, and windows of its own.
            path = urlsplit(item["image"]["url"]).path
            assert browser.get(path).status_code == 200
            item["image"] = path.rpartition(".")[0]
    found: list[Any] = page["data"]
    return found


def ended() -> Run:
    """Return the run when it has ended."""
    return until(lambda: Run.objects.exclude(status="running").first())  # type: ignore[return-value]


@pytest.mark.upgraded("rolling deploy", "a run is read in the other to its end")
@both_ways
def test_a_run_is_read_to_its_end_in_the_other(
    here: Browser, there: Browser, model: LoopbackAPI, png: bytes
) -> None:
    gate = drawing(model, png)
    with begin(here, **{"Idempotency-Key": "click-3"}) as response:
        mine = Numbered(response)
        seen = preview(mine)
        key = seen[0][1]["thread"]["id"]
        with resume(there, mine.run) as again:
            theirs = Numbered(again)
            known = preview(theirs)
            status = there.get(f"/chatkit/threads/{key}/status/").json()
            assert (status["busy"], status["run"]) == (True, mine.run)
            refused = there.ask("threads.add_user_message", thread_id=key, **HELLO)
            assert refused.status_code == 409
            assert refused.json()["error"]["code"] == "run_in_progress"
            gate.open()
            known += theirs.rest()
        seen += mine.rest()
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert known == seen
    assert ended().status == "completed"
    # A proxy may send the same request to the other server.
    with begin(there, **{"Idempotency-Key": "click-3"}) as response:
        assert Numbered(response).rest() == seen
    assert len(model.requests) == Run.objects.count() == 1


@pytest.mark.upgraded("rolling deploy", "an image is served and edited by the other")
@both_ways
def test_an_image_of_one_is_the_others_too(
    here: Browser, there: Browser, model: LoopbackAPI, png: bytes
) -> None:
    model.respond_with(LOOK, Image(data=png), DONE)
    events = here.call("threads.create", **HELLO)
    (item,) = done_items(events, "generated_image")
    # The page is open in the browser, and the proxy goes to the other server.
    response = there.get(urlsplit(item["image"]["url"]).path)
    assert (response.status_code, response.content) == (200, png)
    key = item["thread_id"]
    assert items(there, key) == items(here, key)
    model.respond_with(LOOK, Image(data=png), DONE)
    more = there.call("threads.add_user_message", thread_id=key, **HELLO)
    assert not of_type(more, "error")
    assert "data:image/png" in str(model.requests[-1]["input"])
    (question,) = done_items(more, "user_message")
    model.respond_with(LOOK, Image(data=png), DONE)
    retried = {"thread_id": key, "item_id": question["id"]}
    assert not of_type(here.call("threads.retry_after_item", **retried), "error")
    assert items(there, key) == items(here, key)
    (old_one,) = GeneratedImage.objects.exclude(superseded_at=None)
    assert old_one.item is None
    assert there.call("threads.delete", thread_id=key) == {}
    assert here.ask("threads.get_by_id", thread_id=key).status_code == 404


@pytest.mark.upgraded("rolling deploy", "a run is stopped in the other")
@both_ways
def test_a_run_is_stopped_in_the_other(
    here: Browser, there: Browser, model: LoopbackAPI, png: bytes
) -> None:
    gate = drawing(model, png)
    with begin(here) as response:
        stream = Numbered(response)
        key = preview(stream)[0][1]["thread"]["id"]
        stopped = there.post(f"/chatkit/threads/{key}/stop/").json()
        assert stopped == {"stopped": True}
        rest = [event for _, event in stream.rest()]
    gate.open()
    assert not of_type(rest, "error")
    assert ended().status == "cancelled"
    image = GeneratedImage.objects.get()
    assert (image.status, bool(image.file)) == ("cancelled", True)
    assert items(there, key) == items(here, key)


@pytest.mark.upgraded("rolling deploy", "staff see the rows of both in both")
def test_staff_see_the_same_in_both(
    servers: dict[str, Server], model: LoopbackAPI, ann: User, png: bytes
) -> None:
    root = User.objects.create_superuser("root", "root@example.com", "root")
    for server in servers.values():
        model.respond_with(LOOK, Image(data=png), DONE)
        with Browser(server.url, ann) as browser:
            browser.call("threads.create", **HELLO)
    rows: list[Any] = [*Thread.objects.all(), *GeneratedImage.objects.all()]
    assert len(rows) == 4
    for server in servers.values():
        with Browser(server.url, root) as browser:
            for row in rows:
                name = f"admin:chatkit_images_{row._meta.model_name}"
                page = reverse(f"{name}_change", args=[quote(row.pk)])
                assert page in browser.get(reverse(f"{name}_changelist")).text
                assert browser.get(page).status_code == 200


# Last: the old server ends here.


@pytest.mark.upgraded("rolling deploy", "a run that SIGTERM cuts off is told of")
@pytest.mark.parametrize("ways", [(OLD, NEW)], ids="-to-".join)
def test_a_server_is_replaced_in_the_middle_of_a_run(
    servers: dict[str, Server],
    here: Browser,
    there: Browser,
    sides: Sides,
    model: LoopbackAPI,
    png: bytes,
) -> None:
    gate = drawing(model, png)
    with begin(here) as response:
        mine = Numbered(response)
        key = preview(mine)[0][1]["thread"]["id"]
        with resume(there, mine.run) as again:
            theirs = Numbered(again)
            preview(theirs)
            sides.replace(OLD)
            told = [event for _, event in theirs.rest()]
        assert of_type([event for _, event in mine.rest()], "error")
    gate.open()
    sides.wait(servers[OLD])
    assert "1 runs are interrupted" in servers[OLD].forgive()
    (error,) = of_type(told, "error")
    assert error["allow_retry"]
    assert ended().status == "interrupted"
    status = there.get(f"/chatkit/threads/{key}/status/").json()
    assert (status["busy"], status["run"]) == (False, None)
    # What was there stays: the words, and the preview as the image.
    image = GeneratedImage.objects.get()
    assert (image.status, bool(image.file)) == ("interrupted", True)
    kinds = [item["type"] for item in items(there, key)]
    assert kinds[:3] == ["user_message", "assistant_message", "generated_image"]
    model.respond_with(LOOK)
    more = there.call("threads.add_user_message", thread_id=key, **HELLO)
    assert not of_type(more, "error")
