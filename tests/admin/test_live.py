"""Images as they form: what is told, to whom, and how often the database is asked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Lock
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chatkit_images import models
from chatkit_images.admin import live, live_rows, snapshots

from .conftest import put
from .paths import change, change_list, image_file, page

Make = Callable[..., Any]
TABLE = f"FROM {connection.ops.quote_name('chatkit_images_generatedimage')}"
LIVE = "admin:chatkit_images_generatedimage_live"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that stands still until a test moves it."""
    now = [1000.0]
    for module in (live, snapshots):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    live.snapshots.clear()
    live_rows.snapshots.clear()
    yield now
    live.snapshots.clear()
    live_rows.snapshots.clear()


@pytest.fixture
def form(make_image: Make) -> Make:
    def make(**fields: Any) -> models.GeneratedImage:
        values = {"status": "generating", "file": "", "thumbnail": "", **fields}
        return make_image(**values)

    return make


def ask(client: Client, **query: str) -> Any:
    response = client.get(reverse(f"{LIVE}_images"), query)
    assert response.status_code in (200, 204)
    return response.json() if response.status_code == 200 else None


def told(answer: Any) -> dict[str, Any]:
    return {image["id"]: image for image in answer["images"]}


def test_ten_viewers_within_a_second_cost_one_statement(
    login: Make, form: Make, clock: list[float]
) -> None:
    image = form()
    clients = [login("view_generatedimage") for _ in range(10)]

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            for client in clients:
                assert list(told(ask(client))) == [str(image.pk)]
        return sum(TABLE in query["sql"] for query in queries)

    assert statements() == 1
    clock[0] += 0.9
    assert statements() == 0
    clock[0] += 0.2
    assert statements() == 1


def test_viewers_at_once_wait_for_one_answer() -> None:
    asked, lock, barrier = [0], Lock(), Barrier(10)
    kept = snapshots.Snapshots(1.0)

    def read(*_: Any) -> int:
        with lock:
            asked[0] += 1
        return asked[0]

    def look(_: int) -> int:
        barrier.wait(10)
        found: int = kept.get("key", read)
        return found

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(look, range(10))) == {1}


def test_an_answer_that_could_not_be_read_is_read_again() -> None:
    kept = snapshots.Snapshots(1.0)

    def fail(*_: Any) -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        kept.get("key", fail)
    assert kept.get("key", lambda *_: 7) == 7


def test_what_nobody_asks_for_any_more_is_forgotten(clock: list[float]) -> None:
    kept = snapshots.Snapshots(1.0)
    for number in range(3 * snapshots.MOST_KEYS):
        clock[0] += 0.001
        kept.get(number, lambda *_: None)
    assert len(kept._found) <= snapshots.MOST_KEYS
    clock[0] += 60
    kept.get("new", lambda *_: None)
    assert len(kept._found) == 1


