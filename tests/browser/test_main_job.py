"""The job the package exists for: images in a chat, kept, and found by staff."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .chatting import (
    LOADED,
    answers,
    images,
    say,
    wait_for_answer,
    wait_for_partial,
)
from .staff import LIST, log_in
from .wire import IMAGE, Wire

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shot = Callable[["Page", str], None]


def test_image_sharpens_stays_changes_and_is_found_by_staff(
    wired_page: Page, wire: Wire, demo: str, shot: Shot
) -> None:
    page = wired_page
    shot(page, "01-empty")
    wire.hold_behind(IMAGE)
    say(page, "a red fox in the snow")
    assert 0 < wait_for_partial(page) < 100
    shot(page, "02-partial")
    wire.go_on()
    wait_for_answer(page)
    image = images(page)
    image.wait_for()
    assert image.evaluate(LOADED)
    assert image.get_attribute("alt") == "a red fox in the snow"
    shot(page, "03-final")

    page.reload()
    images(page).wait_for()
    assert images(page).evaluate(LOADED)
    assert page.locator(".user .bubble").inner_text() == "a red fox in the snow"
    shot(page, "04-reloaded")

    say(page, "now at night")
    wait_for_answer(page)
    images(page).nth(1).wait_for()
    assert images(page).count() == 2
    assert answers(page).filter(has_text="started from the earlier image").count()
    shot(page, "05-follow-up")

    page.goto(f"{demo}/admin/login/?next={LIST}%3Fq=fox")
    log_in(page)
    thumbnails = page.locator("#result_list img")
    thumbnails.first.wait_for()
    page.wait_for_load_state("networkidle")
    shot(page, "06-admin")
    assert thumbnails.count() >= 1
    assert all(image.evaluate(LOADED) for image in thumbnails.all())
    page.goto(f"{demo}{LIST}?q=walrus")
    assert thumbnails.count() == 0


def test_two_images_arrive_in_two_tiles(
    wired_page: Page, wire: Wire, shot: Shot
) -> None:
    page = wired_page
    wire.hold_behind(IMAGE)
    page.get_by_role("button", name="Two houses by a lake", exact=True).click()
    page.locator(".tile").nth(1).wait_for()
    wait_for_partial(page)
    shot(page, "07-two-partial")
    wire.go_on()
    wait_for_answer(page)
    images(page).nth(1).wait_for()
    assert images(page).count() == page.locator(".tile").count() == 2
    sources = {image.get_attribute("src") for image in images(page).all()}
    assert len(sources) == 2
    shot(page, "08-two-final")


def test_stop_ends_the_image_and_nothing_spins(page: Page, shot: Shot) -> None:
    say(page, "a slow boat")
    wait_for_partial(page)
    page.get_by_role("button", name="Stop").click()
    wait_for_answer(page)
    shot(page, "09-stopped")
    assert page.locator('.tile[data-phase="generating"]').count() == 0
    again = page.context.new_page()
    again.goto(page.url)
    mark = "Made before it was stopped"
    for each in (page, again):
        tile = each.locator('.tile[data-phase="stopped"]', has_text=mark)
        tile.wait_for()
        name = f"Open preview, {mark.lower()}: a slow boat"
        tile.get_by_role("button", name=name).wait_for()
        note = each.locator(".note.stopped", has_text="This is only a preview.")
        note.get_by_role("button", name="Retry").wait_for()
        assert each.get_by_role("progressbar").count() == 0
        # What was not finished is not asked about.
        assert each.get_by_role("button", name="Good answer").count() == 0
    say(page, "a tree")
    wait_for_answer(page)
    images(page).first.wait_for()


def test_blocked_image_shows_its_reason_and_a_way_on(page: Page, shot: Shot) -> None:
    say(page, "a forbidden scene")
    wait_for_answer(page)
    for name in ("10-blocked", "10-blocked-again"):
        note = page.locator(".note.blocked")
        note.get_by_role("heading", name="Blocked").wait_for()
        shot(page, name)
        assert page.locator(".tile").count() == 0
        assert "It found violence." in note.inner_text()
        assert page.get_by_role("button", name="Good answer").count() == 0
        page.reload()
    note.get_by_role("button", name="Change the words").click()
    assert page.get_by_label("Your message").input_value() == "a forbidden scene"
    note.get_by_role("button", name="Try again").click()
    page.locator("#log[aria-busy=true]").wait_for(state="attached")
    wait_for_answer(page)
    assert page.locator(".user").count() == note.count() == 1


def test_image_goes_on_after_a_reload(page: Page, shot: Shot) -> None:
    say(page, "a slow tree")
    progress = wait_for_partial(page)
    page.reload()
    # The tile comes back with its preview.
    assert wait_for_partial(page) >= progress
    assert page.locator("#log[aria-busy=true]").count() == 1
    assert images(page).count() == 0
    shot(page, "12-after-reload")
    wait_for_answer(page)
    images(page).wait_for()
    assert page.locator(".tile").count() == page.locator(".user").count() == 1


def test_an_answer_that_is_cut_off_in_an_image_has_one_note(
    open_page: Callable[..., Page],
) -> None:
    page = open_page(expect="net::ERR")
    # As if the server went away: the page has nothing but the stream.
    page.route("**/status/**", lambda route: route.abort())
    say(page, "a drop of water")
    wait_for_answer(page, timeout=60_000)
    note = page.locator(".note")
    assert note.all_inner_texts() == [
        "Not finished\n\nThis is only a preview. The image could not be generated."
        " The connection broke off. Try again.\n\nRetry"
    ]


@pytest.mark.parametrize("prompt", ["an error at sea", "a drop of water"])
def test_failed_answer_can_be_retried(page: Page, shot: Shot, prompt: str) -> None:
    say(page, prompt)
    wait_for_answer(page, timeout=60_000)
    note = page.locator(".note.failed")
    note.wait_for()
    words = note.inner_text()
    # As somebody sees it who was not there.
    page.reload()
    note.wait_for()
    assert note.inner_text() == words
    shot(page, f"11-{prompt.split()[1]}")
    assert page.locator('.tile[data-phase="generating"]').count() == 0
    note.get_by_role("button", name="Retry").click()
    page.locator("#log[aria-busy=true]").wait_for(state="attached")
    # The button is gone.
    assert page.evaluate("document.activeElement.id") == "main"
    wait_for_answer(page, timeout=60_000)
    # The words ask for the same failure again; what counts is that they were asked.
    note.wait_for()
    assert note.count() == 1
    assert page.locator(".user").count() == 1
