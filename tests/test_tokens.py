"""Requests with a token in place of a cookie, as docs/tokens.md describes them."""

from __future__ import annotations

import base64
import itertools
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from channels.db import database_sync_to_async
from django.apps import apps
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import reverse
from django.utils import timezone

from chatkit_images.context import RequestContext
from chatkit_images.models import ALL, Attachment, Run, Thread
from chatkit_images.testing import LoopbackAPI, Text
from tests.asking import DOORS, ask, ask_op, door, form, watches
from tests.client import URL, ChatClient, message, thread_id
from tests.docs import shop
from tests.docs.pages import block

if not apps.is_installed("oauth2_provider"):
    pytest.skip("Tokens have tables on SQLite only.", allow_module_level=True)
jwt = pytest.importorskip("jwt")
authentication = pytest.importorskip("rest_framework.authentication")
pytest.importorskip("oauth2_provider")

HELLO = {"input": message("Hello")}
JWT_KEY = "a-key-of-the-identity-provider's"
KINDS = {"drf": "REST framework", "oauth": "OAuth toolkit"}
BACKEND = "oauth2_provider.backends.OAuth2Backend"


@pytest.fixture(params=DOORS)
def application(request: pytest.FixtureRequest) -> Any:
    """Each of the two doors."""
    return door(request.param)


@pytest.fixture
def token_apps(transactional_db: None, settings: Any) -> None:
    """The ways to read tokens of the apps that keep them."""
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, BACKEND]


@pytest.fixture
def jar(ann: User) -> str:
    """The cookies of a browser in which Ann has logged in."""
    client = ChatClient()
    client.force_login(ann)
    return f"sessionid={client.cookies['sessionid'].value}; csrftoken={'a' * 32}"


def use(settings: Any, contexts: type[RequestContext], **values: Any) -> None:
    """Make a class the project's."""
    path = f"{__name__}.{contexts.__name__}"
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"CONTEXT": path} | values


def documented(settings: Any, heading: str) -> Any:
    """Make the class of a section of the page the project's."""
    made = shop.module("shop.context", block("tokens.md", heading))
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXT": "shop.context.ShopContext"
    }
    return shop.installed(context=made)


def make_token(kind: str, user: User, seconds: int = 60) -> str:
    """Return what a client of a user's writes into ``Authorization``."""
    if kind == "drf":
        token = apps.get_model("authtoken", "Token").objects.create(user=user)
        return f"Token {token.key}"
    application = apps.get_model("oauth2_provider", "Application").objects.create(
        user=user, client_type="public", authorization_grant_type="password"
    )
    apps.get_model("oauth2_provider", "AccessToken").objects.create(
        user=user,
        token=f"{kind}-{user.pk}-{seconds}",
        application=application,
        expires=timezone.now() + timedelta(seconds=seconds),
        scope="read",
    )
    return f"Bearer {kind}-{user.pk}-{seconds}"


tokens = database_sync_to_async(make_token)


