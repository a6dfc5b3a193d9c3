"""A file that a provider refuses costs its turn a second request, and no more."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Sequence
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.utils import timezone

from chatkit_images import breaker, models
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.maintenance import sweep
from chatkit_images.server import refused_inputs
from chatkit_images.testing import (
    JSON,
    ErrorEvent,
    HTTPError,
    Image,
    LoopbackAPI,
    ResponseFailed,
    Text,
)
from tests.client import ChatClient, done_items, of_type, thread_id
from tests.image_files import SVG, noise
from tests.poisoned import DIALECTS, Poison, falls_short, parts_of
from tests.refusable import DOCUMENTS, IMAGES, PDF, PLAIN

PNG, OTHER = noise("PNG"), noise("PNG", (65, 48))
SOME = {
    name: data
    for name, data in (IMAGES | PLAIN | DOCUMENTS).items()
    if name in ("moving.gif", "plain.png", "fox.pdf", "fox.txt")
}


@pytest.fixture(autouse=True)
def no_experience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_inputs, "_without_developer", set())


@pytest.fixture
def poison(model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch) -> Poison:
    found = Poison("param")
    monkeypatch.setattr(model, "model", found)
    return found


async def upload(context: RequestContext, name: str, data: bytes) -> dict[str, Any]:
    sent = await DjangoAttachmentStore().upload(SimpleUploadedFile(name, data), context)
    found: dict[str, Any] = sent.model_dump(mode="json")
    return found


def said(events: Sequence[JSON]) -> list[str]:
    """Return what the person reads, which must be an answer without an error."""
    assert of_type(list(events), "error") == []
    return [
        part["text"]
        for item in done_items(list(events), "assistant_message")
        for part in item["content"]
    ]


# Each dialect with one file in the message and with another in the history;
# tests/providers has every file in both ways in each dialect.
PAIRS = list(zip(DIALECTS, SOME, strict=True))


@pytest.mark.parametrize(("dialect", "name"), PAIRS)
async def test_an_upload_that_is_refused(
    chat: ChatClient, context: RequestContext, poison: Poison, dialect: str, name: str
) -> None:
    poison.dialect = dialect
    sent = await upload(context, name, SOME[name])
    poison.refuse_files()
    events = await chat.say("Look", None, [sent["id"]])
    key = thread_id(events)
    note, answer = said(events)
    assert note == f"The file “{name}” could not be used by the model."
    assert answer == "All right." and poison.requests in (2, 3)
    # The next turn does not pay for it again, nor does it tell it again.
    poison.requests = 0
    assert said(await chat.say("and now?", key)) == ["All right."]
    assert poison.requests == 1
    items = await chat.call("items.list", thread_id=key, limit=20, order="asc")
    texts = [part["text"] for item in items["data"] for part in item["content"]]
    assert texts.count(note) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_poisoned_history(
    chat: ChatClient, context: RequestContext, poison: Poison, dialect: str
) -> None:
    poison.dialect = dialect
    first = list(DIALECTS).index(dialect) < 2
    place = (list(DIALECTS).index(dialect) + 2) % 4
    for name, data in (list(SOME.items())[place], ("fox.svg", SVG)):
        # In two dialects an image comes from the person, in two from the model.
        generated = name not in DOCUMENTS and (first or name == "fox.svg")
        short = await falls_short(
            chat, context, poison, name, data, generated=generated
        )
        assert short == "", (name, generated)


async def thread_with(
    chat: ChatClient, context: RequestContext, files: dict[str, bytes]
) -> str:
    """Return the id of a thread with a message for each file."""
    key = ""
    for name, data in files.items():
        sent = await upload(context, name, data)
        events = await chat.say("Look", key or None, [sent["id"]])
        key = key or thread_id(events)
    return key


def files_in(body: JSON) -> list[str]:
    """Return the documents that a request has, by name."""
    parts = [part for _, _, part in parts_of(body)]
    return [part["filename"] for part in parts if part["type"] == "input_file"]


PDFS = {f"{name}.pdf": PDF for name in ("first", "second", "third", "newest")}


async def test_only_what_the_error_names_is_left_out(
    chat: ChatClient, context: RequestContext, poison: Poison, model: LoopbackAPI
) -> None:
    key = await thread_with(chat, context, PDFS)
    poison.refuse("second.pdf")
    for message in ("", "The file second.pdf is encrypted."):
        poison.requests = 0
        if message:
            await models.RefusedInput.objects.all().adelete()
            poison.refusal = HTTPError(400, "invalid_file", message)
        note, _ = said(await chat.say("and now?", key))
        assert note == "The file “second.pdf” could not be used by the model."
        assert poison.requests == 2
        assert files_in(model.requests[-1]) == ["first.pdf", "third.pdf", "newest.pdf"]
    row = await models.RefusedInput.objects.select_related("attachment").aget()
    assert row.attachment is not None and row.attachment.name == "second.pdf"
    assert (row.model, row.code) == ("gpt-4.1", "invalid_file")
    assert row.host == settings.LOOPBACK_URL.split("/")[2]
    # An ordinal counts the images.
    key = await thread_with(chat, context, {"a.png": PNG, "b.png": OTHER, **PDFS})
    poison.refuse(base64.b64encode(OTHER).decode())
    poison.refusal = HTTPError(400, "bad_image", "Bad image at index 1.")
    note, _ = said(await chat.say("and now?", key))
    assert note == "The file “b.png” could not be used by the model."
    # Nobody knows how a gateway numbers the messages; a wrong place is no place.
    await models.RefusedInput.objects.all().adelete()
    for place in ("messages.[99].content.[0]", "messages[0].content[7]", "input[0]"):
        poison.refusal = HTTPError(400, "bad_image", f"Invalid {place}.")
        note, _ = said(await chat.say("and now?", key))
        assert len(note.split("\n\n")) == 6
        await models.RefusedInput.objects.all().adelete()


async def test_older_files_are_left_out_before_those_of_the_message(
    chat: ChatClient, context: RequestContext, poison: Poison, model: LoopbackAPI
) -> None:
    poison.dialect = "bare"
    key = await thread_with(chat, context, {"first.pdf": PDF, "second.pdf": PDF})
    poison.refuse("second.pdf")
    sent = await upload(context, "newest.pdf", PDF)
    note, _ = said(await chat.say("Look", key, [sent["id"]]))
    assert note.splitlines() == [
        "The file “first.pdf” could not be used by the model.",
        "",
        "The file “second.pdf” could not be used by the model.",
    ]
    assert files_in(model.requests[-1]) == ["newest.pdf"]
    # What was left out makes room, but not for files that were not there before.
    said(await chat.say("and now?", key))
    assert files_in(model.requests[-1]) == ["newest.pdf"]


async def test_what_is_too_large_goes_again_within_half_of_the_budget(
    chat: ChatClient,
    context: RequestContext,
    poison: Poison,
    model: LoopbackAPI,
    settings: Any,
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "MODEL_FILE_BYTES": 5 * len(PDF),
        "MODEL_IMAGE_BYTES": 7 * len(PNG),
    }
    key = await thread_with(chat, context, PDFS | {"fox.png": PNG})
    poison.most_files, poison.requests = 3, 0
    (note, _) = said(await chat.say("and now?", key))
    assert note.splitlines()[::2] == [
        f"The file “{name}.pdf” could not be used by the model."
        for name in ("first", "second")
    ]
    assert poison.requests == 2
    for _ in range(2):
        assert files_in(model.requests[-1]) == ["third.pdf", "newest.pdf"]
        assert said(await chat.say("and now?", key)) == ["All right."]
    assert poison.requests == 4
    # The image is one of many: it is drawn again with fewer bytes.
    images = [p for _, _, p in parts_of(model.requests[-1]) if "image_url" in p]
    assert [len(part["image_url"]) < len(PNG) for part in images] == [True]
    codes = models.RefusedInput.objects.values_list("code", flat=True)
    assert {code async for code in codes} == {"half_budget"}


async def test_a_refusal_counts_for_its_provider_and_for_thirty_days(
    chat: ChatClient, context: RequestContext, poison: Poison
) -> None:
    key = await thread_with(chat, context, {"first.pdf": PDF})
    poison.refuse_files()
    said(await chat.say("and now?", key))
    refused = models.RefusedInput.objects.all()
    (row,) = [row async for row in refused]
    month = timezone.now() - datetime.timedelta(days=30, seconds=1)
    for change in ({"model": "o9"}, {"host": "example.com"}, {"created_at": month}):
        await refused.aupdate(model=row.model, host=row.host)
        await refused.aupdate(**change)
        poison.requests = 0
        assert len(said(await chat.say("and now?", key))) == 2
        assert poison.requests == 2
        await refused.exclude(pk=row.pk).adelete()
    # An old note is replaced, or swept.
    assert await refused.acount() == 0
    await models.RefusedInput.objects.acreate(host="example.com", created_at=month)
    await models.RefusedInput.objects.acreate(host="example.com")
    count = database_sync_to_async(sweep)
    for dry_run in (True, False):
        assert (await count(dry_run=dry_run))["old refusals"] == 1
    assert await refused.acount() == 1


REFUSALS = [
    HTTPError(404, "404", "No endpoints found that support image input"),
    HTTPError(415, "", "Unsupported media type"),
    HTTPError(422, "", "Unprocessable"),
    HTTPError(500, "", "Failed to load image: cannot identify image file"),
    HTTPError(400, "", "messages.1.content.0: image exceeds 5 MB maximum"),
    ErrorEvent("invalid_image", "The image is invalid."),
    ResponseFailed("invalid_image", "The image is invalid."),
]


async def test_a_refusal_may_come_in_many_ways(
    chat: ChatClient, context: RequestContext, poison: Poison
) -> None:
    key = await thread_with(chat, context, {"fox.png": PNG})
    poison.refuse_files()
    for refusal in REFUSALS:
        breaker.forget()
        await models.RefusedInput.objects.all().adelete()
        poison.refusal = refusal
        note, answer = said(await chat.say("and now?", key))
        assert note == "The file “fox.png” could not be used by the model.", refusal
        assert answer == "All right.", refusal
        poison.requests = 0
        assert said(await chat.say("and now?", key)) == ["All right."], refusal
        assert poison.requests == 1, refusal


FINAL = [
    (HTTPError(401, "invalid_api_key"), 1),
    (HTTPError(404, "model_not_found", "The model does not exist."), 1),
    (HTTPError(429, "rate_limit_exceeded", "Slow down."), 1),
    (HTTPError(429, "insufficient_quota", "No money."), 1),
    (HTTPError(400, "moderation_blocked", "No."), 1),
    (HTTPError(500, "server_error", "Sorry."), 1),
    (HTTPError(400, "invalid_request_error", "max_tokens is too small."), 3),
]


async def test_a_failure_that_no_file_causes_is_the_turns(
    chat: ChatClient, context: RequestContext, poison: Poison
) -> None:
    key = await thread_with(chat, context, {"first.pdf": PDF})
    for error, requests in FINAL:
        breaker.forget()
        poison.steps, poison.requests = [error], 0
        events = await chat.say("and now?", key)
        assert len(of_type(events, "error")) == 1, error
        assert poison.requests == requests, error
        assert await models.RefusedInput.objects.acount() == 0, error


async def test_without_files_nothing_is_asked_again(
    chat: ChatClient, poison: Poison
) -> None:
    poison.steps = [HTTPError(400, "invalid_image", "Bad image.")]
    assert of_type(await chat.say("hello"), "error")
    assert poison.requests == 1


async def test_nothing_is_asked_again_once_something_is_shown(
    chat: ChatClient, context: RequestContext, poison: Poison
) -> None:
    key = await thread_with(chat, context, {"first.pdf": PDF})
    refusal = ErrorEvent("invalid_image", "The image is invalid.")
    poison.requests = 0
    poison.steps = [Text("Half"), refusal]
    assert of_type(await chat.say("and now?", key), "error")
    assert poison.requests == 1
    # A refusal may come in a stream that has just begun.
    answers = iter([[refusal], [Text("All right.")]])
    monkey = poison.answer
    poison.answer = lambda body: next(answers)
    note, answer = said(await chat.say("and now?", key))
    poison.answer = monkey
    assert "first.pdf" in note and answer == "All right."


async def test_a_provider_that_takes_no_developers_words(
    chat: ChatClient, poison: Poison, model: LoopbackAPI
) -> None:
    """The templates of some open models do so, in the middle or at all."""
    poison.no_roles = ("developer",)
    for status, message in (
        (400, "System message must be at the beginning."),
        (500, "Chat template error: System message must be at the beginning."),
        (400, ""),
    ):
        refused_inputs._without_developer.clear()
        poison.refusal = HTTPError(status, "", message)
        poison.steps = [Image(result=False, partials=0), Text("Sorry.")]
        key = thread_id(await chat.say("a fox"))
        poison.steps, poison.requests = [Text("All right.")], 0
        for requests in (2, 3):
            assert said(await chat.say("and now?", key)) == ["All right."]
            assert poison.requests == requests
        found = model.requests[-1]["input"]
        (note,) = [each for each in found if "could not be gener" in str(each)]
        assert note["role"] == "user" and found.index(note) < len(found) - 2
    assert await models.RefusedInput.objects.acount() == 0


async def test_a_provider_that_takes_no_words_about_files_at_all(
    chat: ChatClient, poison: Poison, model: LoopbackAPI
) -> None:
    poison.steps = [Image(result=False, partials=0), Text("Sorry.")]
    key = thread_id(await chat.say("a fox"))
    poison.no_roles, poison.requests = ("developer", "user"), 0
    assert of_type(await chat.say("and now?", key), "error")
    assert poison.requests == 2


async def test_the_answer_comes_although_the_refusal_cannot_be_noted(
    chat: ChatClient,
    context: RequestContext,
    poison: Poison,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> None:
        raise OperationalError("The database is away.")

    key = await thread_with(chat, context, {"fox.pdf": PDF})
    poison.refuse_files()
    monkeypatch.setattr("chatkit_images.queries.inputs.remember", fail)
    monkeypatch.setattr("chatkit_images.database.PAUSES", (0,))
    for _ in range(2):
        note, answer = said(await chat.say("and now?", key))
        assert "fox.pdf" in note and answer == "All right."


@pytest.mark.parametrize(
    "refusal",
    [
        HTTPError(400, "image_content_policy_violation", "The image was flagged."),
        HTTPError(400, "moderation_blocked", "'input[0].content[1]' was flagged."),
    ],
    ids=["code", "place"],
)
async def test_an_image_that_moderation_blocks_ends_its_own_turn_only(
    chat: ChatClient, context: RequestContext, poison: Poison, refusal: HTTPError
) -> None:
    poison.refuse_files()
    poison.refusal = refusal
    sent = await upload(context, "beach.png", PNG)
    events = await chat.say("Look", None, [sent["id"]])
    # The person reads what it was, and nothing is tried behind their back.
    (error,) = of_type(events, "error")
    assert error["message"] == "This request was blocked by the safety system."
    assert poison.requests == 1
    note, answer = said(await chat.say("forget it, hello", thread_id(events)))
    assert note == "The file “beach.png” could not be used by the model."
    assert answer == "All right."
    poison.requests = 0
    assert said(await chat.say("and now?", thread_id(events))) == ["All right."]
    assert poison.requests == 1


async def test_words_that_moderation_blocks_are_not_tried_again(
    chat: ChatClient, context: RequestContext, poison: Poison
) -> None:
    sent = await upload(context, "fox.png", PNG)
    key = thread_id(await chat.say("Look", None, [sent["id"]]))
    poison.refuse_files()
    poison.refusal = HTTPError(400, "moderation_blocked", "Your prompt was rejected.")
    poison.requests = 0
    assert of_type(await chat.say("something bad", key), "error")
    assert poison.requests == 1
