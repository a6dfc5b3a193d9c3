"""The admin for people who see little, or have no mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from .staff import ADMIN, LINKS, LIST, STILL, serious

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Lists that have a row with the key 1, and those whose rows staff add.
ROWS = ("refusedinput", "deletedfile", "useentry", "ownerblock", "brake", "legalhold")
ADDED = ("ownerblock", "legalhold")
SEARCH = (
    "Search: Prompt, id of an image, a call, a thread or a run, user name, "
    "key of an owner"
)
PARTS = "#content, .breadcrumbs"
# What has the focus: its name, and whether a person sees that it has it.
FOCUSED = """() => {
    const one = document.activeElement;
    if (one === document.body) return ["", true, ""];
    const label = one.labels?.[0]?.firstChild.textContent;
    const name = one.ariaLabel || label || one.innerText || one.value || one.id;
    const looks = (element) => {
        element.style.transition = "none"; // No colour is on its way then.
        const style = getComputedStyle(element);
        return ["outline", "boxShadow", "borderColor", "backgroundColor", "color"]
            .map((each) => style[each]).join();
    };
    const hidden = { opacityProperty: true, visibilityProperty: true };
    const twin = one.cloneNode(true);
    one.after(twin);
    const isSeen = looks(one) !== looks(twin) && one.checkVisibility(hidden);
    twin.remove();
    return [name.trim(), isSeen, one.outerHTML.slice(0, 120)];
}"""


def addresses(page: Page, site: str) -> list[str]:
    """Return the address of each kind of page."""
    lists = ("thread", "run", "feedback", "attachment", "decision", "usesummary", *ROWS)
    found = [ADMIN, f"{LIST}live/", LIST, *(f"{ADMIN}{name}/" for name in lists)]
    works = ("hide", "restore", "delete", "zip", "keep")
    found += [f"{LIST}bulk/{name}/" for name in works]
    found += [f"{ADMIN}{name}/1/change/" for name in ROWS]
    found += [f"{ADMIN}{name}/add/" for name in ADDED]
    found += [f"{ADMIN}thread/thr_gallery/change/"]
    found += [f"{ADMIN}attachment/atc_pond/change/", f"{ADMIN}brake/1/history/"]
    links = page.locator(LINKS)
    # On its way, failed, hidden, held, with a long prompt.
    images = [str(links.nth(n).get_attribute("href")) for n in (0, 2, 5, 6, 11)]
    found += [*images, images[3].replace("/change/", "/delete/")]
    page.goto(f"{site}{ADMIN}run/")
    run = page.locator("#result_list th a").first
    return [*found, str(run.get_attribute("href"))]


def test_nothing_serious_is_found_on_any_page(gallery: Page, site: str) -> None:
    found = {}
    for address in addresses(gallery, site):
        answer = gallery.goto(urljoin(site, address))
        assert answer is not None and answer.ok, address
        gallery.add_style_tag(content=STILL)
        found[address] = serious(gallery, PARTS)
        gallery.emulate_media(color_scheme="dark")
        found[f"{address} in dark"] = serious(gallery, PARTS, "color-contrast")
        gallery.emulate_media(color_scheme="light")
    assert {name: said for name, said in found.items() if said} == {}


class Keyboard:
    """Somebody who has nothing else.

    Attributes:
        unseen: What had the focus without a sign of it.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.unseen: set[str] = set()

    def reach(self, name: str, key: str = "Tab", *, most: int = 250) -> None:
        """Press a key until what has that name has the focus."""
        self.page.wait_for_load_state()
        for _ in range(most):
            self.page.keyboard.press(key)
            at, is_seen, html = self.page.evaluate(FOCUSED)
            if not is_seen:
                self.unseen.add(html)
            if at == name:
                return
        raise AssertionError(f"{name} is out of reach, at {at}.")

    def press(self, name: str, key: str = "Tab") -> None:
        """Go to what has that name, and press Enter."""
        self.reach(name, key)
        self.page.keyboard.press("Enter")

    def skip(self) -> None:
        """Go past what all pages of the admin begin with."""
        self.press("Skip to main content")

    def type(self, name: str, text: str) -> None:
        """Go to a field, and type."""
        self.reach(name)
        self.page.keyboard.type(text)


def test_keyboard_alone_is_enough_in_the_gallery(gallery: Page, site: str) -> None:
    page, person = gallery, Keyboard(gallery)
    root = page.locator("html")
    person.skip()
    person.type(SEARCH, "boats")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=boats**")
    person.skip()
    person.press("List")
    assert root.get_attribute("data-ck-layout") == "list"
    person.press("Grid", "Shift+Tab")
    person.press("Large")
    assert root.get_attribute("data-ck-tiles") == "large"
    person.press("Medium", "Shift+Tab")
    person.type("From", "01012020")
    person.press("Show")
    page.wait_for_url("**from=2020-01-01**")
    person.skip()
    person.press("By status")
    person.press("failed")
    page.wait_for_url("**status__exact=failed**")
    person.skip()
    person.press("Filters")

    page.goto(f"{site}{LIST}?q=boats")
    person.skip()
    person.reach("Select all objects on this page for an action")
    page.keyboard.press("Space")
    chosen = page.locator("input.action-select:checked").count()
    assert chosen > 5
    person.reach("Action:", "Shift+Tab")
    page.keyboard.type("Hide")
    person.press("Go")
    page.locator("#ck-reason").wait_for()
    person.skip()
    person.type("Why, for staff:", "A measurement")
    person.press("Hide images")
    page.get_by_text(f"Hidden: {chosen}.").wait_for()
    person.skip()
    person.press("Back to the images")
    page.locator("#result_list").wait_for()
    page.goto(f"{site}{LIST}bulk/restore/?visibility__exact=hidden&q=boats")
    person.skip()
    person.press("Restore images")
    page.get_by_text(f"Restored: {chosen}.").wait_for()
    assert person.unseen == set()


def test_keyboard_alone_is_enough_on_pages_of_rows(gallery: Page, site: str) -> None:
    page, person = gallery, Keyboard(gallery)
    page.goto(f"{site}{LIST}?q=boats")
    person.skip()
    words = page.locator("#result_list .field-words a").nth(3).inner_text()
    person.press(words.strip())
    page.wait_for_url("**/change/**")
    person.skip()
    person.press("Hide from its person…")
    person.type("Reason, for staff", "A measurement")
    person.type("Words for the person; a standard sentence if empty", "Not now.")
    person.press("Hide from its person")
    page.get_by_text("The image is hidden.").wait_for()
    person.skip()
    person.press("Show it again")
    page.get_by_text("The image is shown again.").wait_for()
    person.skip()
    person.press("Technical facts")

    page.goto(f"{site}{ADMIN}thread/thr_visitor/change/")
    person.skip()
    person.press("Lock the thread")
    page.locator("#ck-words").wait_for()
    assert serious(page, "#content") == []
    person.skip()
    person.type("What the person reads in the chat:", "We will be back.")
    person.press("Lock the thread")
    page.locator("[value=reopen]").wait_for()
    person.skip()
    person.press("Reopen the thread")
    page.locator("[value=lock]").wait_for()
    assert person.unseen == set()
