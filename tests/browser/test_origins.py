"""chatkit-fetch.js in a page of another origin than Django's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .wire import IMAGE, Wire

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCRIPT = Path(__file__).with_name("elsewhere.js").read_text(encoding="utf-8")
PLAY = f"([name, ...rest]) => {{ {SCRIPT}\nreturn scenarios[name](...rest); }}"
TOKEN = "Bearer of-the-browser-tests"


@pytest.mark.parametrize(
    ("host", "way"),
    [
        # Of one site, whose cookies reach every port.
        ("127.0.0.1", "cookies"),
        # Of two sites.
        ("localhost", "token"),
    ],
)
def test_a_page_of_another_origin_chats(
    browser: Browser, elsewhere: int, wire: Wire, host: str, way: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{host}:{elsewhere}/")
    wire.cut_at(IMAGE)
    token = TOKEN if way == "token" else None

    def play(name: str, *more: Any) -> Any:
        script = (
            f"([name, ...rest]) => {{ {SCRIPT}\nreturn scenarios[name](...rest); }}"
        )
        return page.evaluate(script, [name, f"{wire.url}/chatkit/", token, *more])

    said = play("chat")
    assert said["previews"] >= 2
    # Cut at the first preview, it was read on.
    assert wire.cuts_left == 0
    assert said["states"] == [True, False]
    assert said["width"] > 0
    end = said["status"].pop("end")
    assert (said["status"], end["status"]) == (
        {"busy": False, "run": None},
        "completed",
    )

    if way == "cookies":
        # As after a login: the page has a token that holds no more.
        cookie = {"name": "csrftoken", "value": "b" * 32, "url": wire.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
    assert play("upload")["mime_type"] == "image/gif"
    told = len(wire.asked("GET", "/chatkit/csrf/"))
    assert told == (2 if way == "cookies" else 0)

    stopped = play("stop")
    assert stopped["error"] == "AbortError"
    assert stopped["followed"] == "thread.created"
    assert len(wire.asked("POST", "/stop/")) == 1
    # Nobody else's page gets anything.
    page.goto("about:blank")
    assert play("refused") == "TypeError"
    context.close()