# The documented ways


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cookies", [False, True], ids=["no cookies", "a jar"])
@pytest.mark.sweep(4)
async def test_a_client_with_a_token_does_all(
    application: Any,
    token_apps: None,
    kind: str,
    cookies: bool,
    bob: User,
    jar: str,
    model: LoopbackAPI,
    settings: Any,
) -> None:
    headers = {"Authorization": await tokens(kind, bob)}
    # Somebody else's cookies, with a CSRF token that does not fit.
    headers |= {"Cookie": jar} if cookies else {}
    model.respond_with(Text("Hello."), Text("Hello."))
    with documented(settings, KINDS[kind]):
        resuming = headers | {"ChatKit-Resume": "1"}
        said = await ask_op(application, "threads.create", HELLO, resuming)
        assert said.status == 200, said.body
        key = thread_id(said.events)
        listed = await ask_op(application, "threads.list", {}, headers)
        assert [each["id"] for each in listed.json["data"]] == [key]
        file, data = form("a.txt", b"text")
        address = reverse("chatkit_images:upload-direct")
        sent = await ask(application, "POST", address, headers | file, data)
        assert sent.status == 200, sent.body
        run = said.headers["chatkit-run"]
        for name, method, arg, status in (
            ("stop", "POST", key, 200),
            ("run-stop", "POST", run, 200),
            ("status", "GET", key, 200),
            ("thread-events", "GET", key, 204),
            ("run-events", "GET", run, 200),
        ):
            address = reverse(f"chatkit_images:{name}", args=[arg])
            answer = await ask(application, method, address, headers)
            assert answer.status == status, (name, answer.body)
        assert await watches(key, headers)
        assert not await watches(key, {"Cookie": jar})
    owners = {f"user:{bob.pk}"}
    for rows in (Thread, Attachment, Run):
        assert {each.owner async for each in rows.objects.all()} == owners
    # A token begins no session.
    assert "set-cookie" not in said.headers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("anonymous", [False, True], ids=["login", "visitors"])
