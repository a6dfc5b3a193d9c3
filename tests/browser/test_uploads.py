"""Files that go from the page to a real S3 server, without a byte through Django."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.storages import BUCKET, KEY, SECRET, rclone
from tests.ports import free_port

from .chatting import say, wait_for_answer
from .processes import running, unavailable
from .test_files import chip, file, png
from .wire import Wire, wired

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MB = 2**20
SIZE = 100 * MB
# What the browser sends besides: the announcement and the finishing call.
HEADERS = 16 * 1024
UPLOAD = """async ([size, claimed]) => {
    const { ChatKitApi } = await import("/static/example_project/api.js");
    const api = new ChatKitApi("/chatkit/", () => {}, { uploads: "storage" });
    const file = new File(["%PDF-1.7\\n", new Uint8Array(size - 9)], "large.pdf",
        { type: "application/pdf" });
    if (claimed) Object.defineProperty(file, "size", { value: claimed });
    return api.upload(file).then(({ name, mime_type }) => ({ name, mime_type }),
        ({ code, message }) => ({ code, message }));
}"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A bucket whose server lets pages of all origins write; its folder and port."""
    pytest.importorskip("storages")
    folder = tmp_path_factory.mktemp("s3")
    try:
        with rclone(folder, "--allow-origin=*") as port:
            yield folder / BUCKET, port
    except FileNotFoundError as error:
        unavailable(str(error))


@pytest.fixture
def wire(
    bucket: tuple[Path, int], tmp_path: Path, empty: Callable[[Path], Path]
) -> Iterator[Wire]:
    """A wire to a demo of its own, whose files go to the bucket."""
    port = free_port()
    environment = {
        "CHATKIT_IMAGES_S3_BUCKET": BUCKET,
        "CHATKIT_IMAGES_S3_ENDPOINT": f"http://127.0.0.1:{bucket[1]}",
        "CHATKIT_IMAGES_S3_ACCESS_KEY": KEY,
        "CHATKIT_IMAGES_S3_SECRET_KEY": SECRET,
        "CHATKIT_IMAGES_S3_REGION": "us-east-1",
        "CHATKIT_IMAGES_S3_UPLOADS": "1",
    }
    with running(empty(tmp_path), port, **environment), wired(port) as wire:
        yield wire


def stored(bucket: tuple[Path, int], kind: str) -> list[int]:
    """Return the sizes of the objects of a kind."""
    folder = bucket[0] / "images" / "chatkit_images" / kind
    return [path.stat().st_size for path in folder.rglob("*.*")]


def test_a_file_goes_to_the_bucket_and_a_lie_goes_nowhere(
    browser: Browser,
    wire: Wire,
    bucket: tuple[Path, int],
    shot: Callable[[Page, str], None],
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(wire.url)
    page.locator("#welcome").wait_for()

    before = wire.sent
    told = page.evaluate(UPLOAD, [SIZE, 0])
    assert told == {"name": "large.pdf", "mime_type": "application/pdf"}
    through = wire.sent - before
    assert 0 < through < HEADERS
    assert stored(bucket, "attachments") == [SIZE]

    # A lie about the size: the signature binds what was announced.
    told = page.evaluate(UPLOAD, [2 * MB, MB])
    assert told["code"] in ("upload_failed", "network")
    # A lie about the type: the server looks.
    page.locator("#file").set_input_files([file("fake.png", data=b"<html>hi</html>")])
    page.locator("#problem").get_by_text("fake.png").wait_for()
    assert page.locator("#problem p").all_inner_texts() == [
        "fake.png: Files of this type (web page) are not accepted. Accepted types: "
        "PNG, JPEG, WebP, GIF, PDF."
    ]
    shot(page, "26-refused-at-the-bucket")

    page.locator("#file").set_input_files([file("pond.png", data=png())])
    chip(page, "pond.png").wait_for()
    say(page, "make this brighter")
    wait_for_answer(page)
    page.locator(".user .chip-image").wait_for()
    page.wait_for_function(
        "() => document.querySelector('.user .chip-image').naturalWidth > 0"
    )
    assert len(wire.asked("POST", "/finish/")) == 3
    assert not wire.asked("POST", "/attachments/ ")
    assert stored(bucket, "uploads") == []
    assert len(stored(bucket, "attachments")) == 2
    context.close()
