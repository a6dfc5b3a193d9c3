"""Markdown of answers, from the text to the elements of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Find = Callable[..., Any]
MODULE = Path(__file__).with_name("markdown.js")
FIND = """async ([name, arguments_]) => {
    const found = await import("/markdown.js");
    return found[name](...arguments_);
}"""


@pytest.fixture(scope="module")
def find(browser: Any, demo: str) -> Iterator[Find]:
    """A function that asks `markdown.js`, in a page with nothing on it."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.route(
        "**/blank/", lambda route: route.fulfill(body="", content_type="text/html")
    )
    page.route("**/markdown.js", lambda route: route.fulfill(path=MODULE))
    page.route("**/static/**", lambda route: route.continue_())
    page.goto(f"{demo}/blank/")
    yield lambda name, *arguments: page.evaluate(FIND, [name, list(arguments)])
    page.close()
    # Images that are named in answers among them.
    assert [url for url in asked if not url.startswith(demo)] == []


def test_markdown_becomes_elements_and_nothing_else(find: Find) -> None:
    assert find("wrong") == []


def test_a_text_that_grows_never_shows_half_a_mark(find: Find) -> None:
    assert find("halfMarks") == []


def test_what_is_shown_stays_while_a_text_grows(find: Find) -> None:
    assert find("stays") == [True, True, False]


def test_any_text_is_read_in_linear_time_and_is_not_deep(find: Find) -> None:
    found = find("times")
    # Eight times as long; with its square, the time would be 64 times as long.
    slow = {k: t for k, t in found["took"].items() if t[1] > 24 * max(t[0], 20)}
    assert slow == {}
    assert found["deepest"] < 60


def test_a_block_is_read_the_way_of_its_first_letter(find: Find) -> None:
    texts = ["- **שלום** hi", "1. hi שלום", "# مرحبا", "# https://x.y/"]
    assert [find("attributes", text)[0] for text in texts] == ["rtl", "ltr"] * 2


def test_links_tell_the_other_side_nothing(find: Find) -> None:
    _dir, rel, policy = find("attributes", "https://x.y/")
    assert (rel, policy) == ("noopener noreferrer nofollow", "no-referrer")