@pytest.mark.sweep(4)
async def test_a_token_that_is_not_valid_is_a_401(
    application: Any,
    token_apps: None,
    kind: str,
    anonymous: bool,
    bob: User,
    jar: str,
    model: LoopbackAPI,
    settings: Any,
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ALLOW_ANONYMOUS": anonymous}
    scheme = "Token" if kind == "drf" else "Bearer"
    wrong = [f"{scheme} wrong", f"{scheme} ", f"{scheme} a b"]
    if kind == "oauth":
        wrong.append(await tokens(kind, bob, -1))
    with documented(settings, KINDS[kind]):
        for value, cookies in itertools.product(wrong, ({}, {"Cookie": jar})):
            headers = {"Authorization": value} | cookies
            answer = await ask_op(application, "threads.create", HELLO, headers)
            assert (answer.status, answer.code) == (401, "not_authenticated"), value
            assert answer.headers["www-authenticate"] == f'{scheme} realm="chat"'
            file, data = form("a.txt", b"text")
            address = reverse("chatkit_images:upload-direct")
            answer = await ask(application, "POST", address, headers | file, data)
            assert (answer.status, answer.code) == (401, "not_authenticated"), value
            if cookies:
                continue
            # What changes nothing needs no CSRF token, and has the same answer.
            own = {"Authorization": value}
            for name, arg in (("status", "thr_1"), ("run-events", UUID(int=0))):
                address = reverse(f"chatkit_images:{name}", args=[arg])
                answer = await ask(application, "GET", address, own)
                assert (answer.status, answer.code) == (401, "not_authenticated"), name
            assert not await watches("thr_1", own)
    assert not await Thread.objects.aexists()


async def test_a_user_who_is_switched_off_has_no_token(
    application: Any, token_apps: None, bob: User, model: LoopbackAPI, settings: Any
) -> None:
    for kind in KINDS:
        headers = {"Authorization": await tokens(kind, bob)}
        await User.objects.filter(pk=bob.pk).aupdate(is_active=False)
        with documented(settings, KINDS[kind]):
            answer = await ask_op(application, "threads.list", {}, headers)
            assert answer.status == 401
            assert not await watches("thr_1", headers)


def signed(**said: Any) -> dict[str, str]:
    """Return the headers of a client with a JWT."""
    said = {"sub": "17", "aud": "chat", "exp": timezone.now() + timedelta(60)} | said
    return {"Authorization": f"Bearer {jwt.encode(said, JWT_KEY, 'HS256')}"}


async def test_a_jwt_names_an_owner_that_is_no_user(
    application: Any, jar: str, model: LoopbackAPI, settings: Any
) -> None:
    settings.SHOP_JWT_KEY = JWT_KEY
    model.respond_with(Text("Hello."), Text("Hello."))
    with documented(settings, "A JWT, and owners that are no users"):
        for headers in (signed(), signed() | {"Cookie": jar}):
            answer = await ask_op(application, "threads.create", HELLO, headers)
            assert answer.status == 200, answer.body
        for headers in (
            signed(exp=timezone.now() - timedelta(1)),
            signed(aud="shop"),
            {"Authorization": signed()["Authorization"] + "x"},
            {"Authorization": "Bearer "},
        ):
            answer = await ask_op(application, "threads.create", HELLO, headers)
            assert (answer.status, answer.code) == (401, "not_authenticated")
        # The page's own way is as it was.
        own = {"Cookie": jar, "X-CSRFToken": "a" * 32}
        assert (await ask_op(application, "threads.list", {}, own)).status == 200
    threads = [thread async for thread in Thread.objects.all()]
    assert [(each.owner, each.user_id) for each in threads] == [("client:17", None)] * 2


# What is not the client's own


class ProxyContext(RequestContext):
    """People as a proxy tells them, and by Basic authentication."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        name = request.META.get("REMOTE_USER") or request.headers.get("X-Shop-User")
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            name = base64.b64decode(value).decode().partition(":")[0]
        if scheme == "Bearer":
            name = value
        if name:
            return User.objects.get(username=name)
        return super().get_user(request)


SENT: list[tuple[dict[str, str], int]] = [
    ({}, 401),
    ({"Authorization": "Bearer bob"}, 200),
    # A browser adds it, once a person has typed it in.
    ({"Authorization": "basic Ym9iOmJvYg=="}, 401),
    ({"X-Shop-User": "bob"}, 200),
    ({"X-Shop-User": "bob", "Origin": "http://testserver"}, 200),
    ({"X-Shop-User": "bob", "Origin": "https://app.example"}, 200),
    ({"X-Shop-User": "bob", "Origin": "https://trusted.example"}, 200),
    ({"X-Shop-User": "bob", "Referer": "http://testserver/page/"}, 200),
    ({"X-Shop-User": "bob", "Sec-Fetch-Site": "same-origin"}, 200),
    # A proxy may have made the header of a cookie.
    ({"X-Shop-User": "bob", "Origin": "https://evil.example"}, 403),
    ({"X-Shop-User": "bob", "Origin": "null"}, 403),
    ({"X-Shop-User": "bob", "Referer": "https://evil.example/"}, 403),
    ({"X-Shop-User": "bob", "Referer": "https://[evil"}, 403),
    ({"X-Shop-User": "bob", "Sec-Fetch-Site": "cross-site"}, 403),
    ({"X-Shop-User": "bob", "Sec-Fetch-Site": "same-site"}, 403),
    ({"Authorization": "Bearer bob", "Origin": "https://evil.example"}, 403),
]


async def test_a_page_that_is_not_listed_sends_no_token(
    application: Any, bob: User, model: LoopbackAPI, settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example"]
    use(settings, ProxyContext, ORIGINS=["https://app.example"])
    for sent, status in SENT:
        answer = await ask_op(application, "threads.list", {}, sent)
        assert answer.status == status, (sent, answer.body)
        if status == 403:
            assert answer.code == "csrf_failed", sent


def from_cookie(get_response: Any) -> Any:
    """Put on a request what a cookie says, in the ways in which middleware does."""

    async def middleware(request: Any) -> Any:
        name = request.COOKIES.get("shop_token", "")
        if name:
            request.shop_user = name
            request.META["HTTP_AUTHORIZATION"] = f"Bearer {name}"
        if request.META.get("HTTP_AUTHORIZATION", "").startswith("Bearer "):
            name = request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
            request.user = await User.objects.aget(username=name)
        return await get_response(request)

    from asgiref.sync import markcoroutinefunction

    return markcoroutinefunction(middleware)


from_cookie.async_capable = True  # type: ignore[attr-defined]
from_cookie.sync_capable = False  # type: ignore[attr-defined]


class MarkedContext(ProxyContext):
    """People by what middleware has put on the request."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        if name := getattr(request, "shop_user", None):
            return User.objects.get(username=name)
        return super().get_user(request)


class NeedyContext(RequestContext):
    """One that cannot do without its middleware."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        return User.objects.get(username=request.shop_user)


@pytest.mark.parametrize("contexts", [RequestContext, MarkedContext, NeedyContext])
async def test_what_middleware_made_of_a_cookie_is_no_token(
    bob: User, model: LoopbackAPI, settings: Any, contexts: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXT": f"{contexts.__module__}.{contexts.__name__}"
    }
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.from_cookie"]
    application = door("view")
    cookie = {"Cookie": "shop_token=bob; csrftoken=" + "a" * 32}
    answer = await ask_op(application, "threads.list", {}, cookie)
    assert (answer.status, answer.code) == (403, "csrf_failed")
    proven = cookie | {"X-CSRFToken": "a" * 32}
    assert (await ask_op(application, "threads.list", {}, proven)).status == 200
    # The user of a real token is kept, whoever has set them.
    if contexts is not NeedyContext:
        token = {"Authorization": "Bearer bob"}
        assert (await ask_op(application, "threads.list", {}, token)).status == 200


async def test_the_middleware_of_oauth_toolkit_is_enough_for_the_urlconf(
    token_apps: None, bob: User, jar: str, model: LoopbackAPI, settings: Any
) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "oauth2_provider.middleware.OAuth2TokenMiddleware",
    ]
    application, token = door("view"), await tokens("oauth", bob)
    headers = {"Authorization": token}
    for more, status in (
        ({}, 200),
        ({"Cookie": "csrftoken=" + "b" * 32}, 200),
        # Here a cookie may be what Bob has logged in with.
        ({"Cookie": "other=1"}, 401),
        ({"Cookie": jar}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
    ):
        answer = await ask_op(application, "threads.list", {}, headers | more)
        assert answer.status == status, more


async def test_a_channels_middleware_may_read_the_token(
    bob: User, model: LoopbackAPI
) -> None:
    inner = door("consumer")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if any(name == b"authorization" for name, value in scope["headers"]):
            scope = scope | {"user": await User.objects.aget(username="bob")}
        await inner(scope, receive, send)

    headers = {"Authorization": "Bearer bob"}
    assert (await ask_op(application, "threads.list", {}, headers)).status == 200
    answer = await ask_op(application, "threads.list", {}, headers | {"Cookie": "a=1"})
    assert answer.status == 401
    assert (await ask_op(application, "threads.list", {})).status == 401


# What else a context may do


class RefusingContext(RequestContext):
    """One that finds out that somebody may not chat."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        from rest_framework import exceptions

        raise {
            "absent": Http404("not here"),
            "denied": PermissionDenied("not you"),
            "forbidden": exceptions.PermissionDenied("not you"),
            "failed": exceptions.AuthenticationFailed("not you"),
            "missing": exceptions.NotAuthenticated("not you"),
        }[request.headers["X-Reason"]]


REASONS = {
    "absent": (404, "not_found"),
    "denied": (403, "forbidden"),
    "forbidden": (403, "forbidden"),
    "failed": (401, "not_authenticated"),
    "missing": (401, "not_authenticated"),
}


async def test_a_refusal_of_the_project_is_no_error(
    application: Any,
    transactional_db: None,
    model: LoopbackAPI,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use(settings, RefusingContext)
    image = reverse("chatkit_images:session-image", args=[UUID(int=0), "full"])
    for reason, expected in REASONS.items():
        said = {"X-Reason": reason}
        for method, address in (
            ("POST", URL),
            ("GET", reverse("chatkit_images:status", args=["thr_1"])),
            ("GET", image),
            ("POST", reverse("chatkit_images:upload-direct")),
        ):
            headers = said | {"Content-Type": "application/json"}
            answer = await ask(application, method, address, headers, b"{}")
            assert (answer.status, answer.code) == expected, (reason, address)
            assert b"not you" not in answer.body
        assert not await watches("thr_1", said), reason
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


class OddContext(RequestContext):
    """One that names no owner, or makes no context."""

    @classmethod
    def from_request(cls, request: Any) -> Any:
        odd = request.headers["X-Odd"]
        if odd == "nothing":
            return None
        owners: dict[str, Any] = {"empty": "", "number": 17, "long": "x" * 256}
        owners["sum"] = ALL
        return cls.for_owner(owners[odd], request=request)


class AsynchronousContext(RequestContext):
    """One that nobody awaits."""

    @classmethod
    async def from_request(cls, request: Any) -> Any:
        return cls.for_owner("client:17", request=request)


OWNERLESS: list[tuple[type[RequestContext], str, str]] = [
    (OddContext, "empty", "The owner of a OddContext must have 1 to 255 char"),
    (OddContext, "long", "The owner of a OddContext must have 1 to 255 char"),
    (OddContext, "sum", "The owner of a OddContext must not begin with '~'"),
    (OddContext, "number", "The owner of a OddContext must be a text, got 17."),
    (OddContext, "nothing", "from_request() must return a context"),
    (AsynchronousContext, "", "must not be asynchronous"),
]


async def test_a_context_without_an_owner_has_no_rows(
    application: Any,
    jar: str,
    model: LoopbackAPI,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await Thread.objects.acreate(pk="thr_1", owner="")
    own = {"Cookie": jar, "X-CSRFToken": "a" * 32}
    for contexts, odd, said in OWNERLESS:
        use(settings, contexts)
        for headers in (own, {"Authorization": "Bearer x"}):
            headers = headers | {"X-Odd": odd}
            caplog.clear()
            answer = await ask_op(application, "threads.create", HELLO, headers)
            assert (answer.status, answer.code) == (500, "server_error"), odd
            assert said in caplog.text
            assert not await watches("thr_1", headers), odd
    assert await Thread.objects.acount() == 1


class SaidContext(RequestContext):
    """One of whom a row keeps what is no JSON."""

    def to_row(self) -> dict[str, Any]:
        return super().to_row() | {"share": float("nan")}


async def test_what_no_row_can_keep_is_no_other_run(
    application: Any, jar: str, model: LoopbackAPI, settings: Any
) -> None:
    use(settings, SaidContext)
    own = {"Cookie": jar, "X-CSRFToken": "a" * 32}
    answer = await ask_op(application, "threads.create", HELLO, own)
    assert (answer.status, answer.json["error"]["allow_retry"]) == (500, False)
    assert not await Thread.objects.aexists()


class PlainUser:
    """A user of a project's own, who is no staff and has no permissions."""

    pk, is_active, is_authenticated = 17, True, True


class PlainContext(RequestContext):
    """People as another service knows them."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        return PlainUser()


async def test_users_without_permissions_watch_what_is_theirs(
    transactional_db: None, model: LoopbackAPI, settings: Any
) -> None:
    use(settings, PlainContext)
    await Thread.objects.acreate(pk="thr_1", owner="user:17")
    await Thread.objects.acreate(pk="thr_2", owner="user:18")
    assert await watches("thr_1", {})
    assert not await watches("thr_2", {})


class PageContext(ProxyContext):
    """One that reads what the request says."""

    @classmethod
    def from_request(cls, request: Any) -> Any:
        said = json.loads(request.body)
        context = super().from_request(request)
        assert said["params"]["metadata"]["page"] == "p" * 5000
        return context


async def test_a_context_reads_the_body_of_the_chat_endpoint(
    application: Any, bob: User, jar: str, model: LoopbackAPI, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    use(settings, PageContext)
    params = {"metadata": {"page": "p" * 5000}}
    for headers in (
        {"Authorization": "Bearer bob"},
        {"Cookie": jar, "X-CSRFToken": "a" * 32},
    ):
        answer = await ask_op(application, "threads.list", params, headers)
        assert answer.status == 200, answer.body
