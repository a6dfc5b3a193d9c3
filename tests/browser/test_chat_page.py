"""The chat page itself: keyboard, looks, small screens, and what it is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .chatting import images, say, wait_for_answer, wait_for_partial, wait_until_still

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

Shot = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'"
)
NARROW = {"width": 360, "height": 740}


def focused(page: Page) -> str:
    """Return the accessible name of what has the focus."""
    return str(
        page.evaluate(
            "() => document.activeElement.ariaLabel || document.activeElement.id"
            " || document.activeElement.textContent.trim()"
        )
    )


def reach(page: Page, name: str, key: str) -> None:
    """Press a key until what has that name has the focus."""
    for _ in range(40):
        if focused(page) == name:
            return
        page.keyboard.press(key)
    raise AssertionError(f"{name} is out of reach, at {focused(page)}.")


def test_keyboard_alone_is_enough(page: Page, shot: Shot) -> None:
    assert focused(page) == "main"
    page.keyboard.type("a slow cat")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("on a wall")
    assert page.locator(".user").count() == 0
    page.keyboard.press("Enter")
    wait_for_partial(page)
    assert focused(page) == "main"
    page.keyboard.press("Escape")
    wait_for_answer(page)
    assert page.locator('.tile[data-phase="stopped"]').count() == 1

    page.keyboard.type("a cat")
    page.keyboard.press("Enter")
    wait_for_answer(page)
    images(page).last.wait_for()
    reach(page, "Open image: a cat", "Shift+Tab")
    page.keyboard.press("Enter")
    page.locator("#lightbox[open]").wait_for()
    shot(page, "20-lightbox")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#lightbox-place").inner_text() == "1 of 2"
    page.keyboard.press("ArrowRight")
    reach(page, "lightbox-download", "Tab")
    with page.expect_download():
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.locator("#lightbox[open]").wait_for(state="detached")
    assert focused(page) == "Open image: a cat"

    reach(page, "Rename a slow cat on a wall", "Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("Cats")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Cats").wait_for()
    reach(page, "new-chat", "Shift+Tab")
    page.keyboard.press("Enter")
    assert focused(page) == "main"
    reach(page, "Attach images", "Shift+Tab")
    page.locator("#file").evaluate(
        "file => file.addEventListener('click', (event) => {"
        " event.preventDefault(); file.dataset.asked = 'yes'; })"
    )
    page.keyboard.press("Enter")
    page.locator("#file[data-asked=yes]").wait_for(state="attached")
    reach(page, "Delete Cats", "Shift+Tab")
    page.keyboard.press("Enter")
    reach(page, "Delete", "Tab")
    page.keyboard.press("Enter")
    page.locator(".thread").wait_for(state="detached")


def test_finished_messages_are_announced_and_deltas_are_not(page: Page) -> None:
    say(page, "hello")
    wait_for_answer(page)
    announcer = page.locator("#announcer")
    assert announcer.get_attribute("aria-live") == "polite"
    said = announcer.locator("p").all_inner_texts()
    assert [text for text in said if text != "Working on it."] == [
        page.locator(".assistant .prose").inner_text().join(["Designer: ", ""])
    ]
    assert page.locator("#log[aria-live]").count() == 0


def test_refused_message_comes_back_with_the_reason(open_page: OpenPage) -> None:
    page = open_page(expect="409")
    answer = {"error": {"code": "busy", "message": "An answer is on its way."}}
    page.route(
        re.compile(r"/chatkit/$"), lambda route: route.fulfill(status=409, json=answer)
    )
    say(page, "a tree")
    page.get_by_role("alert").filter(has_text="An answer is on its way.").wait_for()
    assert page.get_by_label("Your message").input_value() == "a tree"
    assert page.locator(".user").count() == 0
    page.unroute_all()
    page.get_by_role("button", name="Send").click()
    wait_for_answer(page)
    images(page).wait_for()
    assert images(page).count() == 1


def test_chats_are_listed_renamed_opened_and_deleted(page: Page, shot: Shot) -> None:
    say(page, "hello")
    wait_for_answer(page)
    page.get_by_role("button", name="New chat").click()
    assert page.locator("#welcome").is_visible()
    assert "#" not in page.url
    say(page, "thanks")
    wait_for_answer(page)
    threads = page.locator(".thread")
    assert threads.count() == 2
    threads.nth(1).hover()
    threads.nth(1).get_by_role("button", name="Rename").click()
    shot(page, "21-rename")
    page.get_by_label("Title").fill("Greetings")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Greetings").click()
    page.locator(".user .bubble", has_text="hello").wait_for()
    page.reload()
    page.locator(".user .bubble", has_text="hello").wait_for()
    page.get_by_role("button", name="Delete Greetings").focus()
    page.keyboard.press("Enter")
    shot(page, "22-delete")
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    page.locator("#welcome").wait_for()
    assert threads.count() == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dark", {"color_scheme": "dark"}),
        ("narrow", {"viewport": NARROW, "has_touch": True, "is_mobile": True}),
        ("narrow-dark", {"viewport": NARROW, "color_scheme": "dark"}),
        ("moving", {"reduced_motion": "no-preference"}),
    ],
)
def test_page_fits(open_page: OpenPage, shot: Shot, name: str, options: dict) -> None:
    page = open_page(**options)
    shot(page, f"30-{name}-empty")
    say(page, "a red fox in the snow")
    wait_for_answer(page)
    images(page).wait_for()
    wait_until_still(page)
    shot(page, f"31-{name}")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]


def test_drawer_opens_and_gives_the_focus_back(open_page: OpenPage, shot: Shot) -> None:
    page = open_page(viewport=NARROW)
    drawer = page.get_by_role("complementary", name="Chats")
    assert not drawer.is_visible()
    toggle = page.get_by_role("button", name="Chats")
    toggle.click()
    wait_until_still(page)
    shot(page, "32-drawer")
    assert focused(page) == "new-chat"
    page.keyboard.press("Escape")
    assert focused(page) == "Chats"
    assert toggle.get_attribute("aria-expanded") == "false"


def test_page_works_under_a_strict_content_security_policy(
    open_page: OpenPage, demo: str
) -> None:
    page = open_page()

    def restrict(route: Route) -> None:
        response = route.fetch()
        headers = response.headers | {"content-security-policy": POLICY}
        route.fulfill(response=response, headers=headers)

    page.route(f"{demo}/", restrict)
    page.reload()
    say(page, "a tree")
    wait_for_answer(page)
    images(page).wait_for()


@pytest.mark.parametrize("path", ["/", "/chatkit.js/"])
def test_a_page_without_scripts_says_so(open_page: OpenPage, path: str) -> None:
    page = open_page(path, java_script_enabled=False)
    assert page.get_by_role("heading", name="needs JavaScript").is_visible()
    assert not page.get_by_text("Loading").is_visible()
    assert not page.locator("#composer").is_visible()


def test_states_are_seen_in_colours_of_the_persons_own(
    open_page: OpenPage, shot: Shot
) -> None:
    page = open_page(forced_colors="active")
    say(page, "a slow cat")
    wait_for_partial(page)
    bar = page.locator(".tile-bar")
    looks = "bar => [bar, bar.firstElementChild].map(e => getComputedStyle(e))"
    looks += ".map(style => style.backgroundColor)"
    assert len(set(bar.evaluate(looks))) == 2
    shot(page, "36-forced-colours")
    page.get_by_role("button", name="Stop").click()
    wait_for_answer(page)


def test_chatkit_js_page_says_when_the_script_is_out_of_reach(
    open_page: OpenPage, demo: str, shot: Shot
) -> None:
    page = open_page(expect="ERR_FAILED")
    page.route("https://cdn.platform.openai.com/**", lambda route: route.abort())
    page.goto(f"{demo}/chatkit.js/")
    page.get_by_role("heading", name="could not be loaded").wait_for()
    shot(page, "33-chatkit-js")
