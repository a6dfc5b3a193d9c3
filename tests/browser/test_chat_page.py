"""The chat page itself: keyboard, looks, small screens, and what it is allowed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from .chatting import images, say, wait_for_answer, wait_for_partial, wait_until_still

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Page, Route

Shot = Callable[["Page", str], Path]
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
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        if focused(page).startswith("Open image"):
            break
    assert focused(page) == "Open image: a cat"
    page.keyboard.press("Enter")
    page.locator("#lightbox[open]").wait_for()
    shot(page, "20-lightbox")
    page.keyboard.press("Escape")
    page.locator("#lightbox[open]").wait_for(state="detached")
    assert focused(page) == "Open image: a cat"


def test_finished_messages_are_announced_and_deltas_are_not(page: Page) -> None:
    say(page, "hello")
    wait_for_answer(page)
    announcer = page.locator("#announcer")
    assert announcer.get_attribute("aria-live") == "polite"
    assert announcer.locator("p").count() == 1
    assert announcer.inner_text().startswith("Designer: Hello!")
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


def test_a_chat_that_begins_before_the_list_is_there_is_listed(page: Page) -> None:
    held: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if '"threads.list"' in (route.request.post_data or ""):
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/chatkit/", hold)
    page.reload()
    page.locator("#welcome").wait_for()
    say(page, "hello")
    wait_for_answer(page)
    ((route, answer),) = held
    with page.expect_response("**/chatkit/"):
        route.fulfill(response=answer)
    page.wait_for_timeout(200)
    assert page.locator(".thread").count() == 1


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


def test_feedback_thumbs_exclude_each_other(page: Page) -> None:
    say(page, "hello")
    wait_for_answer(page)
    good = page.get_by_role("button", name="Good answer")
    bad = page.get_by_role("button", name="Bad answer")
    good.click()
    page.locator("[aria-label='Good answer'][aria-pressed=true]").wait_for()
    bad.click()
    page.locator("[aria-label='Bad answer'][aria-pressed=true]").wait_for()
    assert good.get_attribute("aria-pressed") == "false"


def test_attached_image_is_sent_along(page: Page, shot: Shot) -> None:
    data = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(data, "PNG")
    file = {"name": "pond.png", "mimeType": "image/png", "buffer": data.getvalue()}
    page.locator("#file").set_input_files([file])
    page.locator(".chip:not(.loading)", has_text="pond.png").wait_for()
    shot(page, "23-attached")
    say(page, "make this brighter")
    wait_for_answer(page)
    preview = page.locator(".user .chip-image")
    preview.wait_for()
    page.wait_for_function(
        "() => document.querySelector('.user .chip-image').naturalWidth > 0"
    )
    assert page.locator("#chips .chip").count() == 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dark", {"color_scheme": "dark"}),
        ("narrow", {"viewport": NARROW, "has_touch": True, "is_mobile": True}),
        ("narrow-dark", {"viewport": NARROW, "color_scheme": "dark"}),
        ("still", {"reduced_motion": "reduce"}),
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


def test_chatkit_js_page_says_when_the_script_is_out_of_reach(
    open_page: OpenPage, demo: str, shot: Shot
) -> None:
    page = open_page(expect="ERR_FAILED")
    page.route("https://cdn.platform.openai.com/**", lambda route: route.abort())
    page.goto(f"{demo}/chatkit.js/")
    page.get_by_role("heading", name="could not be loaded").wait_for()
    shot(page, "33-chatkit-js")


LONG = "a red fox in the snow, seen from afar, with many words " * 6


@pytest.mark.parametrize(
    "options",
    [{}, {"viewport": NARROW, "has_touch": True, "is_mobile": True}],
    ids=["wide", "narrow"],
)
def test_lightbox_shows_all_of_an_image_whatever_its_prompt(
    open_page: OpenPage, shot: Shot, options: dict
) -> None:
    page = open_page(**options)
    say(page, LONG)
    wait_for_answer(page)
    images(page).first.click()
    page.locator("#lightbox[open]").wait_for()
    lightbox = page.locator("#lightbox")
    caption = lightbox.locator(".caption")

    def inside() -> None:
        outer = lightbox.bounding_box()
        assert outer["width"] <= page.viewport_size["width"]
        for part in ("img", ".caption", "a", "form button"):
            box = lightbox.locator(part).bounding_box()
            assert outer["x"] <= box["x"], part
            assert box["x"] + box["width"] <= outer["x"] + outer["width"] + 1, part
            assert box["y"] + box["height"] <= outer["y"] + outer["height"] + 1, part
        image = lightbox.locator("img").bounding_box()
        middle = image["x"] + image["width"] / 2
        assert abs(middle - page.viewport_size["width"] / 2) < 2

    inside()
    shot(page, f"34-lightbox-{page.viewport_size['width']}")
    assert caption.bounding_box()["height"] < 40
    caption.click()
    inside()
    assert caption.inner_text() == LONG.strip()
    assert caption.bounding_box()["height"] > 40
    shot(page, f"35-lightbox-{page.viewport_size['width']}-whole")
    lightbox.get_by_role("button", name="Close").click()
    page.locator("#lightbox[open]").wait_for(state="detached")


DROP = """async ([target, name, type, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name, {type}));
    const send = (kind) => document.querySelector(target).dispatchEvent(
        new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
    const over = !send("dragover");
    const hint = !document.querySelector("#drop-here").hidden;
    return [over, hint, !send("drop")];
}"""


@pytest.mark.parametrize("target", ["#composer", "#log", "#welcome"])
def test_an_image_dropped_on_the_chat_is_attached(page: Page, target: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (32, 24), "teal").save(data, "PNG")
    dropped = [target, "pond.png", "image/png", list(data.getvalue())]
    assert page.evaluate(DROP, dropped) == [True, True, True]
    page.locator(".chip:not(.loading)", has_text="pond.png").wait_for()
    assert not page.locator("#drop-here").is_visible()


def test_a_file_dropped_beside_the_chat_opens_nothing(page: Page) -> None:
    dropped = ["#sidebar", "pond.png", "image/png", [1]]
    assert page.evaluate(DROP, dropped) == [True, False, True]
    assert page.locator(".chip").count() == 0
