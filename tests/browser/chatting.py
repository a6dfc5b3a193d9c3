"""What a visitor of the chat page does and sees, in words of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

#: A tile shows an image, has some progress, and is not finished.
PARTIAL_SEEN = """() => {
    const tile = document.querySelector('.tile[data-phase="generating"]');
    const images = [...(tile?.querySelectorAll('.tile-image.shown') ?? [])];
    return images.some(image => getComputedStyle(image).opacity > 0.9)
        && Number(tile.querySelector('[role=progressbar]').ariaValueNow);
}"""
LOADED = "image => image.complete && image.naturalWidth > 0"


def say(page: Page, text: str) -> None:
    """Type a message and send it with Enter."""
    box = page.get_by_label("Your message")
    box.fill(text)
    box.press("Enter")


def wait_for_answer(page: Page, *, timeout: float = 60_000) -> None:
    """Wait until nothing is on its way.

    The page is busy before the key press that sends a message is over.
    """
    page.locator("#log[aria-busy=false]").wait_for(state="attached", timeout=timeout)


def wait_until_still(page: Page) -> None:
    """Wait for the end of transitions, and of animations that have one."""
    page.wait_for_function(
        "() => document.getAnimations().every(each => each.playState !== 'running'"
        " || each.effect.getComputedTiming().iterations === Infinity)"
    )


def wait_for_partial(page: Page) -> float:
    """Wait for a preview on the page; returns its progress in percent."""
    return float(page.wait_for_function(PARTIAL_SEEN).json_value())


def images(page: Page) -> Locator:
    """Return the finished images."""
    return page.locator('.tile[data-phase="done"] .tile-image.shown:last-child')


def answers(page: Page) -> Locator:
    """Return the designer's texts."""
    return page.locator(".assistant:visible .prose")
