"""A running demo and a browser to use it with."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ports import free_port

from .processes import ROOT, running, unavailable
from .staff import empty, gallery, prepared, site, staff, staff_page
from .wire import Wire, wired

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["empty", "gallery", "prepared", "site", "staff", "staff_page"]
STATIC = ROOT / "chatkit_images" / "static" / "chatkit_images"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
GONE_PREVIEW = re.compile(r"status of 410 .*/partial-\d")


@pytest.fixture(scope="session")
def demo_scratch(
    tmp_path_factory: pytest.TempPathFactory, empty: Callable[[Path], Path]
) -> Path:
    """Where the demo keeps its database and files."""
    return empty(tmp_path_factory.mktemp("demo"))


class Elsewhere(SimpleHTTPRequestHandler):
    """Serves the modules of the app, and a page with nothing on it."""

    extensions_map = {".js": "text/javascript", "": "text/html"}

    def log_message(self, *args: Any) -> None:
        """Say nothing of what is asked."""


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[int]:
    """A server of pages that is not Django; yields its port."""
    handler = partial(Elsewhere, directory=STATIC)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="session")
def demo(demo_scratch: Path, elsewhere: int) -> Iterator[str]:
    """Run the demo; yields its base URL."""
    port = free_port()
    with running(demo_scratch, port, ELSEWHERE=str(elsewhere)):
        yield f"http://127.0.0.1:{port}"


# Playwright keeps an event loop running in this thread, in which Django refuses
# synchronous queries: the scope ends it before tests of other folders begin.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed: pip install playwright")
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        unavailable("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, demo: str) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the chat page as a new visitor.

    What the pages complain about in the console fails the test, unless it contains
    what the test named with `expect`.
    """
    pages: list[Page] = []
    complaints: list[str] = []
    expected: list[str] = []

    def open_page(path: str = "/", *, expect: str = "", **options: Any) -> Page:
        # What moves all the time is drawn all the time, by a processor.
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        context = browser.new_context(**usual | options)
        context.set_default_timeout(30_000)
        page = context.new_page()
        pages.append(page)
        if expect:
            expected.append(expect)
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{message.text} {message.location['url']}")
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(demo + path)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    left = [text for text in complaints if not any(e in text for e in expected)]
    # A preview may be gone when the browser asks for it: the final has replaced it.
    assert [text for text in left if not GONE_PREVIEW.search(text)] == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The chat page, opened by a new visitor."""
    return open_page()


@pytest.fixture
def wire(demo: str) -> Iterator[Wire]:
    """A wire to the demo."""
    with wired(int(demo.rpartition(":")[2])) as wire:
        yield wire


@pytest.fixture
def wired_page(open_page: Callable[..., Page], wire: Wire) -> Page:
    """The chat page, at the other end of the wire."""
    page = open_page(expect="net::ERR")
    page.goto(wire.url)
    page.locator("#welcome").wait_for()
    return page


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Return a function that writes a screenshot to `SCREENSHOTS`, if that is set."""
    directory = os.environ.get("SCREENSHOTS")

    def shot(page: Page, name: str) -> None:
        if directory:
            page.screenshot(path=Path(directory, f"{name}.png"))

    return shot
