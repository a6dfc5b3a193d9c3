"""chatkit-fetch.js in a page, against a server that answers from a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Script = Callable[..., Any]
SCENARIOS = Path(__file__).with_name("scenarios.js")
LOADER = Path(__file__).with_name("loader.js")
PLAY = """async ([name, arguments_]) => {
    const scenarios = await import("/scenarios.js");
    return scenarios[name](...arguments_);
}"""
FAILED = {"type": "error", "code": "stream.error", "allow_retry": True}


@pytest.fixture(scope="module")
def blank(browser: Any, demo: str) -> Any:
    """A page of the demo's origin with nothing on it."""
    page = browser.new_page()
    page.route(
        "**/blank/", lambda route: route.fulfill(body="", content_type="text/html")
    )
    page.route("**/scenarios.js", lambda route: route.fulfill(path=SCENARIOS))
    page.route("**/loader.js", lambda route: route.fulfill(path=LOADER))
    page.goto(f"{demo}/blank/")
    yield page
    page.close()


@pytest.fixture
def script(blank: Page) -> Script:
    """Return a function that plays one of the scenarios in a page."""

    def script(name: str, *arguments: Any) -> Any:
        return blank.evaluate(PLAY, [name, list(arguments)])

    return script


def types(events: list[dict[str, Any]]) -> list[str]:
    """Return what kinds of events those are, an item's with its id."""
    return [
        " ".join(
            filter(
                None,
                [
                    event["type"].removeprefix("thread."),
                    event.get("item", event.get("thread", {})).get("id")
                    or event.get("item_id"),
                ],
            )
        )
        for event in events
    ]


def test_numbers_and_heartbeats_stay_behind(script: Script) -> None:
    seen = script("numbersAndHeartbeats")
    assert [event["message"] for event in seen["events"]] == [
        "a\u2028id: 7\u2029data: x, and data:\n\nid: 9",
        "über",
    ]
    assert seen["strange"] == seen["states"] == []
    (request,) = seen["requests"]
    headers = request["headers"]
    assert headers["x-csrftoken"] == "token"
    assert headers["chatkit-resume"] == "1"
    assert len(headers["idempotency-key"]) > 20
    assert request["credentials"] == "same-origin"


def test_the_page_has_the_token_where_no_script_may_read_its_cookie(
    script: Script,
) -> None:
    assert script("tokens") == ["", "page", "cookie"]


def test_a_cut_stream_is_read_on_behind_its_last_event(script: Script) -> None:
    seen = script("cuts")
    assert types(seen["events"]) == [
        "created t",
        "item.done b",
        "item.added c",
        "item.done c",
    ]
    assert seen["states"] == [True, False, True, False]
    first, *others = seen["requests"]
    run = "/chatkit/runs/6d2f2c3e-0000-4000-8000-000000000001/events/"
    assert {request["path"] for request in others} == {run}
    assert [each["headers"]["last-event-id"] for each in others] == ["1"] * 3 + ["3"]
    assert all("idempotency-key" not in each["headers"] for each in others)
    # A header of the caller's may be what lets it in.
    assert all(each["headers"]["x-tenant"] == "7" for each in seen["requests"])


def test_silence_is_a_lost_connection_and_a_heartbeat_is_none(script: Script) -> None:
    seen = script("silence")
    assert types(seen["events"]) == ["created t", "item.done b"]
    assert seen["count"] == 2
    # The heartbeats alone go on for longer than the silence that is borne.
    assert seen["ms"] > 4000


def test_a_stream_that_ends_in_the_middle_of_an_item_is_asked_about(
    script: Script,
) -> None:
    seen = script("endsInAnItem")
    assert [(types(events), count) for events, count in seen] == [
        (["item.added a", "item.done a"], 2),
        (["item.added a"], 2),
        (["item.added a"], 2),
        (["created t"], 1),
    ]


def test_a_stream_that_goes_on_in_another_process_is_read_on_there(
    script: Script,
) -> None:
    seen = script("endsElsewhere")
    assert types(seen["events"]) == [
        "created t",
        "item.done user",
        "item.added a",
        "item.done a",
    ]
    assert seen["states"] == [True, False]
    assert seen["last"][1:] == ["2"] * 3


