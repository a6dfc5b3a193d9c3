"""The consumer's answers have what the project's security middleware gives to pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.views import ChatKitView
from tests.client import URL, ChatClient, ask_asgi, message

GUARDED = {
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "x-frame-options",
    "strict-transport-security",
}
SETTINGS = {
    "SECURE_HSTS_SECONDS": 3600,
    "SECURE_HSTS_PRELOAD": True,
    "SECURE_REFERRER_POLICY": ["no-referrer", "same-origin"],
    "X_FRAME_OPTIONS": "SAMEORIGIN",
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
}


async def ask(user: User, op: str, params: Any, secure: bool) -> dict[str, str]:
    """Return status and headers of a consumer's answer."""
    login = ChatClient()
    await login.aforce_login(user)
    cookie = f"sessionid={login.cookies['sessionid'].value}".encode()
    application = ChatKitConsumer.as_asgi(ChatKitView)
    proto = b"https" if secure else b"http"
    referer = b"%b://testserver/" % proto
    browser = await ask_asgi(
        application,
        op,
        params,
        cookie,
        headers=[(b"x-forwarded-proto", proto), (b"referer", referer)],
    )
    start = await browser.receive_output(30)
    more = True
    while more:
        more = (await browser.receive_output(30)).get("more_body", False)
    found = {k.decode().lower(): v.decode() for k, v in start["headers"]}
    return found | {"status": str(start["status"])}


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("op", ["threads.list", "threads.get_by_id", "threads.create"])
async def test_both_doors_send_the_same_headers(
    ann: User, model: LoopbackAPI, settings: Any, op: str, secure: bool
) -> None:
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    params = {"thread_id": "thr_x", "input": message("Hello")}
    model.respond_with(Text("Hello."))
    told = await ask(ann, op, params, secure)
    client = ChatClient()
    await client.aforce_login(ann)
    expected = await client.request_op(
        op, params, headers={"X-Forwarded-Proto": "https" if secure else "http"}
    )
    assert told["status"] == str(expected.status_code)
    theirs = {k.lower(): v for k, v in expected.headers.items()}
    for name in GUARDED:
        assert told.get(name) == theirs.get(name), name
    assert ("strict-transport-security" in told) == secure
    assert told["x-frame-options"] == "SAMEORIGIN"


async def test_a_project_without_the_middleware_gets_none_of_it(
    ann: User, settings: Any
) -> None:
    settings.MIDDLEWARE = [
        name
        for name in settings.MIDDLEWARE
        if "security" not in name and "clickjacking" not in name
    ]
    told = await ask(ann, "threads.list", {}, False)
    assert not told.keys() & GUARDED


async def test_http_is_sent_to_https_before_anything_is_read(
    ann: User, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = SETTINGS["SECURE_PROXY_SSL_HEADER"]
    told = await ask(ann, "threads.list", {}, False)
    assert (told["status"], told["location"]) == ("301", f"https://testserver{URL}")
    assert (await ask(ann, "threads.list", {}, True))["status"] == "200"
    settings.SECURE_REDIRECT_EXEMPT = ["^chatkit/"]
    assert (await ask(ann, "threads.list", {}, False))["status"] == "200"
    settings.SECURE_REDIRECT_EXEMPT = []
    settings.ALLOWED_HOSTS = ["shop.example"]
    assert (await ask(ann, "threads.list", {}, False))["status"] == "400"
