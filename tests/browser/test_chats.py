"""The list of chats: by last use, with signs of what goes on in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .chatting import say, wait_for_answer, wait_for_partial

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def test_a_chat_that_begins_before_the_list_is_there_is_listed(page: Page) -> None:
    held: list[Route] = []
    page.route("**/chats/**", lambda route: held.append(route))
    page.reload()
    page.locator("#welcome").wait_for()
    say(page, "hello")
    wait_for_answer(page)
    # As the server had it before.
    old = {"id": "thr_old", "title": "old", "updated_at": "2026-01-02T03:04:05Z"}
    held[0].fulfill(json={"data": [old], "after": None})
    page.get_by_role("link", name="old").wait_for()
    assert sorted(titles(page)) == ["hello", "old"]


def titles(page: Page) -> list[str]:
    """Return the titles in the list."""
    return page.locator(".thread-title").all_inner_texts()


def test_the_chat_that_is_used_is_the_first_and_says_when_it_is_done(
    page: Page,
) -> None:
    names: list[str] = []
    page.expose_function("sawTitle", lambda title: names.append(title))
    page.evaluate("""() => new MutationObserver(() => {
        for (const title of document.querySelectorAll(".thread-title, #title"))
            sawTitle(title.textContent);
    }).observe(document.body, { childList: true, subtree: true })""")
    say(page, "hello one")
    wait_for_answer(page)
    page.get_by_role("button", name="New chat").click()
    say(page, "hello two")
    wait_for_answer(page)
    assert titles(page) == ["hello two", "hello one"]

    page.get_by_role("link", name="hello one").click()
    page.locator(".user .bubble", has_text="hello one").wait_for()
    say(page, "a slow fox")
    wait_for_partial(page)
    assert titles(page) == ["hello one", "hello two"]
    page.get_by_role("link", name="hello two").click()
    first = page.locator(".thread").first
    first.get_by_text("drawing").wait_for()
    # A page that does not follow it looks for its end.
    page.reload()
    page.locator(".user .bubble", has_text="hello two").wait_for()
    first.get_by_text("drawing").wait_for()
    assert titles(page) == ["hello one", "hello two"]
    first.get_by_text("new answer").wait_for()
    page.get_by_role("link", name="hello one").click()
    page.locator(".mark").wait_for(state="detached")
    assert set(names) <= {"", "New chat", "hello one", "hello two"}


def test_a_chat_is_found_by_a_part_of_its_title(page: Page) -> None:
    chats = [
        {"id": f"thr_{n}", "title": f"Chat {n}", "updated_at": "2026-01-02T03:04:05Z"}
        for n in range(30)
    ]
    asked: list[str] = []

    def answer(route: Route) -> None:
        found = re.search(r"find=(\w+)", route.request.url)
        asked.append(found[1] if found else "")
        data = [each for each in chats if not found or found[1] in each["title"]]
        route.fulfill(json={"data": data, "after": None})

    page.route("**/chats/**", answer)
    page.reload()
    page.get_by_label("Find a chat").fill("29")
    page.locator(".thread").nth(1).wait_for(state="detached")
    assert titles(page) == ["Chat 29"]
    page.get_by_label("Find a chat").fill("walrus")
    page.get_by_text("No chat has this in its title.").wait_for()
    assert asked == ["", "29", "walrus"]
    assert page.locator("time").count() == 0
