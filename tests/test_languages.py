"""What a person reads is in the language in which they asked, whoever writes it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone, translation

from chatkit_images import maintenance, storage
from chatkit_images.consumers import ChatKitConsumer
from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, Run, Thread, ThreadItem
from chatkit_images.runs import releases
from chatkit_images.signals import image_saved, run_finished
from chatkit_images.testing import HTTPError, LoopbackAPI, Text
from chatkit_images.views import ChatKitView
from tests.client import ChatClient, ask_asgi, receive_stream
from tests.languages import GERMAN, write_catalog

ANSWER, IMAGE, MANY, SOON = GERMAN.values()
LONG_AGO = timezone.now() - datetime.timedelta(days=2)
SAID = {"locale": "de"}


@pytest.fixture(autouse=True)
def german(settings: Any, tmp_path: Path, transactional_db: None) -> None:
    write_catalog(tmp_path / "locale", GERMAN)
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    with translation.override("de"):
        assert translation.gettext("Try again in a moment.") == SOON


def make_run(user: User, context: Any = SAID, **fields: Any) -> Run:
    """Make a run whose process has died."""
    owned = {"owner": f"user:{user.pk}", "user": user}
    thread, _ = Thread.objects.get_or_create(pk="thr_1", defaults=owned)
    values = {"operation": "threads.add_user_message", "heartbeat_at": LONG_AGO}
    values["created_at"] = LONG_AGO
    return Run.objects.create(thread=thread, context=context, **values | owned | fields)


def make_image(run: Run, **fields: Any) -> GeneratedImage:
    return GeneratedImage.objects.create(
        **{"thread": run.thread, "run": run, "call_id": "ig", "created_at": LONG_AGO}
        | fields
    )


def words() -> list[str]:
    """Return the texts of the thread's notes."""
    rows = ThreadItem.objects.filter(is_note=True).order_by("pk")
    return [row.payload["content"][0]["text"] for row in rows]


# The language of a request


async def fail(client: ChatClient, model: LoopbackAPI, language: str) -> None:
    model.respond_with(HTTPError(429))
    headers = {"accept-language": language}
    params = {"input": {"content": [{"type": "input_text", "text": "a fox"}]}}
    params["input"] |= {"attachments": [], "inference_options": {}}  # type: ignore[dict-item]
    response = await client.request_op("threads.create", params, headers=headers)
    assert response.status_code == 200
    stream = b"".join([part async for part in response.streaming_content])
    # What the stream says is what the thread keeps.
    assert all(
        each in stream.decode() for each in await database_sync_to_async(words)()
    )


