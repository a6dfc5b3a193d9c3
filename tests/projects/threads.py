"""Steps of threads: the history, changes to it, and who does not see it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx2

from tests.client import message
from tests.servers.browsing import PATIENT

from .tour import Tour, check_end, check_time, image_of

# What chatkit-fetch.js sends.
ASKED = ("content-type", "chatkit-resume", "idempotency-key", "x-csrftoken")
LEAVE = """
from django.contrib.auth.models import User
User.objects.get(username="ann@shop.example").delete()
"""


def reload(tour: Tour) -> None:
    """Lists and threads are the same at both servers, and every image opens."""
    ann = tour.ann
    for server in (tour.daphne, tour.uvicorn):
        listed = ann.call(server, "threads.list")["data"]
        assert tour.thread("view") in [thread["id"] for thread in listed], listed
        for thread in listed:
            check_time(thread["created_at"])
        items = tour.items(ann, server, tour.thread("view"))
        kinds = [item["type"] for item in items]
        assert kinds.count("user_message") == 2, kinds
        assert kinds[0] == "user_message", kinds
        images = [item for item in items if item["type"] == "generated_image"]
        assert len(images) == 2, kinds
        for item in images:
            ann.image(server, item["image"]["url"])


def change(tour: Tour) -> None:
    """Thumbs, a new title, and a thread that is deleted."""
    ann, server = tour.ann, tour.uvicorn
    thread = tour.thread("view")
    item = tour.items(ann, server, thread)[-1]["id"]
    for kind in ("positive", "negative", "negative"):
        ann.call(server, "items.feedback", thread_id=thread, item_ids=[item], kind=kind)
    ann.call(server, "threads.update", thread_id=thread, title="Füchse 🦊")
    found = ann.call(tour.daphne, "threads.get_by_id", thread_id=thread)
    assert found["title"] == "Füchse 🦊", found["title"]
    gone = tour.thread("consumer")
    ann.call(server, "threads.delete", thread_id=gone)
    listed = ann.call(tour.daphne, "threads.list")["data"]
    assert gone not in [thread["id"] for thread in listed]
    answer = ann.ask(tour.daphne, "threads.get_by_id", thread_id=gone)
    assert answer.status_code == 404, answer.text[:500]


def isolate(tour: Tour) -> None:
    """Nobody else sees anything of it, at either door."""
    thread, ann = tour.thread("view"), tour.ann
    item = tour.items(ann, tour.daphne, thread)[0]["id"]
    with ann.say(tour.daphne, "Hello", thread) as stream:
        run = stream.run
        assert list(stream.events())
    for server in (tour.daphne, tour.uvicorn):
        base = f"{server}{tour.kind.prefix}"
        bob = tour.bob
        assert bob.call(server, "threads.list")["data"] == []
        answers = [
            bob.ask(server, "threads.get_by_id", thread_id=thread),
            bob.ask(server, "items.list", thread_id=thread),
            bob.ask(server, "threads.update", thread_id=thread, title="mine"),
            bob.ask(server, "threads.delete", thread_id=thread),
            bob.ask(
                server,
                "items.feedback",
                thread_id=thread,
                item_ids=[item],
                kind="positive",
            ),
            bob.ask(
                server,
                "threads.add_user_message",
                thread_id=thread,
                input=message("Hello"),
            ),
            bob.client.get(f"{base}threads/{thread}/status/"),
            bob.client.get(f"{base}threads/{thread}/events/"),
            bob.client.post(f"{base}threads/{thread}/stop/"),
            bob.client.get(f"{base}runs/{run}/events/"),
            bob.client.post(f"{base}runs/{run}/stop/"),
        ]
        found = [answer.status_code for answer in answers]
        assert found == [404] * len(answers), found
        check_nobody(tour, server)
        if tour.kind.tenants:
            # A signed URL is that of a tenant, and so is a session.
            path = urlsplit(tour.image_url).path
            assert bob.client.get(f"{server}{path}").status_code == 404
            body, there = {"type": "threads.list", "params": {}}, {"Host": bob.host}
            answer = ann.client.post(base, json=body, headers=there)
            assert answer.status_code == 401, answer.text[:500]
    if "cleo" in tour.people:
        check_team(tour, thread)


def check_nobody(tour: Tour, server: str) -> None:
    """Fail if somebody unknown, or the page of another site, may chat."""
    body = {"type": "threads.list", "params": {}}
    url = f"{server}{tour.kind.prefix}"
    host = {"Host": tour.ann.host}
    answer = httpx2.post(url, json=body, headers=host, **PATIENT)
    assert answer.status_code in (401, 403), (answer.status_code, answer.text[:500])
    if token := tour.ann.client.headers.get("Authorization"):
        wrong = host | {"Authorization": token[:-1]}
        answer = httpx2.post(url, json=body, headers=wrong, **PATIENT)
        assert answer.status_code in (401, 403), (answer.status_code, answer.text[:500])
    # What a browser sends along by itself: no token.
    forged = host | {"Origin": "https://evil.example", "X-CSRFToken": "a" * 32}
    cookies = tour.ann.client.cookies
    answer = httpx2.post(url, json=body, headers=forged, cookies=cookies, **PATIENT)
    assert answer.status_code in (401, 403), (answer.status_code, answer.text[:500])
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(ASKED),
    }
    for origin in filter(None, ["https://evil.example", tour.kind.page]):
        answer = httpx2.options(
            url, headers=host | asked | {"Origin": origin}, **PATIENT
        )
        allowed = answer.headers.get("Access-Control-Allow-Headers", "").lower()
        if origin == tour.kind.page:
            assert answer.status_code in (200, 204), answer.status_code
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            assert set(ASKED) <= set(re.split(r"[ ,]+", allowed)), allowed
        else:
            assert "Access-Control-Allow-Origin" not in answer.headers, answer.headers


def check_team(tour: Tour, thread: str) -> None:
    """Fail if another member does not share a thread, or loses it with its author."""
    cleo = tour.people["cleo"]
    listed = cleo.call(tour.uvicorn, "threads.list")["data"]
    assert thread in [each["id"] for each in listed]
    with cleo.say(tour.daphne, "now as a sketch", thread) as stream:
        events = list(stream.events())
    check_end(events)
    assert tour.ann.image(tour.uvicorn, image_of(events)["url"])
    tour.project.manage("shell", "--command", LEAVE)
    items = tour.items(cleo, tour.uvicorn, thread)
    images = [item for item in items if item["type"] == "generated_image"]
    assert len(images) == 3, items
    for item in images:
        cleo.image(tour.daphne, item["image"]["url"])