def test_a_narrowed_person_shares_with_nobody_who_sees_more(
    login: Make, form: Make, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = form(prompt="ours"), form(prompt="theirs")
    one, other = login("view_generatedimage"), login("view_generatedimage")
    narrow = int(other.session["_auth_user_id"])
    page_of = site._registry[models.GeneratedImage]
    rows = page_of.get_queryset

    def get_queryset(request: Any) -> Any:
        found = rows(request)
        return found.filter(prompt="ours") if request.user.pk == narrow else found

    monkeypatch.setattr(page_of, "get_queryset", get_queryset)
    for _ in range(2):
        assert set(told(ask(one))) == {str(ours.pk), str(theirs.pk)}
        assert set(told(ask(other))) == {str(ours.pk)}
        # What is asked for by name is not told either: it is not there.
        assert str(theirs.pk) not in json.dumps(ask(other, ids=str(ours.pk)))
        clock[0] += 2
    ask(other, ids=str(theirs.pk))
    clock[0] += 2
    answer = ask(other, ids=str(theirs.pk))
    assert set(told(answer)) == {str(ours.pk)}
    assert answer["gone"] == [str(theirs.pk)]


def test_only_who_may_view_images_is_told(
    login: Make, form: Make, clock: list[float]
) -> None:
    form()
    for name in (LIVE, f"{LIVE}_images"):
        assert login("view_thread", "view_run").get(reverse(name)).status_code == 403
        response = Client().get(reverse(name))
        assert response.status_code == 302
        assert login("view_generatedimage").get(reverse(name)).status_code == 200
        assert login("view_generatedimage").post(reverse(name)).status_code == 405
    assert (
        'data-ck-live="'
        in login("view_generatedimage")
        .get(change_list(models.GeneratedImage))
        .content.decode()
    )


def test_an_image_sharpens_and_ends_in_its_final_or_in_words(
    root: Client, form: Make, clock: list[float], png: bytes
) -> None:
    good = form(details={"partial_images": 3}, prompt="<b>fox")
    bad = form()
    tile = told(ask(root))[str(good.pk)]
    assert tile["isForming"] and "Begun" in tile["html"]
    assert 'max="4"' in tile["html"] and "&lt;b&gt;fox" in tile["html"]
    good.partials.create(index=1, file=put(png), mime="image/png")
    models.GeneratedImage.objects.update(partial_count=2)
    clock[0] += 1
    tiles = told(ask(root))
    assert image_file(good, "partial-1") in tiles[str(good.pk)]["html"]
    assert "Preview 2 of 3" in tiles[str(good.pk)]["html"]
    assert "2 previews" in tiles[str(bad.pk)]["html"]
    finals = {"file": put(png), "thumbnail": put(png), "mime": "image/png"}
    rows = models.GeneratedImage.objects
    rows.filter(pk=good.pk).update(status="completed", **finals)
    rows.filter(pk=bad.pk).update(status="blocked", reason="blocked")
    clock[0] += 1
    tiles = told(ask(root))
    assert not any(tile["isForming"] for tile in tiles.values())
    assert image_file(good, "thumbnail") in tiles[str(good.pk)]["html"]
    assert "The image was blocked by the safety system." in tiles[str(bad.pk)]["html"]
    # That is told for some seconds, and to those who ask by name.
    clock[0] += snapshots.REMEMBERED
    assert told(ask(root)) == {}
    ask(root, ids=str(good.pk))
    clock[0] += 1
    assert list(told(ask(root, ids=str(good.pk)))) == [str(good.pk)]


@pytest.mark.parametrize("visibility", ["hidden", "held"])
def test_an_image_that_is_kept_from_its_person_is_not_shown(
    root: Client, form: Make, clock: list[float], png: bytes, visibility: str
) -> None:
    image = form(visibility=visibility)
    image.partials.create(index=0, file=put(png), mime="image/png")
    html = told(ask(root))[str(image.pk)]["html"]
    assert "<img" not in html and visibility in html


def test_a_page_that_has_the_answer_gets_no_other(
    root: Client, form: Make, clock: list[float]
) -> None:
    form()
    answer = ask(root)
    assert ask(root, have=answer["version"]) is None
    form()
    clock[0] += 1
    assert len(ask(root, have=answer["version"])["images"]) == 2


def test_an_image_that_is_deleted_while_it_forms_is_gone(
    root: Client, form: Make, clock: list[float]
) -> None:
    image = form()
    key = str(image.pk)
    ask(root)
    image.delete()
    clock[0] += 1
    assert ask(root, ids=key)["gone"] == [key]
    # What is no key is left out.
    assert ask(root, ids=f"x,,{uuid.uuid4()}")["images"] == []


def test_no_more_than_a_hundred_are_told(
    root: Client, make_thread: Make, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST", 2)
    thread = make_thread()
    models.GeneratedImage.objects.bulk_create(
        models.GeneratedImage(thread=thread, call_id=f"c{n}") for n in range(9)
    )
    assert len(ask(root)["images"]) == 4


def test_what_is_asked_for_by_name_is_told_however_many_form(
    root: Client, make_thread: Make, form: Make, clock: list[float], monkeypatch: Any
) -> None:
    monkeypatch.setattr(live, "MOST", 2)
    for module in (live, snapshots):
        monkeypatch.setattr(module, "MOST_ASKED", 2)
    before = timezone.now() - timedelta(hours=1)
    old = form(created_at=before, file="")
    ended = form(created_at=before, status="failed", reason="timeout")
    thread = make_thread()
    models.GeneratedImage.objects.bulk_create(
        models.GeneratedImage(thread=thread, call_id=f"c{n}") for n in range(9)
    )
    ask(root)
    clock[0] += 1
    ids = f"{old.pk},{ended.pk}"
    ask(root, ids=ids)
    clock[0] += 1
    answer = ask(root, ids=ids)
    assert answer["gone"] == [] and len(answer["images"]) == 4
    tiles = told(answer)
    assert tiles[str(old.pk)]["isForming"] and not tiles[str(ended.pk)]["isForming"]
    moments = [tile["started"] for tile in answer["images"]]
    assert moments == sorted(moments, reverse=True)


# Pages of one row


def version(client: Client, row: Any, status: int = 200) -> str:
    response = client.get(page(row, "state"))
    assert response.status_code == status
    return response.json()["version"] if status == 200 else ""


def test_page_of_what_goes_on_follows_it_to_its_end(
    root: Client, make_thread: Make, make_item: Make, form: Make, clock: list[float]
) -> None:
    thread = make_thread()
    run = models.Run.objects.create(thread=thread, owner=thread.owner, operation="add")
    image = form(thread=thread, run=run)
    rows = [thread, run, image]

    def versions() -> list[str]:
        clock[0] += 1
        return [version(root, row) for row in rows]

    for row in rows:
        assert f'data-ck-state="{page(row, "state")}"' in (
            root.get(change(row)).content.decode()
        )
    seen = [versions()]
    assert versions() == seen[0]
    models.GeneratedImage.objects.update(partial_count=1)
    seen.append(versions())
    models.GeneratedImage.objects.update(status="completed", finished_at=timezone.now())
    seen.append(versions())
    models.Run.objects.update(status="completed")
    seen.append(versions())
    of_thread, of_run, of_image = zip(*seen, strict=True)
    assert len(set(of_thread)) == len(set(of_run)) == len(set(of_image)) == 4
    make_item(thread)
    assert versions()[0] != seen[-1][0]
    for row in rows:
        row.refresh_from_db()
        assert "data-ck-state" not in root.get(change(row)).content.decode()


def test_state_of_a_row_is_told_to_who_may_see_it_once_a_second(
    root: Client, login: Make, form: Make, clock: list[float], monkeypatch: Any
) -> None:
    image = form()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            version(root, image)
    assert sum(TABLE in query["sql"] for query in queries) == 1
    version(login("view_thread"), image, 404)
    for row, name in ((image, "state"), (models.Thread(pk="thr"), "state")):
        for key in ("nothing", "%00", "9" * 5000):
            url = page(row, name).replace(str(row.pk), key)
            assert root.get(url).status_code == 404
    monkeypatch.setattr(
        site._registry[models.GeneratedImage],
        "get_queryset",
        lambda request: models.GeneratedImage.objects.none(),
    )
    version(root, image, 404)


def test_a_page_that_follows_says_what_it_lacks() -> None:
    follower = live_rows.LiveRows(models.Thread, site)
    for name, value in (("is_live", None), ("state_of", None)):
        with pytest.raises(NotImplementedError, match=rf"must define {name}\(\)"):
            getattr(follower, name)(value)
