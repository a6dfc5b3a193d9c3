"""Pages of other origins: what browsers are told, and whose pages may write."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from chatkit_images import checks, models, url_tokens, urls
from chatkit_images.testing import LoopbackAPI, Text
from tests.asking import DOORS, JSON, Answer, ask, ask_op, door, form, watches
from tests.client import URL, ChatClient, message, thread_id

APP, EVIL, TOKEN = "https://app.example", "https://evil.example", "a" * 32
HELLO = {"input": message("Hello")}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,chatkit-resume,x-article",
}


@pytest.fixture(params=DOORS)
def application(request: pytest.FixtureRequest, settings: Any) -> Any:
    """Each of the two doors of a project that lists an origin."""
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ORIGINS": [APP]}
    return door(request.param)


@pytest.fixture(params=DOORS)
def with_cors_headers(request: pytest.FixtureRequest, settings: Any) -> Any:
    """Each of the two doors of a project with django-cors-headers."""
    path = "corsheaders.middleware.CorsMiddleware"
    pytest.importorskip("corsheaders")
    settings.MIDDLEWARE = [path, *settings.MIDDLEWARE]
    settings.CORS_ALLOWED_ORIGINS = [APP]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_EXPOSE_HEADERS = ["ChatKit-Run"]
    settings.CORS_ALLOW_HEADERS = ["authorization", "chatkit-resume", "x-article"]
    return door(request.param)


@pytest.fixture
def cookies(ann: User, model: LoopbackAPI) -> dict[str, str]:
    """What Ann's browser sends with a request of a page that has the CSRF token."""
    client = ChatClient()
    client.force_login(ann)
    key = client.cookies["sessionid"].value
    return {"Cookie": f"sessionid={key}; csrftoken={TOKEN}", "X-CSRFToken": TOKEN}


def may_read(answer: Answer, *, exposed: str = "ChatKit-Run") -> bool:
    """Whether a browser lets the listed page, and no other, read an answer."""
    said = answer.shared
    return (
        said.get("access-control-allow-origin") == APP
        and said.get("access-control-allow-credentials") == "true"
        and exposed in said.get("access-control-expose-headers", "")
        and "origin" in said["vary"].lower()
    )


def addresses() -> dict[str, str]:
    """Return an address of each route."""
    zero = "00000000-0000-0000-0000-000000000000"
    args = {"run-events": [zero], "run-stop": [zero], "session-image": [zero, "full"]}
    args |= {"lineage": [zero], "report": [zero]}
    alone = ("chat", "upload-direct", "ready", "csrf", "limits", "composer", "entities")
    args |= dict.fromkeys(alone, [])
    names = [str(route.name) for route in urls.urlpatterns]
    return {
        name: reverse(f"chatkit_images:{name}", args=args.get(name, ["x"]))
        for name in names
    }


async def test_each_route_tells_browsers_who_may_ask(
    application: Any, transactional_db: None
) -> None:
    for name, address in addresses().items():
        asked = PREFLIGHT | {"Origin": APP}
        answer = await ask(application, "OPTIONS", address, asked)
        assert may_read(answer), name
        assert answer.status == 204
        allowed = answer.shared["access-control-allow-headers"]
        assert allowed == PREFLIGHT["Access-Control-Request-Headers"]
        assert "PUT" in answer.shared["access-control-allow-methods"]
        for origin in (EVIL, "null", f"{APP}.evil.example", APP.upper()):
            asked = PREFLIGHT | {"Origin": origin}
            answer = await ask(application, "OPTIONS", address, asked)
            said = {name: each for name, each in answer.shared.items() if each != "*"}
            if name == "upload":
                # Its signed URL is the authority, without cookies.
                assert said.pop("access-control-allow-methods")
                assert said.pop("access-control-allow-headers") == "Content-Type"
            assert said == {"vary": answer.headers["vary"]}, (name, origin)


