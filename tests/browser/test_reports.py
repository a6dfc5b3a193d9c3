"""A person reports an image; staff hide it; the person reads that it was hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chatting import say, wait_for_answer
from .staff import LIST

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page


def test_what_a_person_reports_is_hidden_by_staff(
    page: Page, staff_page: Callable[[str], Page], shot: Callable[[Page, str], None]
) -> None:
    say(page, "a fox")
    wait_for_answer(page)
    page.locator(".tile-frame").first.click()
    page.get_by_role("button", name="Report").click()
    page.get_by_label("What is wrong with it?").fill("It looks like my neighbour.")
    shot(page, "report-dialog")
    page.locator("#report").get_by_role("button", name="Report").click()
    page.locator("#announcer", has_text="The staff of this site").wait_for(
        state="attached"
    )
    page.locator("#lightbox").get_by_role("button", name="Close").click()

    staff = staff_page(LIST)
    link = staff.locator("#result_list tbody .field-words a").first
    staff.goto(str(link.evaluate("link => link.href")))
    staff.locator(".ck-review", has_text="It looks like my neighbour.").wait_for()
    staff.locator(".ck-step summary", has_text="Hide from its person").click()
    step = staff.locator(".ck-step[open]")
    step.get_by_label("Words for the person").fill("Your neighbour asked us to.")
    shot(staff, "hiding")
    step.get_by_role("button", name="Hide from its person").click()
    staff.get_by_text("The image is hidden.").wait_for()
    shot(staff, "hidden-admin")

    # The person comes back to the page.
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.get_by_text("Your neighbour asked us to.").wait_for()
    assert page.locator(".tile-frame img").count() == 0
    shot(page, "hidden-chat")
