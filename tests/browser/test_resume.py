"""Answers that survive a lost connection, a reload and a second page."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ports import free_port

from .chatting import (
    LOADED,
    PARTIAL_SEEN,
    answers,
    images,
    say,
    wait_for_answer,
    wait_for_partial,
    wait_until_still,
)
from .processes import running
from .wire import IMAGE, Wire, wired

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Shot = Callable[["Page", str], None]
OpenPage = Callable[..., "Page"]
# Asks as ChatKit.js does, and returns every event that the caller of `fetch` got.
ASK = """async (text) => {
    const { createFetch } = await import("/static/chatkit_images/chatkit-fetch.js");
    const states = [];
    const fetch = createFetch({ onReconnect: ({ lost }) => states.push(lost) });
    const params = { input: {
        content: [{ type: "input_text", text }], attachments: [], inference_options: {},
    } };
    const response = await fetch("/chatkit/", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ type: "threads.create", params }),
    });
    const [run, text_] = [response.headers.get("ChatKit-Run"), await response.text()];
    return { run, states, frames: text_.split("\\n\\n").filter(Boolean) };
}"""
# The whole log of a run, read in one piece.
LOG = """async (run) => {
    const response = await fetch(`/chatkit/runs/${run}/events/`);
    const frames = (await response.text()).split("\\n\\n").filter(Boolean);
    return frames.map((frame) => frame.replace(/^id: .*\\n/, ""));
}"""


def statuses(scratch: Path) -> list[str]:
    """Return how the runs stand in the database, the newest one first."""
    with closing(sqlite3.connect(scratch / "db.sqlite3", timeout=30)) as database:
        query = "SELECT status FROM chatkit_images_run ORDER BY created_at DESC"
        return [str(status) for (status,) in database.execute(query)]


@pytest.fixture
def run_status(demo_scratch: Path) -> Callable[[], str]:
    """Return a function that says how the newest run stands in the database."""
    return lambda: statuses(demo_scratch)[0]


def until_status(page: Page, run_status: Callable[[], str], wanted: str) -> None:
    """Wait until the newest run has a status."""
    for _ in range(300):
        if run_status() == wanted:
            return
        page.wait_for_timeout(100)
    assert run_status() == wanted


def transcript(page: Page) -> list[str]:
    """Return what the log shows: the words, and the prompts of finished images."""
    return [
        str(text)
        for text in page.locator("#log > li:not(.foot):visible").evaluate_all(
            "entries => entries.map(entry => (entry.querySelector('.tile')"
            " ? `${entry.querySelector('.tile').dataset.phase} image`"
            " : entry.querySelector('.prose, .bubble, p').textContent))"
        )
    ]


def events(frames: list[str]) -> list[dict[str, Any]]:
    """Return what frames carry."""
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def done(got: dict[str, Any]) -> list[str]:
    """Return the types of the items that were done, the last event among them."""
    frames = events(got["frames"])
    assert frames[-1]["type"] == "thread.item.done"
    items = [each["item"] for each in frames if each["type"] == "thread.item.done"]
    assert len({item["id"] for item in items}) == len(items)
    return [item["type"] for item in items]


def test_cut_connections_lose_nothing_and_repeat_nothing(
    wired_page: Page, wire: Wire
) -> None:
    # Before the first event, after each of those that follow, in the middle of the
    # next one, and at last in an image.
    inside = [b"id: %d\ndata: {" % number for number in range(1, 11)]
    wire.cut_at(b"text/event-stream", *inside, b"generated_image.updated")
    got = wired_page.evaluate(ASK, "a red fox in the snow")
    assert wire.cuts_left == 0
    assert events(got["frames"]) == events(wired_page.evaluate(LOG, got["run"]))
    assert got["states"] and got["states"] == [True, False] * (len(got["states"]) // 2)
    kinds = [event["type"] for event in events(got["frames"])]
    assert kinds.count("thread.created") == 1
    assert kinds[-1] == "thread.item.done"


def test_page_goes_on_after_the_network_was_away(
    wired_page: Page, wire: Wire, shot: Shot
) -> None:
    page = wired_page
    wire.hold_behind(IMAGE)
    say(page, "a red fox")
    wait_for_partial(page)
    assert page.locator("#connection").is_hidden()
    wire.break_down()
    wire.go_on()
    page.get_by_text("Reconnecting…").wait_for()
    wait_until_still(page)
    shot(page, "43-reconnecting")
    wire.mend()
    page.locator("#connection").wait_for(state="hidden")
    wait_for_answer(page)
    shown = transcript(page)
    assert shown[0] == "a red fox"
    assert shown.count("done image") == 1
    assert images(page).evaluate(LOADED)
    page.reload()
    images(page).wait_for()
    assert transcript(page) == shown
    assert not wire.asked("/stop/")


def test_image_can_be_stopped_after_a_reload(
    wired_page: Page, wire: Wire, run_status: Callable[[], str], shot: Shot
) -> None:
    page = wired_page
    say(page, "a slow boat")
    wait_for_partial(page)
    page.reload()
    wait_for_partial(page)
    shot(page, "41-reloaded")
    assert not wire.asked("/stop/")
    page.get_by_role("button", name="Stop").click()
    wait_for_answer(page)
    assert page.locator('.tile[data-phase="generating"]').count() == 0
    until_status(page, run_status, "cancelled")


def test_second_page_picks_up_the_answer_and_stops_it(page: Page, shot: Shot) -> None:
    say(page, "hello")
    wait_for_answer(page)
    second = page.context.new_page()
    second.goto(page.url)
    second.locator(".user .bubble", has_text="hello").wait_for()
    # Chromium draws the page in front, and the other one now and then.
    page.bring_to_front()
    say(page, "a slow boat")
    wait_for_partial(page)
    assert second.locator(".tile").count() == 0
    second.bring_to_front()
    second.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    second.wait_for_function(PARTIAL_SEEN)
    assert second.get_by_role("button", name="Stop").is_visible()
    shot(second, "42-second-page")
    second.get_by_role("button", name="Stop").click()
    wait_for_answer(page)
    wait_for_answer(second)
    assert second.locator('.tile[data-phase="generating"]').count() == 0
    assert answers(second).all_inner_texts() == answers(page).all_inner_texts()


def test_message_whose_answer_is_lost_is_there_once(
    wired_page: Page, wire: Wire
) -> None:
    page = wired_page
    wire.lose_answer(b"POST /chatkit/ ")
    page.get_by_label("Your message").fill("hello")
    page.get_by_role("button", name="Send").dblclick()
    wait_for_answer(page)
    assert page.locator(".user").count() == 1
    page.reload()
    answers(page).wait_for()
    assert page.locator(".user").count() == answers(page).count() == 1
    page.locator("#threads li").first.wait_for()
    assert page.locator("#threads li").count() == 1


def test_deploy_loses_no_answer_and_no_message(
    browser: Browser, tmp_path: Path, empty: Callable[[Path], Path]
) -> None:
    port = free_port()
    empty(tmp_path)
    begin = f"([name, text]) => void (window[name] = ({ASK})(text))"
    with wired(port) as wire:
        direct, cut = browser.new_page(), browser.new_page()
        # The answers are still on their way when the server is told to end.
        with running(tmp_path, port, DELAY="0.6") as server:
            direct.goto(f"http://127.0.0.1:{port}")
            cut.goto(wire.url)
            wire.hold_behind(IMAGE)
            for page in (direct, cut):
                page.evaluate(begin, ["first", "a fox"])
            # Both answers have begun, and the one on the wire is not complete.
            for _ in range(300):
                if wire.holds.is_set() and len(statuses(tmp_path)) == 2:
                    break
                direct.wait_for_timeout(100)
            wire.break_down()
            wire.go_on()
            server.terminate()
            direct.wait_for_timeout(300)
            direct.evaluate(begin, ["late", "hello"])
            for _ in range(600):
                if server.poll() is not None:
                    break
                direct.wait_for_timeout(100)
        with running(tmp_path, port):
            wire.mend()
            first, late = direct.evaluate("Promise.all([window.first, window.late])")
            resumed = cut.evaluate("window.first")
    direct.close()
    cut.close()
    # The server waited for the answers, and refused the message until it was back.
    assert (first["states"], late["states"]) == ([], [True, False])
    assert done(late) == ["user_message", "assistant_message"]
    # With the server its log went: what the database had came instead, once.
    assert resumed["states"] == [True, False]
    assert done(resumed) == done(first)
    assert done(first).count("generated_image") == 1


# What ChatKit.js does, as far as the page can tell.
CHATKIT_JS = """
customElements.define("openai-chatkit", class extends HTMLElement {
  setOptions(options) { this.options = options; }
  async fetchUpdates() { this.updates = (this.updates ?? 0) + 1; }
  async ask(text) {
    this.abort = new AbortController();
    const params = { input: {
        content: [{ type: "input_text", text }], attachments: [], inference_options: {},
    } };
    const { api } = this.options;
    const response = await api.fetch(api.url, {
      method: "POST", signal: this.abort.signal,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ type: "threads.create", params }),
    });
    this.dispatchEvent(new CustomEvent("chatkit.response.start"));
    this.text = "";
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const thread = value.match(/"thread.created","thread":{"id":"([^"]+)"/)?.[1];
      const change = { detail: { threadId: thread } };
      if (thread) this.dispatchEvent(new CustomEvent("chatkit.thread.change", change));
      this.text += value;
    }
  }
});
"""
IMAGE_BEGUN = "() => document.querySelector('#chatkit').text?.includes('updated')"


def test_chatkit_js_stops_by_abort_and_not_by_reload(
    open_page: OpenPage, demo: str, run_status: Callable[[], str]
) -> None:
    page = open_page()
    stops = []
    page.on("request", lambda request: "/stop/" in request.url and stops.append(1))
    page.route(
        "https://cdn.platform.openai.com/**",
        lambda route: route.fulfill(body=CHATKIT_JS, content_type="text/javascript"),
    )
    page.goto(f"{demo}/chatkit.js/")
    chatkit = page.locator("openai-chatkit")
    chatkit.wait_for(state="attached")
    page.wait_for_function("() => document.querySelector('#chatkit').options")
    page.evaluate("void document.querySelector('#chatkit').ask('a slow cat')")
    page.wait_for_function(IMAGE_BEGUN)
    page.reload()
    page.wait_for_function("() => document.querySelector('#chatkit').options")
    thread = page.evaluate("document.querySelector('#chatkit').options.initialThread")
    assert page.url.endswith(f"#{thread}")
    chatkit.dispatch_event("chatkit.thread.load.end", {"detail": {"threadId": thread}})
    page.wait_for_function("() => document.querySelector('#chatkit').updates >= 2")
    until_status(page, run_status, "completed")
    assert stops == []

    page.evaluate(
        "void document.querySelector('#chatkit').ask('a slow cat')"
        ".catch(error => { document.title = error.name; })"
    )
    page.wait_for_function(IMAGE_BEGUN)
    page.evaluate("document.querySelector('#chatkit').abort.abort()")
    page.wait_for_function("() => document.title === 'AbortError'")
    until_status(page, run_status, "cancelled")
    assert stops == [1]
