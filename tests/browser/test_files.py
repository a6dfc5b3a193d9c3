"""Files that people drop, paste, pick or take: a chip, or words why not."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PIL import Image

from .chatting import say, wait_for_answer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

Shot = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]
RULES = "Attach PNG, JPEG, WebP or GIF images of up to 20 MB."


def png() -> bytes:
    """Return a small image."""
    data = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(data, "PNG")
    return data.getvalue()


def file(name: str, kind: str = "image/png", data: bytes | None = None) -> Any:
    """Return a file as a person picks it."""
    data = png() if data is None else data
    return {"name": name, "mimeType": kind, "buffer": data}


def chip(page: Page, name: str) -> Locator:
    """Return the chip of a file that is attached."""
    return page.locator(".chip:not(.loading)", has_text=name)


def test_attached_image_is_sent_along(page: Page, shot: Shot) -> None:
    page.locator("#file").set_input_files([file("pond.png")])
    chip(page, "pond.png").wait_for()
    page.locator("#announcer", has_text="pond.png is attached.").wait_for(
        state="attached"
    )
    shot(page, "23-attached")
    say(page, "make this brighter")
    wait_for_answer(page)
    page.locator(".user .chip-image").wait_for()
    page.wait_for_function(
        "() => document.querySelector('.user .chip-image').naturalWidth > 0"
    )
    assert page.locator("#chips .chip").count() == 0


def test_what_may_be_attached_is_told_before_and_why_not_by_name(
    open_page: OpenPage, shot: Shot
) -> None:
    page = open_page(expect="415")
    page.get_by_text(RULES, exact=True).wait_for()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate("""() => Object.defineProperty(File.prototype, "size", {
        get() { return this.name === "big.png" ? 31 * 2 ** 20 : 3; },
    })""")
    files = [
        file("doc.pdf", "application/pdf"),
        file("photo.heic", ""),
        file("big.png"),
        file("fake.png", data=b"<html>hi</html>"),
        file("pond.png"),
    ]
    page.locator("#file").set_input_files(files)
    chip(page, "pond.png").wait_for()
    problem = page.locator("#problem")
    problem.get_by_text("fake.png").wait_for()
    assert sorted(problem.locator("p").all_inner_texts()) == [
        f"big.png: The file has 31 MB. {RULES}",
        f"doc.pdf: {RULES}",
        "fake.png: Files of this type (web page) are not accepted. Accepted types: "
        "PNG, JPEG, WebP, GIF.",
        f"photo.heic: {RULES}",
    ]
    assert len([url for url in sent if url.endswith("/attachments/")]) == 2
    shot(page, "24-refused")

    # What was wrong is mended by the next files.
    page.locator("#file").set_input_files([file("lake.png")])
    chip(page, "lake.png").wait_for()
    assert not problem.is_visible()
    page.locator("#file").set_input_files([file("doc.pdf", "application/pdf")])
    page.get_by_role("button", name="Dismiss").click()
    assert not problem.is_visible()
    assert page.locator(".chip").count() == 2


def test_an_upload_shows_its_progress_and_can_be_given_up(page: Page) -> None:
    held: list[Route] = []
    page.route("**/attachments/", lambda route: held.append(route))
    page.locator("#file").set_input_files([file("pond.png"), file("lake.png")])
    bar = page.get_by_role("progressbar", name="Uploading pond.png")
    bar.wait_for()
    assert page.get_by_role("button", name="Send").is_disabled()
    page.get_by_role("button", name="Remove pond.png").click()
    assert page.locator(".chip").count() == 1
    held[1].continue_()
    chip(page, "lake.png").wait_for()
    assert not page.locator("#problem").is_visible()


def test_many_files_leave_the_answer_in_view(page: Page, shot: Shot) -> None:
    say(page, "hello")
    wait_for_answer(page)
    page.set_viewport_size({"width": 390, "height": 480})
    names = [f"{number}{'x' * 90}.png" for number in range(9)]
    page.locator("#file").set_input_files([file(name) for name in names])
    chip(page, names[-1]).wait_for()
    shot(page, "25-many")
    assert page.locator(".assistant .prose").evaluate(
        "prose => prose.getBoundingClientRect().bottom"
        " <= document.querySelector('#scroller').getBoundingClientRect().bottom"
    )
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


DROP = """([target, name, type, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name, { type }));
    const element = document.querySelector(target);
    const send = (kind) => element.dispatchEvent(new DragEvent(kind,
        { bubbles: true, cancelable: true, dataTransfer: data }));
    const over = !send("dragover"), hint = !document.querySelector("#drop-here").hidden;
    return [over, hint, !send("drop")];
}"""
PASTE = """(bytes) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([new Uint8Array(bytes)], "pond.png",
        { type: "image/png" }));
    document.querySelector("#main").dispatchEvent(new ClipboardEvent("paste",
        { clipboardData }));
}"""


def test_an_image_dropped_on_the_chat_is_attached_and_beside_it_opens_nothing(
    page: Page,
) -> None:
    for target in ("composer", "log", "welcome"):
        dropped = [f"#{target}", f"{target}.png", "image/png", list(png())]
        assert page.evaluate(DROP, dropped) == [True, True, True]
        chip(page, f"{target}.png").wait_for()
        assert not page.locator("#drop-here").is_visible()
    dropped = ["#sidebar", "pond.png", "image/png", [1]]
    assert page.evaluate(DROP, dropped) == [True, False, True]
    assert page.locator(".chip").count() == 3


def test_an_image_that_is_pasted_or_taken_is_attached(open_page: OpenPage) -> None:
    page = open_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page.evaluate(PASTE, list(png()))
    chip(page, "pond.png").wait_for()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photo").click()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files([file("photo.jpg", "image/jpeg")])
    chip(page, "photo.jpg").wait_for()


def test_an_upload_has_the_token_of_the_page_where_no_script_reads_the_cookie(
    page: Page,
) -> None:
    page.evaluate("""() => {
        const input = document.createElement("input");
        const [, value] = document.cookie.match(/csrftoken=([^;]+)/);
        Object.assign(input, { type: "hidden", name: "csrfmiddlewaretoken", value });
        document.body.append(input);
        Object.defineProperty(document, "cookie", { get: () => "" });
    }""")
    page.locator("#file").set_input_files([file("pond.png")])
    chip(page, "pond.png").wait_for()
