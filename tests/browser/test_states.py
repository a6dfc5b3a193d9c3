"""What became of answers and images, as somebody sees it who was not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from .chatting import images, say, wait_for_answer

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shot = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]
PRESSED = "[aria-label='{}'][aria-pressed=true]"


def remove_images(scratch: Path, key: str, number: int) -> None:
    """Remove an image of a thread from the demo's database, as staff would."""
    with closing(sqlite3.connect(scratch / "db.sqlite3", timeout=30)) as database:
        rows = database.execute(
            "SELECT id FROM chatkit_images_generatedimage WHERE thread_id = ?"
            " ORDER BY created_at, id",
            [key],
        ).fetchall()
        database.execute(
            "DELETE FROM chatkit_images_generatedimage WHERE id = ?", rows[number]
        )
        database.commit()


def test_images_of_one_answer_are_told_apart_judged_once_and_may_be_removed(
    page: Page, demo_scratch: Path, shot: Shot
) -> None:
    say(page, "Two houses by a lake")
    wait_for_answer(page)
    images(page).nth(1).wait_for()
    names = [image.get_attribute("alt") for image in images(page).all()]
    assert names == [f"Image {n} of 2: Two houses by a lake" for n in (1, 2)]
    assert page.locator(".tile-name").all_inner_texts() == [
        "Image 1 of 2",
        "Image 2 of 2",
    ]
    announcer = page.locator("#announcer")
    announcer.get_by_text("Image 2 of 2 is ready.").wait_for(state="attached")

    good, bad = (
        page.get_by_role("button", name=f"{kind} answer") for kind in ("Good", "Bad")
    )
    assert (good.count(), bad.count()) == (1, 1)
    good.click()
    page.locator(PRESSED.format("Good answer")).wait_for()
    bad.click()
    page.locator(PRESSED.format("Bad answer")).wait_for()
    page.reload()
    page.locator(PRESSED.format("Bad answer")).wait_for()
    assert good.get_attribute("aria-pressed") == "false"

    page.locator(".tile-frame").nth(1).click()
    page.locator("#lightbox[open]").wait_for()
    remove_images(demo_scratch, page.url.partition("#")[2], 1)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.locator("#lightbox[open]").wait_for(state="detached")
    note = page.locator(".note.removed")
    shot(page, "40-removed")
    words = "Image 2 of 2: removed\n\nThis image was removed."
    assert note.inner_text() == words
    page.reload()
    note.wait_for()
    images(page).first.wait_for()
    assert (note.inner_text(), images(page).count()) == (words, 1)


def test_an_image_that_cannot_be_loaded_says_so_and_is_loaded_again(
    open_page: OpenPage, shot: Shot
) -> None:
    page = open_page(expect="500")
    say(page, "a tree")
    wait_for_answer(page)
    images(page).wait_for()
    page.route("**/chatkit/images/**", lambda route: route.fulfill(status=500))
    page.reload()
    tile = page.locator(".tile[data-phase=broken]")
    tile.get_by_text("This image could not be loaded.").wait_for()
    shot(page, "41-broken")
    page.unroute_all()
    tile.get_by_role("button", name="Load again").click()
    images(page).wait_for()
    assert page.evaluate("document.activeElement.className") == "tile"


def test_a_chat_that_is_gone_says_so_at_its_address(
    open_page: OpenPage, shot: Shot
) -> None:
    page = open_page(expect="404")
    say(page, "hello")
    wait_for_answer(page)
    address = page.url
    other = page.context.new_page()
    other.goto(address)
    other.locator(".assistant").wait_for()
    page.get_by_role("button", name="Delete hello").focus()
    page.keyboard.press("Enter")
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    page.locator("#welcome").wait_for()
    # A page that was open learns of it when somebody looks at it.
    other.evaluate("window.dispatchEvent(new Event('focus'))")
    gone = other.get_by_role("heading", name="This chat is not there any more")
    for _ in range(2):
        gone.wait_for()
        assert other.url == address
        assert other.locator("#problem").is_hidden()
        other.reload()
    shot(other, "42-gone")
    other.locator("#log").get_by_role("button", name="New chat").click()
    other.locator("#welcome").wait_for()
