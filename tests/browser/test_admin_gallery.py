"""The gallery of the admin and the page of an image, in a real browser."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .staff import IMAGES, LINKS, LIST, OF_A_PAGE, serious

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

SIZES = [(1440, 900), (1280, 900), (390, 844)]


@pytest.fixture
def page(gallery: Page) -> Page:
    return gallery


def key(page: Page, name: str) -> str:
    """Press a key that leads to another image; return the address of its page."""
    more = page.locator("#ck-lightbox .ck-more")
    before = more.get_attribute("href")
    page.keyboard.press(name)
    page.wait_for_function(
        "before => document.querySelector('#ck-lightbox .ck-more')"
        "?.getAttribute('href') !== before",
        arg=before,
    )
    return str(more.get_attribute("href"))


def test_the_lightbox_goes_through_all_pages_of_the_list(page: Page) -> None:
    links = page.locator(LINKS)
    assert links.count() == OF_A_PAGE
    links.nth(40).click()
    page.locator("#ck-lightbox .ck-beside").wait_for()
    seen = {key(page, "ArrowRight") for _ in range(41, IMAGES)}
    assert len(seen) == IMAGES - 41
    page.keyboard.press("ArrowRight")
    page.get_by_text("There is no further image.").wait_for()
    assert key(page, "ArrowLeft") in seen
    assert serious(page, "#ck-lightbox") == []
    page.keyboard.press("Escape")
    # The image is on the other page; the person goes on where they came from.
    assert links.nth(40).evaluate("link => link === document.activeElement")


def test_the_lightbox_zooms_and_shows_previews(page: Page) -> None:
    links = page.locator(LINKS)
    links.nth(14).focus()
    page.keyboard.press("Enter")
    image = page.locator("#ck-lightbox .ck-view .ck-image")
    image.wait_for()
    page.wait_for_function(
        "document.querySelector('#ck-lightbox .ck-view .ck-image').complete"
    )
    fitting = image.bounding_box() or {}
    page.keyboard.press("+")
    assert (image.bounding_box() or {})["width"] == fitting["width"] * 1.5
    page.keyboard.press("0")
    assert image.bounding_box() == fitting
    page.get_by_role("button", name="Preview 2").click()
    assert str(image.get_attribute("src")).endswith("/partial-1/")
    key(page, "ArrowLeft")
    page.keyboard.press("Escape")
    assert links.nth(13).evaluate("link => link === document.activeElement")


def test_the_layout_is_remembered(page: Page) -> None:
    table = page.locator("#result_list")
    style = "table => getComputedStyle(table).display"
    assert table.evaluate(style) == "contents"
    assert not page.locator("#changelist-filter").is_visible()
    page.get_by_role("button", name="List").click()
    page.reload()
    assert table.evaluate(style) == "table"
    assert page.get_by_role("button", name="List", pressed=True).count() == 1
    page.get_by_role("button", name="Grid").click()
    page.get_by_role("button", name="Filters").click()
    assert page.locator("#changelist-filter").is_visible()
    page.get_by_role("button", name="Filters").click()


def test_a_modifier_opens_the_page(page: Page) -> None:
    with page.context.expect_page() as opened:
        page.locator(LINKS).nth(20).click(modifiers=["ControlOrMeta"])
    assert "/change/" in opened.value.url
    opened.value.close()
    assert not page.locator("#ck-lightbox").is_visible()


def test_the_page_leads_on_within_the_filters(page: Page, site: str) -> None:
    page.goto(f"{site}{LIST}?q=owl")
    page.locator("#result_list .field-words a").nth(1).click()
    prompt = page.locator("#ck-prompt-text")
    first = prompt.inner_text()
    page.locator("#ck-older").click()
    assert "owl" in prompt.inner_text() and prompt.inner_text() != first
    page.locator("#ck-newer").click()
    assert prompt.inner_text() == first


def status_of(url: str) -> int:
    """Return how a client without any cookie is answered."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_copied_link_opens_until_the_image_is_hidden(page: Page) -> None:
    page.goto(str(page.locator(LINKS).nth(30).evaluate("a => a.href")))
    page.get_by_role("button", name="Copy a link that expires").click()
    link = page.locator(".ck-told input").input_value()
    assert status_of(link) == 200
    page.get_by_text("Hide from its person…").click()
    page.get_by_role("button", name="Hide from its person", exact=True).click()
    page.get_by_text("The image is hidden.").wait_for()
    assert page.get_by_role("button", name="Copy a link that expires").count() == 0
    assert status_of(link) in (404, 410)


@pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="makes screenshots only")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(staff: BrowserContext, site: str, scheme: Any) -> None:
    folder = Path(os.environ["SCREENSHOTS"])
    page = staff.new_page()
    page.emulate_media(color_scheme=scheme)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        name = f"{width}-{scheme}.png"
        page.goto(site + LIST)
        page.screenshot(path=folder / f"gallery-{name}")
        links = page.locator(LINKS)
        addresses = links.evaluate_all("links => links.map(link => link.href)")
        links.nth(14).click()
        page.locator("#ck-lightbox .ck-beside").wait_for()
        page.screenshot(path=folder / f"lightbox-{name}")
        page.keyboard.press("Escape")
        for number in (2, 5, 11, 16):
            page.goto(addresses[number])
            page.screenshot(path=folder / f"image-{number}-{name}", full_page=True)
        page.goto(f"{site}{LIST}?q=nothing-has-this")
        page.screenshot(path=folder / f"empty-{name}")
    page.close()