async def test_each_answer_may_be_read_by_a_listed_page(
    application: Any,
    cookies: dict[str, str],
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    listed = cookies | {"Origin": APP}
    for name, address in addresses().items():
        for method in ("GET", "POST"):
            answer = await ask(application, method, address, listed | JSON, b"{}")
            assert may_read(answer), (name, method, answer)
            answer = await ask(application, method, address, {"Origin": EVIL})
            assert "access-control-allow-credentials" not in answer.shared
    model.respond_with(Text("Hello."))
    resuming = listed | {"ChatKit-Resume": "1"}
    answer = await ask_op(application, "threads.create", HELLO, resuming)
    assert may_read(answer)
    key, run = thread_id(answer.events), answer.headers["chatkit-run"]
    for address in (f"threads/{key}/status/", f"runs/{run}/events/"):
        answer = await ask(application, "GET", URL + address, listed)
        assert answer.status == 200
        assert may_read(answer)
    file, data = form("a.txt", b"text")
    answer = await ask(application, "POST", f"{URL}attachments/", listed | file, data)
    assert answer.status == 200, answer.body
    assert may_read(answer)
    # Failures before the view and in it.
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_BODY_BYTES": 9}
    answer = await ask_op(application, "threads.list", {}, listed)
    assert (answer.status, may_read(answer)) == (413, True)
    path = "chatkit_images.views.admission.context_of"
    monkeypatch.setattr(path, lambda request: 1 / 0)
    answer = await ask(application, "GET", f"{URL}threads/{key}/status/", listed)
    assert (answer.status, may_read(answer)) == (500, True)


async def test_signed_urls_are_for_every_page(
    application: Any, ann: User, png: bytes
) -> None:
    row = await models.Attachment.objects.acreate(
        pk="atc_1", owner=f"user:{ann.pk}", user=ann, name="a.txt", kind="file"
    )
    token = url_tokens.make("upload", row.pk, "full", row.owner)
    address = reverse("chatkit_images:upload", args=[token])
    plain = {"Content-Type": "text/plain"}
    for origin, shared in ((EVIL, "*"), (APP, APP)):
        sent = plain | {"Origin": origin}
        answer = await ask(application, "PUT", address, sent, b"text")
        assert answer.shared["access-control-allow-origin"] == shared


@pytest.mark.parametrize(("origin", "status"), [(APP, 200), (EVIL, 403), ("null", 403)])
async def test_a_listed_page_needs_the_csrf_token(
    application: Any, cookies: dict[str, str], origin: str, status: int
) -> None:
    for sent, expected in (
        (cookies, status),
        (cookies | {"X-CSRFToken": "b" * 32}, 403),
    ):
        headers = sent | {"Origin": origin}
        answer = await ask_op(application, "threads.list", {}, headers)
        assert answer.status == expected
        assert expected == 200 or answer.code == "csrf_failed"


async def test_a_listed_page_watches(
    application: Any, cookies: dict[str, str], model: LoopbackAPI
) -> None:
    model.respond_with(Text("Hello."))
    said = await ask_op(application, "threads.create", HELLO, cookies)
    key = thread_id(said.events)
    for origin, may in ((APP, True), ("http://testserver", True), (EVIL, False)):
        assert await watches(key, cookies | {"Origin": origin}) == may


async def test_a_page_that_cannot_read_the_cookie_asks_for_the_token(
    application: Any, cookies: dict[str, str]
) -> None:
    session = cookies["Cookie"].partition(";")[0]
    page = {"Origin": APP, "Cookie": session}
    told = await ask(application, "GET", f"{URL}csrf/", page)
    assert told.headers["cache-control"] == "no-store"
    assert may_read(told)
    (name, value) = told.headers["set-cookie"].partition(";")[0].split("=")
    assert name == "csrftoken"
    page = {"Origin": APP, "Cookie": f"{session}; csrftoken={value}"}
    page["X-CSRFToken"] = told.json["csrfToken"]
    assert (await ask_op(application, "threads.list", {}, page)).status == 200
    # Whoever has the cookie keeps it.
    again = await ask(application, "GET", f"{URL}csrf/", page)
    page["X-CSRFToken"] = again.json["csrfToken"]
    assert (await ask_op(application, "threads.list", {}, page)).status == 200


async def test_the_token_may_be_in_the_session(
    application: Any, cookies: dict[str, str], settings: Any
) -> None:
    settings.CSRF_USE_SESSIONS = True
    page = {"Origin": APP, "Cookie": cookies["Cookie"].partition(";")[0]}
    refused = await ask_op(application, "threads.list", {}, page)
    assert (refused.status, refused.code) == (403, "csrf_failed")
    told = await ask(application, "GET", f"{URL}csrf/", page)
    page["X-CSRFToken"] = told.json["csrfToken"]
    assert (await ask_op(application, "threads.list", {}, page)).status == 200
    foreign = await ask_op(application, "threads.list", {}, page | {"Origin": EVIL})
    assert (foreign.status, foreign.code) == (403, "csrf_failed")


# django-cors-headers


async def test_cors_headers_answers_at_both_doors(
    with_cors_headers: Any, cookies: dict[str, str], model: LoopbackAPI, settings: Any
) -> None:
    # What the app itself would say is left to it.
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ORIGINS": [EVIL]}
    for origin, may in ((APP, True), (EVIL, False)):
        asked = PREFLIGHT | {"Origin": origin}
        answer = await ask(with_cors_headers, "OPTIONS", URL, asked)
        assert (answer.status, may_read(answer)) == (200, may)
        assert ("access-control-allow-headers" in answer.shared) == may
    model.respond_with(Text("Hello."))
    listed = cookies | {"Origin": APP}
    settings.CSRF_TRUSTED_ORIGINS = [APP]
    answer = await ask_op(with_cors_headers, "threads.create", HELLO, listed)
    assert (answer.status, may_read(answer)) == (200, True)
    assert answer.headers["vary"].lower().split(", ").count("origin") == 1
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_BODY_BYTES": 9}
    answer = await ask_op(with_cors_headers, "threads.list", {}, listed)
    assert (answer.status, may_read(answer)) == (413, True)
    answer = await ask(with_cors_headers, "GET", URL, {"Origin": EVIL})
    assert "access-control-allow-origin" not in answer.shared


async def test_an_origin_of_cors_headers_sends_tokens_and_no_cookies(
    with_cors_headers: Any, cookies: dict[str, str], ann: User, settings: Any
) -> None:
    path = "tests.test_forged.HeaderContext"
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": path}
    thread = await models.Thread.objects.acreate(pk="thr_1", owner=f"user:{ann.pk}")
    token = {"Authorization": "Bearer ann"}
    for everybody in (False, True):
        settings.CORS_ALLOW_ALL_ORIGINS = everybody
        for origin, sent, status in (
            (APP, token, 200),
            (APP, cookies, 403),
            (EVIL, token, 403),
            ("null", token, 403),
        ):
            headers = sent | {"Origin": origin}
            answer = await ask_op(with_cors_headers, "threads.list", {}, headers)
            assert answer.status == status, (origin, sent)
            assert await watches(thread.pk, headers) == (status == 200)


def test_only_origins_are_listed(settings: Any) -> None:
    def ids(origins: Any) -> list[str]:
        values = settings.CHATKIT_IMAGES | {"ORIGINS": origins}
        settings.CHATKIT_IMAGES = values
        return [str(each.id) for each in checks.check_settings(None)]

    good = [APP, "http://localhost:5173", "capacitor://localhost", "http://[::1]:80"]
    assert ids(good) == ids(()) == []
    bad = ["app.example", "*", f"{APP}/", "https://*.example", "null", "HTTPS://a", 7]
    assert ids(bad) == ["chatkit_images.E016"] * len(bad)
    assert ids(APP) == ["chatkit_images.E016"]
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware"]
    assert ids([APP]) == ["chatkit_images.W006"]
    assert ids([]) == []
