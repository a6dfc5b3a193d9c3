"""An SVG of the app's, with the headers that it is served with, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from chatkit_images import storage
from chatkit_images.views.files import Keeping, ServedFile, file_response

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DRAWING = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">'
    b"<style>rect { fill: rgb(0, 128, 0) }</style><rect width='40' height='30'/>"
    b"<script>window.top.ran = true</script></svg>"
)
# The page draws the image and reads its middle.
READ = """async () => {
  const image = new Image()
  image.src = '/fox.svg'
  await image.decode()
  const canvas = document.createElement('canvas')
  const pen = canvas.getContext('2d')
  pen.drawImage(image, 0, 0)
  const pixel = [...pen.getImageData(20, 15, 1, 1).data]
  return [image.naturalWidth, image.naturalHeight, pixel, window.ran === undefined]
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return an empty page of a site that serves the SVG as the app does."""
    name = storage.new_name("images", "svg")
    storage.store(name, DRAWING)
    alias, now = storage.current_alias(), timezone.now()
    file = ServedFile(name, alias, "image/svg+xml", now)
    response = file_response(
        RequestFactory().get("/"), file, filename="fox.svg", keeping=Keeping(60)
    )
    svg = {"headers": dict(response.items()), "body": response.getvalue()}
    page = browser.new_page()

    def answer(route: Any) -> None:
        if route.request.url.endswith(".svg"):
            route.fulfill(**svg)
        else:
            route.fulfill(content_type="text/html", body="<!DOCTYPE html>")

    page.route("http://app.example/**", answer)
    page.goto("http://app.example/")
    yield page
    page.close()


def test_an_svg_is_seen_in_a_page_and_runs_nothing(page: Page) -> None:
    assert page.evaluate(READ) == [40, 30, [0, 128, 0, 255], True]


def test_an_svg_that_is_opened_by_itself_is_a_download(page: Page) -> None:
    with page.expect_download() as download:
        page.evaluate("location.href = '/fox.svg'")
    assert download.value.suggested_filename == "fox.svg"
