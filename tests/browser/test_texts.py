"""Words of people, of any length and script, in each box of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .chatting import images, say, wait_for_answer, wait_until_still

if TYPE_CHECKING:
    from playwright.sync_api import Page

Shot = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]
TEXTS = [
    "A lighthouse on a cliff at dusk",
    "w" * 160,
    "שועל אדום בשלג " * 40,
    "雪の中の赤い狐👩‍👩‍👧‍👦Z̴̧̛̭" * 30,
    "many words " * 450,
]
SIZES = [(1280, 800), (820, 1000), (390, 844), (360, 740), (740, 360)]
OUTSIDE = """(frame) => {
    const outer = frame ? document.querySelector(frame).getBoundingClientRect()
        : { left: 0, top: -Infinity, right: innerWidth, bottom: Infinity };
    const parts = document.querySelectorAll(frame ? `${frame} *` : "body *");
    return [...parts].filter((part) => {
        if (!part.checkVisibility() || part.closest("[inert], .visually-hidden, svg"))
            return false;
        const { left, top, right, bottom } = part.getBoundingClientRect();
        return left < outer.left - 1 || right > outer.right + 1
            || top < outer.top - 1 || bottom > outer.bottom + 1;
    }).map((part) => part.outerHTML.slice(0, 80));
}"""
WHOLE = """() => {
    const image = document.querySelector("#lightbox-image");
    const { left, width, height } = image.getBoundingClientRect();
    return image.complete && Math.min(width, height) > 60
        && getComputedStyle(image).objectFit === "contain"
        && Math.abs(left + width / 2 - innerWidth / 2) < 2;
}"""


def test_words_of_any_length_and_script_fit_and_images_are_whole(
    page: Page, shot: Shot
) -> None:
    for text in TEXTS:
        say(page, text)
        wait_for_answer(page)
    images(page).nth(4).wait_for()
    directions = "(all) => all.map(p => getComputedStyle(p).direction)"
    bubbles = page.locator(".user .bubble p")
    assert bubbles.evaluate_all(directions) == ["ltr", "ltr", "rtl", "ltr", "ltr"]
    caption = page.locator("#lightbox-caption")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        wait_until_still(page)
        shot(page, f"34-texts-{width}")
        assert page.evaluate(OUTSIDE, "") == []
        images(page).first.click()
        for place, text in enumerate(TEXTS, start=1):
            page.get_by_text(f"{place} of 5", exact=True).wait_for()
            page.wait_for_function(WHOLE)
            assert page.evaluate(OUTSIDE, "#lightbox") == []
            closed = caption.bounding_box()["height"]
            assert closed < 40
            caption.click()
            assert caption.inner_text().split() == text.split()
            page.wait_for_function(WHOLE)
            assert page.evaluate(OUTSIDE, "#lightbox") == []
            if place == 3:
                shot(page, f"35-lightbox-{width}")
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")


def test_the_lightbox_walks_through_the_images_of_the_chat(
    open_page: OpenPage,
) -> None:
    page = open_page(expect="404")
    say(page, "three boats")
    wait_for_answer(page)
    images(page).nth(2).wait_for()
    # The first row of several stays in view.
    assert images(page).first.bounding_box()["y"] > 0
    images(page).nth(1).click()
    place = page.locator("#lightbox-place")
    assert place.inner_text() == "2 of 3"
    following = page.get_by_role("button", name="Next image")
    following.click()
    assert place.inner_text() == "3 of 3"
    page.keyboard.press("ArrowRight")
    assert place.inner_text() == "3 of 3"
    assert following.evaluate("button => button === document.activeElement")
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.keyboard.press("ArrowRight")
    assert place.inner_text() == "2 of 3"
    page.evaluate("document.documentElement.dir = 'ltr'")

    # One that goes meanwhile is skipped; one that cannot be read says so.
    page.evaluate("document.querySelectorAll('.entry.image')[1].remove()")
    page.get_by_role("button", name="Previous image").click()
    assert place.inner_text() == "1 of 2"
    page.locator("#lightbox-image").evaluate("image => { image.src = '/no/image/' }")
    page.get_by_text("This image is no longer there.").wait_for()
    page.keyboard.press("Escape")
    page.locator(".tile-frame:focus").wait_for()
    focused = page.evaluate("document.activeElement.closest('.entry').dataset.item")
    first = page.locator(".entry.image").first
    assert focused == first.get_attribute("data-item")


def test_the_latest_is_one_press_away(page: Page) -> None:
    say(page, "words " * 900)
    wait_for_answer(page)
    images(page).wait_for()
    latest = page.get_by_role("button", name="Latest")
    assert not latest.is_visible()
    page.locator("#scroller").evaluate("scroller => { scroller.scrollTop = 0 }")
    latest.click()
    latest.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.id") == "main"


def test_what_a_finger_presses_is_large_enough(open_page: OpenPage) -> None:
    page = open_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    say(page, "a tree")
    wait_for_answer(page)
    images(page).wait_for()
    small = """() => [...document.querySelectorAll("button, textarea, a[href]")]
        .filter((each) => each.checkVisibility() && !each.closest("dialog, .skip-link"))
        .filter((each) => Math.min(each.offsetWidth, each.offsetHeight) < 44)
        .map((each) => each.outerHTML)"""
    assert page.evaluate(small) == []
    page.get_by_role("button", name="Chats").click()
    wait_until_still(page)
    assert page.evaluate(small) == []
