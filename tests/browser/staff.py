"""The admin as its staff have it: one demo, filled once, for all modules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_port

from .processes import ACCOUNT, EMPTY, prepare, running, unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

IMAGES, OF_A_PAGE = 60, 48
ADMIN = "/admin/chatkit_images/"
LIST = f"{ADMIN}generatedimage/"
LINKS = "#result_list tbody .field-image a"
# Only what is wrong: what is right is most of it.
AXE = """([part, rules]) => axe.run({ include: [[part]] }, {
    resultTypes: ["violations"], ...(rules.length ? { runOnly: rules } : {}),
}).then(({ violations }) => violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html}`)))"""
# Colours change within a moment, which is no state to look at.
STILL = "* { transition: none !important; animation: none !important }"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database and the files of the gallery, made once."""
    scratch = tmp_path_factory.mktemp("gallery")
    prepare(scratch, IMAGES)
    return scratch


@pytest.fixture(scope="session")
def empty(prepared: Path) -> Callable[[Path], Path]:
    """Return a function that lays an empty database into a folder of a demo."""

    def empty(scratch: Path) -> Path:
        shutil.copy(prepared / EMPTY, scratch / "db.sqlite3")
        return scratch

    return empty


@pytest.fixture(scope="session")
def site(prepared: Path) -> Iterator[str]:
    """Run the demo with rows of each kind; yields its base URL."""
    port = free_port()
    with running(prepared, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def staff(browser: Browser, site: str) -> Iterator[BrowserContext]:
    """The browser of the demo's member of staff."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{site}/admin/login/?next={ADMIN}brake/")
    log_in(page)
    page.close()
    yield context
    context.close()


@pytest.fixture
def gallery(staff: BrowserContext, site: str) -> Iterator[Page]:
    """The gallery; what it complains about in the console fails the test."""
    complaints: list[str] = []
    page = staff.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(site + LIST)
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def staff_page(open_page: Callable[..., Page]) -> Callable[[str], Page]:
    """Return a function that opens a page of the chat's demo as a member of staff."""

    def staff_page(path: str) -> Page:
        # A preview may be gone when the browser asks for it: the final replaced it.
        page = open_page(f"/admin/login/?next={path}", expect="404")
        log_in(page)
        return page

    return staff_page


def log_in(page: Page) -> None:
    """Log in as the demo's member of staff, where the page is."""
    page.get_by_label("Username").fill(ACCOUNT[0])
    page.get_by_label("Password").fill(ACCOUNT[1])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/login/" not in url)


def serious(page: Page, part: str, *rules: str) -> list[str]:
    """Return what axe finds in a part of a page that keeps people out.

    Args:
        page: The page; it gets the script of axe once.
        part: A selector of the part, or of several.
        rules: The only rules to look at. Default: all of them.
    """
    try:
        from axe_playwright_python.base import AXE_FILE_PATH
    except ImportError:
        unavailable("axe is not installed: pip install axe-playwright-python")
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE_FILE_PATH)
    return [str(each) for each in page.evaluate(AXE, [part, list(rules)])]
