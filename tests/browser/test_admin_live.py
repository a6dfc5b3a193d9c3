"""Staff watch an image form: in the gallery, and on open pages of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from .chatting import LOADED, say, wait_for_answer
from .staff import ADMIN, LIST

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shot = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]
StaffPage = Callable[[str], "Page"]
WIDTHS = (1440, 1280, 390)
LATER_PREVIEW = """() => {
    const image = document.querySelector('[data-ck-live] li img');
    const found = image && image.src.match(/partial-([0-9]+)/);
    return found && Number(found[1]) > 0 && image.complete && image.naturalWidth > 0;
}"""

# What an answer says of the time is overwritten until the next second is counted.
MINUTES = """() => {
    const tile = document.querySelector('[data-ck-live] li');
    tile.dataset.started = Date.now() - 200000;
    return tile.textContent.includes('3\u00a0min');
}"""


def shots(page: Page, shot: Shot, name: str) -> None:
    """Take the page in the widths and the themes of the project."""
    if "SCREENSHOTS" not in os.environ:
        return
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            shot(page, f"{name}-{width}-{theme}")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


def test_an_image_forms_and_joins_the_gallery_while_staff_look(
    open_page: OpenPage, staff_page: StaffPage, shot: Shot
) -> None:
    chat, gallery = open_page(), staff_page(LIST)
    strip = gallery.locator("[data-ck-live]")
    assert strip.is_hidden()
    gallery.evaluate("window.stays = true")
    say(chat, "a slow boat")
    tile = strip.locator("li")
    tile.locator("progress").wait_for()
    gallery.wait_for_function(MINUTES)
    address = str(tile.locator("a").get_attribute("href"))

    page = gallery.context.new_page()
    page.goto(gallery.url.partition("/admin/")[0] + address)
    page.locator("[data-ck-state]").wait_for()
    thread = gallery.context.new_page()
    thread.goto(page.url)
    thread.locator(".ck-list a[href*='/thread/']").click()
    thread.locator("[data-ck-state]").wait_for()
    run = gallery.context.new_page()
    run.goto(page.url)
    run.locator(".ck-list a[href*='/run/']").click()
    run.locator("[data-ck-state]").wait_for()
    live = gallery.context.new_page()
    live.goto(gallery.url + "live/")

    gallery.wait_for_function(LATER_PREVIEW)
    live.wait_for_function(LATER_PREVIEW)
    shot(gallery, "60-strip")
    shot(run, "62-run-going")
    shots(live, shot, "61-live")

    wait_for_answer(chat)
    key = address.split("/")[-3]
    card = gallery.locator(f"#result_list tr:has(a[href*='{key}']) img")
    card.and_(gallery.locator("[src*='/thumbnail/']")).wait_for()
    strip.wait_for(state="hidden")
    assert gallery.evaluate("window.stays")
    live.locator("[data-ck-ended] img[src*='/thumbnail/']").wait_for()
    shots(live, shot, "63-live-ended")
    for opened, name in ((page, "image"), (thread, "thread"), (run, "run")):
        opened.bring_to_front()
        opened.locator("[data-ck-state][data-over=yes]").wait_for(state="attached")
        opened.wait_for_load_state("networkidle")
        assert opened.get_by_text("It has ended.").is_visible()
        assert opened.locator("[value=stop]").count() == 0
        shots(opened, shot, f"64-{name}-ended")
    assert page.locator(".ck-frame img[src*='/full/']").evaluate(LOADED)
    assert thread.locator(".ck-transcript img[src*='/thumbnail/']").count() == 1
    assert run.locator(".ck-summary img[src*='/thumbnail/']").count() == 1


def test_a_page_asks_no_more_once_its_person_is_logged_out(
    staff_page: StaffPage,
) -> None:
    gallery = staff_page(f"{LIST}live/")
    gallery.locator("[data-ck-none]").wait_for()
    gallery.context.clear_cookies()
    gallery.locator(".ck-live-note").get_by_text("logged out").wait_for()


def test_staff_see_what_failed_and_why_from_the_index_on(
    open_page: OpenPage, staff_page: StaffPage, shot: Shot
) -> None:
    chat = open_page(expect="410")
    say(chat, "a blocked fox")
    wait_for_answer(chat)
    say(chat, "error")
    wait_for_answer(chat)
    staff = staff_page(ADMIN)
    staff.locator(".ck-panel").wait_for()
    shots(staff, shot, "65-panel")
    assert staff.locator(".ck-panel").get_by_text("without a result").count() == 1
    staff.goto(staff.url + "run/?status__exact=failed")
    staff.locator("#result_list a").first.click()
    staff.locator(".ck-summary").get_by_text("The person read:").wait_for()
    shots(staff, shot, "66-run-failed")
    staff.locator(".ck-facts a").first.click()
    staff.locator(".ck-transcript .ck-end").first.wait_for()
    shots(staff, shot, "67-thread-notes")
    staff.goto(staff.url.partition("/thread/")[0] + "/thread/")
    staff.locator(".field-name").first.wait_for()
    shots(staff, shot, "68-threads")
