"""What another site's page sends in somebody's name, with their cookies."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.urls import reverse

from chatkit_images import context, urls
from chatkit_images.exceptions import AuthenticationRequired
from chatkit_images.testing import LoopbackAPI
from tests.asking import DOORS, JSON, Answer, ask, door, form, watches
from tests.client import URL, ChatClient
from tests.rows import some
from tests.servers.rows import dump
from tests.servers.world import Ids, build
from tests.test_authorisation import ALONE, WAYS

snapshot = database_sync_to_async(dump)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE = ("GET", "HEAD", "OPTIONS")
MADE_UP: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer x"},
    {"Authorization": "Basic YW5uOmFubg=="},
    {"X-User": "ann"},
    {"X-Forwarded-User": "ann", "Remote-User": "ann"},
    {"X-Requested-With": "XMLHttpRequest"},
    {"X-CSRFToken": "a" * 32},
]
PAGES: list[dict[str, str]] = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Referer": "https://evil.example/page/"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://testserver"},
]
COMBINATIONS = [made | page for made, page in itertools.product(MADE_UP, PAGES)]


class HeaderContext(context.RequestContext):
    """A project's: people by a token, and by what a proxy has written."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        name = request.headers.get("X-Forwarded-User")
        if request.headers.get("Authorization") == "Bearer ann":
            name = "ann"
        if name:
            return User.objects.get(username=name)
        return super().get_user(request)


class StrictContext(HeaderContext):
    """One that takes no cookies, and says so."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        if "Authorization" not in request.headers:
            raise AuthenticationRequired
        return super().get_user(request)


Cell = tuple[str, str, dict[str, str], bytes]


def cells(ids: Ids) -> Iterator[Cell]:
    """Yield method, path, headers and body of what could be forged."""
    for op in WAYS:
        for params in [*(way(ids, ids) for way in WAYS[op]), ALONE.get(op)]:
            if params is not None:
                body = json.dumps({"type": op, "params": params}).encode()
                yield "POST", URL, JSON, body
    keys: dict[str, list[Any]] = {
        "run-stop": [ids.run],
        "run-events": [ids.run],
        "session-image": [ids.image, "full"],
        "lineage": [ids.image],
        "report": [ids.image],
        "entity": [f"img_{ids.image.hex}"],
        "upload-finish": [ids.attachment],
    }
    alone = {"chat", "upload-direct", "ready", "csrf", "limits", "composer", "entities"}
    for route in urls.urlpatterns:
        name = str(route.name)
        # A signed URL is its own authority; this is none.
        unsigned = "x" if name in ("image", "attachment", "upload") else ids.thread
        args = [] if name in alone else keys.get(name, [unsigned])
        address = reverse(f"chatkit_images:{name}", args=args)
        for method in METHODS:
            headers, body = form("a.txt", b"text")
            if name != "upload-direct":
                headers = JSON
                body = json.dumps({"type": "threads.list", "params": {}}).encode()
            yield method, address, headers, body


def problem_of(cell: Cell, answer: Answer) -> str | None:
    """Return what is wrong with the answer to something forged."""
    refused = {401, 403, 404, 405}
    if cell[0] not in SAFE and answer.status not in refused:
        return "let in"
    origin = answer.shared.get("access-control-allow-origin", "*")
    if origin != "*" or "access-control-allow-credentials" in answer.shared:
        return "may be read"
    return "failed" if answer.status >= 500 else None


# Both doors ask the context in the same way, so one of them has each class, and the
# other the most trusting one. No database decides about it.
CASES = [
    (name, kind)
    for name in DOORS
    for kind in (HeaderContext, None, StrictContext)
    if kind is HeaderContext or (name == DOORS[0] and connection.vendor == "sqlite")
]


def made_up_for(number: int, case: int, cell: Cell) -> list[dict[str, str]]:
    """Return the headers that a cell is sent with.

    Many combinations where most depends on it, other ones in each run, of which each
    further case has fewer; elsewhere one, another in each case.
    """
    method, address, *_ = cell
    if method == "POST" and (number == 0 or "stop" in address or "att" in address):
        return some(f"{case} {number}", COMBINATIONS, 7 if case else 21)
    return [COMBINATIONS[(number + 13 * case) % len(COMBINATIONS)]]


async def test_nothing_forged_gets_through(
    ann: User,
    model: LoopbackAPI,
    png: bytes,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = ChatClient()
    await client.aforce_login(ann)
    cookies = client.cookies["sessionid"].value
    ids = await database_sync_to_async(build)(f"user:{ann.pk}", ann, "mark", png)
    before, problems = await snapshot(), []
    all_cells = list(cells(ids))
    for case, (name, kind) in enumerate(CASES):
        path = kind and f"{__name__}.{kind.__name__}"
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": path}
        application, sent = door(name), 0
        for number, cell in enumerate(all_cells):
            method, address, headers, body = cell
            for made_up in made_up_for(number, case, cell):
                forged = headers | made_up | {"Cookie": f"sessionid={cookies}"}
                answer = await ask(application, method, address, forged, body)
                sent += 1
                if wrong := problem_of(cell, answer):
                    problems.append((name, kind, wrong, cell[:2], made_up, answer))
        for page in ("https://evil.example", "null"):
            forged = {"Cookie": f"sessionid={cookies}", "Origin": page}
            for made_up in MADE_UP:
                if await watches(ids.thread, forged | made_up):
                    problems.append((name, kind, "watches", page, made_up))
        assert sent > (150 if case else 250)
        with capsys.disabled():
            print(f"\n{name}, {kind and kind.__name__}: {sent} forged", end=" ")
    assert problems == []
    assert await snapshot() == before
    assert model.requests == []