async def test_an_answer_is_in_the_language_of_its_browser(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    await fail(chat, model, "de")
    assert await database_sync_to_async(words)() == [f"{MANY} {SOON}"]
    assert (await Run.objects.aget()).context["locale"] == "de"


async def test_the_language_that_a_middleware_activates_is_that_of_the_answer(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.languages.ProfileLanguage"]
    await fail(chat, model, "en")
    assert await database_sync_to_async(words)() == [f"{MANY} {SOON}"]
    assert (await Run.objects.aget()).context["locale"] == "de"
    refused = await chat.request_op(
        "threads.get_by_id", {"thread_id": "x"}, headers={"accept-language": "en"}
    )
    assert refused.status_code == 404


@pytest.mark.parametrize(
    ("middleware", "language"),
    [("django.middleware.locale.LocaleMiddleware", "de"), ("", "en-us")],
)
async def test_through_channels_it_is_that_of_the_browser_or_of_the_site(
    ann: User,
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    middleware: str,
    language: str,
) -> None:
    settings.MIDDLEWARE = [middleware] if middleware else []
    session = chat.cookies["sessionid"].value
    model.respond_with(Text("Hello."))
    params = {"input": {"content": [{"type": "input_text", "text": "a fox"}]}}
    params["input"] |= {"attachments": [], "inference_options": {}}  # type: ignore[dict-item]
    application = ChatKitConsumer.as_asgi(ChatKitView)
    cookie = f"sessionid={session}; django_language=de".encode()
    browser = await ask_asgi(application, "threads.create", params, cookie)
    assert b"Hello." in await receive_stream(browser)
    assert (await Run.objects.aget()).context["locale"] == language


# The language of what is written later, in another process


def by_the_next_message(user: User) -> None:
    releases.take_over(Run.objects.filter(thread="thr_1"))


def by_the_command(user: User) -> None:
    call_command("chatkit_images_recover", verbosity=0)


def by_the_sweep(user: User) -> None:
    maintenance.sweep()


TAKEOVERS = [by_the_next_message, by_the_command, by_the_sweep]
by_each = pytest.mark.parametrize("end", TAKEOVERS, ids=lambda each: each.__name__)


@by_each
@pytest.mark.parametrize("image", [False, True])
def test_a_takeover_speaks_the_language_of_the_run(
    ann: User, end: Callable[[User], None], image: bool
) -> None:
    run = make_run(ann)
    if image:
        make_image(run)
    heard = []

    def receive(sender: Any, run: Run, **kwargs: Any) -> None:
        heard.append(translation.get_language())

    run_finished.connect(receive)
    try:
        with translation.override("en"):
            end(ann)
            assert translation.get_language() == "en"
    finally:
        run_finished.disconnect(receive)
    assert words() == [IMAGE if image else ANSWER]
    assert heard == ["de"]
    run.refresh_from_db()
    assert run.status == "interrupted"


async def test_the_next_message_in_another_language_changes_nothing_of_before(
    ann: User, chat: ChatClient, model: LoopbackAPI
) -> None:
    await database_sync_to_async(make_run)(ann)
    model.respond_with(Text("Hello."))
    await chat.say("Is anybody there?", "thr_1")
    assert await database_sync_to_async(words)() == [ANSWER]
    last = await Run.objects.order_by("-created_at").afirst()
    assert last is not None
    assert last.context["locale"] == "en"


def test_an_image_that_the_sweep_ends_says_so_in_the_language_of_its_run(
    ann: User,
) -> None:
    make_image(make_run(ann, status="completed", finished_at=LONG_AGO))
    with translation.override("en"):
        assert maintenance.sweep()["unfinished images"] == 1
    assert words() == [IMAGE]


def test_an_image_that_is_recovered_late_is_announced_in_that_language(
    ann: User, png: bytes
) -> None:
    run = make_run(ann, status="interrupted", finished_at=LONG_AGO)
    image = make_image(run, status="interrupted", finished_at=timezone.now())
    storage.store(storage.name_of("images", image.key, "png"), png)
    heard = []

    def receive(sender: Any, **kwargs: Any) -> None:
        heard.append(translation.get_language())

    image_saved.connect(receive)
    try:
        with translation.override("en"):
            assert maintenance.sweep()["recovered images"] == 1
    finally:
        image_saved.disconnect(receive)
    assert heard == ["de"]
    (item,) = ThreadItem.objects.all()
    assert item.type == "generated_image"


# Whatever a row says, its run ends


STRANGE: list[Any] = [
    None,
    {},
    [],
    "de",
    7,
    {"locale": None},
    {"locale": "xx"},
    {"locale": "../../etc"},
    {"locale": ["de"]},
    {"locale": "d\ne"},
    {"tenant": 5},
    {"script_prefix": 7},
    {"script_prefix": "no slash"},
    {"urlconf": "gone.urls"},
    {"urlconf": "os"},
    {"urlconf": ""},
    {"urlconf": 3, "script_prefix": "/x/"},
    {"user": "nobody", "owner": "user:0"},
    {"user": {"id": 1}},
    {"of another version": True, "message": {"id": 1}, "address": 5},
]


@pytest.mark.parametrize("context", STRANGE, ids=repr)
@pytest.mark.sweep(6)
def test_a_run_ends_whatever_its_row_says(ann: User, context: Any, png: bytes) -> None:
    run = make_run(ann, context)
    make_image(run)
    complete = make_image(run, call_id="ig_2", identity="2")
    storage.store(storage.name_of("images", complete.key, "png"), png)
    assert releases.take_over(Run.objects.all()) == 1
    run.refresh_from_db()
    assert (run.status, run.user) == ("interrupted", ann)
    assert words() == ["The image was interrupted before it was ready."]
    assert ThreadItem.objects.filter(type="generated_image").count() == 1
    RequestContext.from_row(context if isinstance(context, dict) else {})


@pytest.mark.parametrize("context", [{}, {"locale": "xx"}])
def test_a_row_without_a_language_has_that_of_the_site(ann: User, context: Any) -> None:
    make_run(ann, context)
    with translation.override("de"):
        releases.take_over(Run.objects.all())
    assert words() == [ANSWER]


@dataclass(frozen=True)
class Unmakeable(RequestContext):
    """Of a version that wants what rows of before do not have."""

    @classmethod
    def from_row(cls, row: Any, user: Any = None) -> NoReturn:
        raise KeyError("plan")


@dataclass(frozen=True)
class Unreachable(RequestContext):
    """Of a tenant that is gone."""

    def activate(self) -> Any:
        if self.owner:
            raise LookupError(self.tenant)
        return super().activate()


@pytest.mark.parametrize("made", [Unmakeable, Unreachable])
def test_a_class_that_has_changed_keeps_no_run_and_no_language(
    ann: User, settings: Any, made: type, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXT": f"{__name__}.{made.__name__}"
    }
    run = make_run(ann)
    make_image(run)
    with translation.override("en"):
        assert releases.take_over(Run.objects.all()) == 1
    assert words() == [IMAGE]
    assert f"The context of run {run.pk} cannot be made again" in caplog.text