def test_each_end_in_an_item_is_asked_about(script: Script) -> None:
    seen = script("endsInItems")
    assert types(seen["events"]) == [
        f"item.{what} {key}" for key in "abc" for what in ("added", "done")
    ]
    assert seen["count"] == 4


def test_without_a_log_what_the_database_lacks_is_removed(script: Script) -> None:
    seen = script("noLog")
    assert types(seen) == [
        "created t",
        "item.done user",
        "item.added a",
        "item.added b",
        "updated t",
        "item.done a",
        "item.done c",
        "item.removed b",
        "error",
    ]


def test_a_digest_tells_what_is_new_once(script: Script) -> None:
    seen = script("digest")
    assert types(seen["events"]) == [
        "created t",
        "notice",
        "item.done user",
        "item.added a",
        "item.added a",
        "item.removed b",
        "item.done a",
    ]
    assert seen["events"][4]["item"]["text"] == "grown"
    assert seen["last"][1:] == ["4", "4", "9"]


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        ({"status": 404, "json": {}}, {}),
        ({"status": 403, "json": {}}, {}),
        ({"html": "Log in"}, {}),
        ("down", {"reconnectSeconds": 0.5}),
        ({"status": 503, "json": {}}, {"reconnectSeconds": 0.5}),
    ],
)
def test_a_run_that_is_out_of_reach_ends_with_one_error(
    script: Script, answer: Any, options: Any
) -> None:
    seen = script("outOfReach", answer, options)
    assert seen["events"][1:] == [FAILED]
    assert seen["states"] == [True, False]


def test_a_post_without_an_answer_is_sent_again_under_its_key(script: Script) -> None:
    seen = script("sentAgain")
    assert types(seen["events"]) == ["created t"]
    assert seen["states"] == [True, False]
    keys = {request["headers"]["idempotency-key"] for request in seen["requests"]}
    assert (len(seen["requests"]), len(keys)) == (4, 1)
    assert len({request["body"] for request in seen["requests"]}) == 1


@pytest.mark.parametrize(
    ("type", "count"), [("threads.create", 2), ("input.transcribe", 1)]
)
def test_a_post_that_nobody_answers_is_lost_but_for_dictation(
    script: Script, type: str, count: int
) -> None:
    seen = script("silentBeforeTheAnswer", type)
    assert seen["count"] == count
    assert types(seen["events"]) == ["created t"][: count - 1]
    assert seen["states"] == [True, False][: 2 * count - 2]


def test_what_must_not_come_twice_is_sent_once(script: Script) -> None:
    seen = script("sentOnce")
    chat = ["chatkit-resume", "content-type", "idempotency-key", "x-csrftoken"]
    assert seen == [
        [503, [chat]],
        [500, [chat]],
        ["TypeError", [["content-type", "x-csrftoken"]]],
        ["TypeError", [["x-csrftoken"]]],
        # Another server gets nothing that its CORS rules do not know.
        ["TypeError", [[]]],
    ]


@pytest.mark.parametrize("credentials", ["include", None])
def test_only_what_goes_to_the_endpoint_gets_its_token(
    script: Script, credentials: str | None
) -> None:
    options = {"credentials": credentials} if credentials else {}
    seen = script("elsewhere", options)
    chat, mode, key = (
        "https://api.example/chat",
        credentials or "same-origin",
        "Bearer 7",
    )
    posts = [[f"POST {chat}", key, None, mode]]
    if credentials:
        posts = [
            [f"GET {chat}/csrf/", key, None, mode],
            [f"POST {chat}", key, "one", mode],
            # It was refused, so the token is asked for once more.
            [f"GET {chat}/csrf/", key, None, mode],
            [f"POST {chat}", key, "two", mode],
        ]
    assert seen == [
        *posts,
        [f"GET {chat}/threads/t/status/", key, None, mode],
        ["PUT https://files.example/1", None, None, None],
        ["PUT https://api.example/chats/", None, None, None],
        ["PUT /chat/", None, None, None],
    ]


