"""The work on many images, in a real browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .staff import LIST, serious

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

# What a server sends that has 200 images left, then none.
PART = """<div id="ck-bulk" data-failed="Failed" data-pause="Pause">
<div role="status"><p>{said}</p></div>{form}</div>"""
FORM = """<form method="post" action="/admin/part/" data-goes-on>
<input name="job" value="x"><div class="submit-row"></div></form>"""


@pytest.fixture
def page(gallery: Page) -> Page:
    return gallery


def show(page: Page, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder, f"bulk-{name}.png"), full_page=True)


def test_chosen_images_are_hidden_with_a_reason_and_come_back(
    page: Page, site: str
) -> None:
    # None of these is hidden yet.
    page.goto(f"{site}{LIST}?q=boats")
    boxes = page.locator("input.action-select")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.select_option("select[name=action]", "hide_selected")
    page.locator("button[name=index]").click()
    page.locator("#ck-reason").wait_for()
    show(page, "ask")
    page.fill("#ck-reason", "A measurement")
    page.click("input[type=submit].default")
    page.get_by_text("Hidden: 2.").wait_for()
    show(page, "done")
    assert serious(page, "#content") == []
    page.goto(f"{site}{LIST}bulk/restore/?visibility__exact=hidden&q=boats")
    page.click("input[type=submit].default")
    page.get_by_text("All images were looked at.").wait_for()


def test_script_goes_on_until_nothing_is_left(page: Page, site: str) -> None:
    answers = iter(
        [PART.format(said="200", form=FORM), PART.format(said="All done", form="")]
    )

    def answer(route: Route) -> None:
        route.fulfill(body=next(answers), content_type="text/html")

    page.route("**/admin/part/", answer)
    page.set_content(PART.format(said="100", form=FORM))
    page.add_script_tag(url=f"{site}/static/chatkit_images/admin/bulk.js")
    page.get_by_text("All done").wait_for()
    assert page.locator("form").count() == 0


def test_script_says_when_the_server_is_away(page: Page, site: str) -> None:
    page.route("**/admin/part/", lambda route: route.abort())
    page.set_content(PART.format(said="100", form=FORM))
    page.add_script_tag(url=f"{site}/static/chatkit_images/admin/bulk.js")
    page.get_by_text("Failed").wait_for()
    assert page.locator("form").count() == 1


def test_zip_of_all_that_match_is_downloaded(page: Page) -> None:
    page.get_by_text("Download as a zip").click()
    page.get_by_role("button", name="Download").wait_for()
    show(page, "zip")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".zip")
