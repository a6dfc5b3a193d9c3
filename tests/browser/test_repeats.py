"""Random sequences of repetitions, counted in the database.

``REPEATS=200`` plays that many, at both doors, with ``createFetch()`` and without it:
``tox run -e repeats``.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ports import free_port

from .processes import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
ALL = int(os.environ.get("REPEATS", "0"))
SAMPLE = 6
WRONG = ("doubled", "shown_twice", "paid_twice", "stopped_by_nobody", "silent_losses")
PAGES = 6
PLAY = """([seeds, options]) => void import("/repeating.js")
    .then(({ play }) => play(seeds, options))
    .then((played) => { window.played = played; },
          (error) => { window.played = String(error.stack ?? error); })"""
PLAYED = "() => window.played"


@contextmanager
def pages(browser: Browser, url: str, count: int) -> Iterator[list[Page]]:
    """Open blank pages of the demo, each of another visitor."""
    contexts = [browser.new_context() for _ in range(count)]
    try:
        yield [blank(context.new_page(), url) for context in contexts]
    finally:
        for context in contexts:
            context.close()


def blank(page: Page, url: str) -> Page:
    page.route(
        "**/repeating.js", lambda route: route.fulfill(path=HERE / "repeating.js")
    )
    page.route("**/loader.js", lambda route: route.fulfill(path=HERE / "loader.js"))
    page.route(
        "**/blank/", lambda route: route.fulfill(body="", content_type="text/html")
    )
    # Which sets the cookie of the CSRF token.
    page.goto(f"{url}/")
    page.goto(f"{url}/blank/")
    return page


def play(
    browser: Browser, url: str, scratch: Path, seeds: range, wrapped: bool
) -> list[Any]:
    """Play sequences in several pages at once; return what was done in each."""
    played: list[Any] = []
    with pages(browser, url, min(PAGES, len(seeds))) as opened:
        for place, page in enumerate(opened):
            mine = list(seeds)[place :: len(opened)]
            page.evaluate(PLAY, [mine, {"wrapped": wrapped}])
        for page in opened:
            page.wait_for_function(PLAYED, timeout=(len(seeds) + 10) * 30_000)
            found = page.evaluate(PLAYED)
            assert isinstance(found, list), found
            played += found
        until_idle(opened[0], scratch)
    return played


def until_idle(page: Page, scratch: Path) -> None:
    """Wait until what nobody reads has ended by itself."""
    query = "SELECT count(*) FROM chatkit_images_run WHERE status = 'running'"
    for _ in range(600):
        with closing(sqlite3.connect(scratch / "db.sqlite3", timeout=30)) as database:
            if database.execute(query).fetchone() == (0,):
                return
        page.wait_for_timeout(100)
    pytest.fail("A run does not end.")


def judge(scratch: Path, played: Iterable[Any]) -> dict[str, int]:
    """Compare what was said with what the database has."""
    with closing(sqlite3.connect(scratch / "db.sqlite3", timeout=30)) as database:
        messages = Counter(
            (json.loads(payload)["content"] or [{"text": ""}])[0]["text"]
            for (payload,) in database.execute(
                "SELECT payload FROM chatkit_images_threaditem"
                " WHERE type = 'user_message'"
            )
        )
        images = Counter(
            prompt
            for (prompt,) in database.execute(
                "SELECT prompt FROM chatkit_images_generatedimage"
            )
        )
        # The first message of the thread of each run that was stopped.
        stopped = Counter(
            (json.loads(payload)["content"] or [{"text": ""}])[0]["text"]
            for (payload,) in database.execute(
                "SELECT (SELECT payload FROM chatkit_images_threaditem i"
                " WHERE i.thread_id = r.thread_id AND i.type = 'user_message'"
                " ORDER BY i.created_at, i.id LIMIT 1)"
                " FROM chatkit_images_run r"
                " WHERE r.status = 'cancelled' AND r.thread_id IS NOT NULL"
            )
            if payload
        )
    found = Counter[str](sequences=0, said=0, reached=0, doubled=0, paid_twice=0)
    found.update(shown_twice=0, stopped=0, stopped_by_nobody=0, silent_losses=0)
    for each in played:
        said = each["said"]
        found["sequences"] += 1
        found["said"] += sum(said.values())
        found["stopped"] += each["stops"]
        ended = sum(stopped[text] for text in said)
        found["stopped_by_nobody"] += max(0, ended - each["stops"])
        for text, count in said.items():
            found["reached"] += min(count, messages[text])
            found["doubled"] += max(0, messages[text] - count)
            found["paid_twice"] += max(0, images[text] - count)
            well = [
                shown
                for shown in each["seen"]
                if shown["text"] == text and shown["end"] == "ended"
            ]
            told = [shown for shown in well if not shown.get("error")]
            found["silent_losses"] += max(0, len(told) - messages[text])
            for shown in well:
                found["shown_twice"] += max(0, shown["messages"] - 1)
    return dict(found)


def check(found: dict[str, int]) -> None:
    assert found["reached"]
    for name in WRONG:
        assert found[name] == 0, found


@pytest.mark.skipif(bool(ALL), reason="All are played below.")
def test_a_sample_of_repetitions_doubles_nothing(
    browser: Browser, demo: str, demo_scratch: Path
) -> None:
    check(judge(demo_scratch, play(browser, demo, demo_scratch, range(SAMPLE), True)))


@pytest.mark.skipif(not ALL, reason="REPEATS says how many; they take minutes.")
@pytest.mark.parametrize("door", ["view", "consumer"])
def test_all_repetitions(
    browser: Browser,
    tmp_path: Path,
    empty: Callable[[Path], Path],
    door: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {}
    for wrapped in (True, False):
        scratch = tmp_path / str(wrapped)
        scratch.mkdir()
        port = free_port()
        with running(empty(scratch), port, DOOR=door, REPEATS=str(ALL)):
            url = f"http://127.0.0.1:{port}"
            played = play(browser, url, scratch, range(ALL), wrapped)
            found[wrapped] = judge(scratch, played)
    with capsys.disabled():
        print(f"\n{door:32} with createFetch  without")
        for name, count in found[True].items():
            print(f"{name.replace('_', ' '):32} {count:16} {found[False][name]:8}")
    check(found[True])