@pytest.mark.parametrize(
    "way",
    [
        "abort",
        "cancel",
        "abort-before-the-answer",
        "abort-before-the-lost-answer",
    ],
)
def test_who_stops_reading_stops_the_run(script: Script, way: str) -> None:
    seen = script("stops", way)
    assert seen.get("error") == (None if way == "cancel" else "AbortError")
    *asked, stop = seen["requests"]
    assert len(asked) == 1 + way.endswith("lost-answer")
    assert stop["path"] == "/chatkit/runs/6d2f2c3e-0000-4000-8000-000000000001/stop/"
    assert (stop["method"], stop["keepalive"]) == ("POST", True)
    assert stop["headers"]["x-csrftoken"] == "token"


def test_a_page_that_goes_away_stops_nothing(script: Script) -> None:
    seen = script("pageGoes")
    assert seen == 1


def test_a_stream_that_has_ended_is_not_stopped(script: Script) -> None:
    seen = script("hasEnded")
    assert seen == 1


def test_other_answers_are_passed_on(script: Script) -> None:
    seen = script("otherAnswers")
    assert seen["json"] == {"id": "t"}
    assert seen["bare"] == ": keep-alive\n\ndata: 1\n\n"
    assert seen["request"] == [{"id": "t"}, '{"type": "threads.list"}']


def test_a_running_answer_is_followed(script: Script) -> None:
    seen = script("follows")
    assert types(seen["events"]) == ["created t", "item.added a", "item.done a"]
    assert seen["paths"] == [
        "/chatkit/threads/t%2F1/events/",
        "/chatkit/runs/6d2f2c3e-0000-4000-8000-000000000001/events/",
    ]
    assert (seen["idle"], seen["lost"]) == (None, 404)
    assert seen["again"]["type"] == "thread.created"
    # To look away is no stop.
    assert (seen["error"], seen["stops"]) == ("AbortError", 1)
    assert seen["status"] == {"busy": True, "run": "r"}


def test_a_repetition_has_the_key_of_the_first_and_what_is_said_twice_has_its_own(
    script: Script,
) -> None:
    failed, repeated, again, other, *twice = script("sameAndAgain")
    assert failed == repeated
    assert len({repeated, again, other, *twice}) == 5


@pytest.mark.parametrize("pause", [0, 700])
@pytest.mark.parametrize("order", ["before", "after", "late"])
def test_a_hidden_tab_is_left_and_resumed(
    script: Script, order: str, pause: int
) -> None:
    seen = script("hidden", order, pause)
    assert seen["end"] == "ended"
    assert types(seen["events"]) == [
        "created t",
        "item.done user",
        "item.added a",
        "item.done a",
    ]
    first, again = seen["requests"]
    assert first["headers"]["idempotency-key"] == again["headers"]["idempotency-key"]
    assert "last-event-id" not in first["headers"]
    assert again["headers"]["last-event-id"] == "3"


def test_who_has_just_come_back_presses_no_button(script: Script) -> None:
    assert script("shownTooSoon") == 1


def test_a_tab_that_leaves_before_the_answer_stops_nothing(script: Script) -> None:
    assert script("leftBeforeTheAnswer") == ["AbortError", 1]


def test_a_caller_that_reads_streams_alone_is_told_why_in_one(script: Script) -> None:
    def error(message: str, may_retry: bool = False) -> dict[str, Any]:
        told = {"type": "error", "code": "custom", "message": message}
        return told | {"allow_retry": may_retry}

    assert script("readableRefusals", "text/event-stream") == [
        [200, error("thread_locked")],
        [409, "{"],
        [200, error("server_error")],
        [500, "{"],
        [200, error("draining", True)],
        [503, "{"],
        # A proxy says nothing that a person could read.
        [502, "<"],
        [502, "<"],
    ]
    statuses = [status for status, _ in script("readableRefusals", "*/*")]
    assert statuses == [409, 409, 500, 500, 503, 503, 502, 502]
