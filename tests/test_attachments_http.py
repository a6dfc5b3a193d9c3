from __future__ import annotations

import base64
import time
from types import SimpleNamespace
from typing import Any

import pytest
from chatkit import types
from chatkit.store import AttachmentStore
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.middleware.csrf import get_token
from django.test import RequestFactory

from chatkit_images import file_urls, models, storage, url_tokens
from chatkit_images.context import RequestContext
from chatkit_images.server import get_server
from chatkit_images.testing import LoopbackAPI, Text
from chatkit_images.views.attachments import OVERHEAD
from tests.chat import TestServer
from tests.client import ChatClient, done_items, thread_id

DIRECT = "/chatkit/attachments/"
HOST = "http://testserver"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
HTML = b"<html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}


def files() -> list[str]:
    storage.drain()
    return sorted(name for name, _ in storage.listing())


def form(data: bytes, name: str = "fox.png") -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, data, "image/png")}


def refusal(response: Any) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


NOT_FOUND = (404, "not_found", "This was not found.")
TOO_LARGE = (413, "too_large", "The file is too large.")
WRONG_TYPE = (
    415,
    "unsupported_type",
    "Files of this type ({}) are not accepted. "
    "Accepted types: PNG, JPEG, WebP, GIF, PDF, plain text.",
)


@pytest.fixture
def client(ann: User) -> ChatClient:
    client = ChatClient()
    client.force_login(ann)
    return client


@pytest.fixture
def small(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_ATTACHMENT_BYTES": 999}


async def announce(client: ChatClient, **params: Any) -> tuple[str, str]:
    """Return the id of an announced file and the path of its upload URL."""
    base = {"name": "fox.png", "size": 99, "mime_type": "image/png"}
    made = await client.call("attachments.create", **base | params)
    assert made["upload_descriptor"]["method"] == "POST"
    url = made["upload_descriptor"]["url"]
    assert url.startswith(f"{HOST}/chatkit/uploads/upload.{made['id']}.full.")
    return made["id"], url.removeprefix(HOST)


async def send(client: ChatClient, data: bytes, name: str = "fox.png") -> Any:
    """Return the attachment of an upload in one step."""
    response = await client.post(DIRECT, form(data, name))
    assert response.status_code == 200, response.content
    return response.json()


# In one step


async def test_a_file_is_uploaded_in_one_step(client: ChatClient, png: bytes) -> None:
    attachment = await send(client, png)
    row = await models.Attachment.objects.aget()
    assert storage.read(row.file.name) == png
    preview = attachment.pop("preview_url")
    assert attachment == {
        "id": row.pk,
        "type": "image",
        "name": "fox.png",
        "mime_type": "image/png",
    }
    response = await client.get(preview.removeprefix(HOST))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/webp"
    assert response.content == storage.read(row.thumbnail.name)
    assert response["Cache-Control"] == "private, max-age=900, immutable"
    for header, value in (SAFE | CROSS_ORIGIN).items():
        assert response[header] == value, header


@pytest.mark.row("P06")
async def test_an_upload_in_one_step_needs_a_login_and_csrf(
    ann: User, png: bytes
) -> None:
    anonymous = ChatClient()
    assert refusal(await anonymous.post(DIRECT, form(png))) == (
        401,
        "not_authenticated",
        "Log in to chat.",
    )
    strict = ChatClient(enforce_csrf_checks=True)
    await strict.aforce_login(ann)
    status, code, message = refusal(await strict.post(DIRECT, form(png)))
    assert (status, code) == (403, "csrf_failed")
    assert message == "This page is too old, or it may keep no cookies. Reload it."
    assert files() == []

    request = RequestFactory().get("/")
    token = get_token(request)
    strict.cookies["csrftoken"] = request.META["CSRF_COOKIE"]
    # Without the header the token is looked for in the form.
    response = await strict.post(DIRECT, b"a", content_type="multipart/form-data")
    assert refusal(response) == (400, "bad_form", "The form cannot be read.")
    for extra, fields in (
        ({"headers": {"X-CSRFToken": token}}, {}),
        ({}, {"csrfmiddlewaretoken": token}),
    ):
        response = await strict.post(DIRECT, form(png) | fields, **extra)
        assert response.status_code == 200, response.content


@pytest.mark.row("P08")
async def test_other_methods_are_not_allowed(client: ChatClient) -> None:
    response = await client.get("/chatkit/uploads/upload.a.b.c.d~e/")
    assert refusal(response)[:2] == (405, "method_not_allowed")
    assert response["Allow"] == "POST, PUT, OPTIONS"


@pytest.mark.row("P04")
async def test_bytes_that_are_not_accepted_leave_nothing(
    client: ChatClient, small: None
) -> None:
    _, url = await announce(client)
    both = [
        (SVG, (*WRONG_TYPE[:2], WRONG_TYPE[2].format("SVG"))),
        (b"MZ\x90\x00", (*WRONG_TYPE[:2], WRONG_TYPE[2].format("program"))),
        (b"a" * 1000, TOO_LARGE),
        (b"", (400, "empty_file", "The file is empty.")),
    ]
    for path in (DIRECT, url):
        for data, expected in both:
            assert refusal(await client.post(path, form(data))) == expected
        response = await client.post(path, {"other": "a"})
        assert refusal(response) == (
            400,
            "no_file",
            "Send the file in the field “file”.",
        )
        # Refused by what it says it is, before it is read.
        response = await client.post(
            path,
            b"",
            content_type="multipart/form-data; boundary=x",
            headers={"Content-Length": str(999 + OVERHEAD + 1)},
        )
        assert refusal(response) == TOO_LARGE
        response = await client.post(
            path, b"nonsense", content_type="multipart/form-data"
        )
        assert refusal(response) == (400, "bad_form", "The form cannot be read.")
    for data, expected in both:
        response = await client.put(url, data, content_type="image/png")
        assert refusal(response) == expected
    assert files() == []
    row = await models.Attachment.objects.aget()
    assert row.awaits_upload


async def test_a_page_in_disguise_is_served_as_a_download(client: ChatClient) -> None:
    attachment = await send(client, HTML, "fox.png")
    assert (attachment["type"], attachment["mime_type"]) == ("file", "text/plain")
    assert "preview_url" not in attachment
    row = await models.Attachment.objects.select_related("user").aget()
    assert row.user is not None
    url = file_urls.attachment_url(row, RequestContext.for_user(row.user))
    response = await client.get(url.removeprefix("http://localhost"))
    assert response.content == HTML
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == 'attachment; filename="fox.png"'
    for header, value in SAFE.items():
        assert response[header] == value, header


# In two steps


@pytest.mark.parametrize("how", ["multipart", "put", "raw post"])
async def test_a_file_is_uploaded_in_two_steps(
    client: ChatClient, png: bytes, how: str
) -> None:
    key, url = await announce(client, name="Fuchs.png")
    # From a frame of another site: no cookie, no CSRF token.
    frame = ChatClient(enforce_csrf_checks=True)

    async def upload(data: bytes) -> Any:
        if how == "multipart":
            return await frame.post(url, form(data))
        method = frame.put if how == "put" else frame.post
        return await method(url, data, content_type="image/png")

    preflight = await frame.options(url)
    assert preflight.status_code == 204
    assert preflight["Access-Control-Allow-Methods"] == "POST, PUT, OPTIONS"
    response = await upload(png)
    assert response.status_code == 200, response.content
    attachment = response.json()
    assert (attachment["id"], attachment["name"]) == (key, "Fuchs.png")
    assert "upload_descriptor" not in attachment
    assert attachment["preview_url"].startswith(f"{HOST}/chatkit/attachments/")
    row = await models.Attachment.objects.aget()
    assert storage.read(row.file.name) == png and not row.awaits_upload

    before = files()
    again = await upload(PDF)
    assert refusal(again) == (
        409,
        "already_uploaded",
        "This file is uploaded already.",
    )
    assert files() == before
    for answer in (preflight, response, again):
        for header, value in CROSS_ORIGIN.items():
            assert answer[header] == value, header


async def test_an_upload_url_is_good_for_its_file_and_its_time_only(
    client: ChatClient,
    png: bytes,
    context: RequestContext,
    foreign: RequestContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, url = await announce(client)
    prefix = url.partition("upload.")[0]
    for token in (
        url.removeprefix(prefix).rstrip("/")[:-1] + "!",
        url_tokens.make("upload", key, "full", foreign.owner),
        url_tokens.make("attachment", key, "thumbnail", context.owner),
        url_tokens.make("upload", "atc_missing", "full", context.owner),
        url_tokens.make("upload", key, "full", context.owner, expires=1),
        "upload",
    ):
        for response in (
            await client.post(f"{prefix}{token}/", form(png)),
            await client.put(f"{prefix}{token}/", png, content_type="image/png"),
        ):
            assert refusal(response) == NOT_FOUND, token
    monkeypatch.setattr(
        url_tokens, "time", SimpleNamespace(time=lambda: time.time() + 2 * 3600)
    )
    assert refusal(await client.post(url, form(png))) == NOT_FOUND
    assert files() == []


async def test_a_preview_url_is_good_for_its_owner_only(
    client: ChatClient, png: bytes, foreign: RequestContext, context: RequestContext
) -> None:
    key = (await send(client, png))["id"]
    for token in (
        url_tokens.make("attachment", key, "thumbnail", foreign.owner),
        url_tokens.make("upload", key, "full", context.owner),
        url_tokens.make("image", key, "full", context.owner),
        url_tokens.make("attachment", key, "thumbnail", context.owner, expires=1),
    ):
        assert refusal(await client.get(f"{DIRECT}{token}/")) == NOT_FOUND
    full = url_tokens.make("attachment", key, "full", context.owner)
    assert (await client.get(f"{DIRECT}{full}/")).content == png
    row = await models.Attachment.objects.aget()
    storage.delete(row.file.name)
    gone = await client.get(f"{DIRECT}{full}/")
    assert (gone.status_code, gone.content) == (410, b"This file is gone.\n")


# In messages


async def test_what_was_sent_reaches_the_model_and_the_history(
    chat: ChatClient, model: LoopbackAPI, png: bytes
) -> None:
    keys = [
        (await send(chat, data, name))["id"]
        for data, name in ((png, "fox.png"), (PDF, "fox.pdf"), (b"Red.", "fox.txt"))
    ]
    model.respond_with(Text("Nice."))
    events = await chat.say("Look", attachments=keys)
    (message,) = done_items(events, "user_message")
    assert [file["id"] for file in message["attachments"]] == keys
    (content,) = [item["content"] for item in model.requests[-1]["input"]]

    def data_url(mime: str, data: bytes) -> str:
        return f"data:{mime};base64,{base64.b64encode(data).decode()}"

    assert content == [
        {"type": "input_text", "text": "Look"},
        {
            "type": "input_image",
            "detail": "auto",
            "image_url": data_url("image/png", png),
        },
        {
            "type": "input_file",
            "filename": "fox.pdf",
            "file_data": data_url("application/pdf", PDF),
        },
        {"type": "input_text", "text": "The file 'fox.txt':\nRed."},
    ]
    items = await chat.call("items.list", thread_id=thread_id(events), order="asc")
    assert items["data"][0]["attachments"] == message["attachments"]

    # A message shows them now.
    for key in keys:
        response = await chat.request_op("attachments.delete", {"attachment_id": key})
        assert refusal(response) == (
            409,
            "attachment_in_use",
            "A message shows this file; it stays.",
        )
    assert len(files()) == 4
    await chat.call("threads.delete", thread_id=thread_id(events))
    assert files() == []


class Elsewhere(AttachmentStore[RequestContext]):
    """A project's attachment store, which knows its files without rows."""

    def __init__(self) -> None:
        self.names = {"file_1"}

    async def create_attachment(
        self, input: types.AttachmentCreateParams, context: RequestContext
    ) -> types.Attachment:
        raise NotImplementedError("Its files come from somewhere else.")

    async def delete_attachment(
        self, attachment_id: str, context: RequestContext
    ) -> None:
        self.names.remove(attachment_id)


class Library(TestServer):
    """A server with such an attachment store."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(attachment_store=Elsewhere())


async def test_an_own_store_without_rows_is_deleted_from(
    client: ChatClient, settings: Any
) -> None:
    server = f"{__name__}.{Library.__name__}"
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"SERVER": server}
    assert await client.call("attachments.delete", attachment_id="file_1") == {}
    store = get_server().attachment_store
    assert isinstance(store, Elsewhere) and store.names == set()


async def test_an_unused_file_is_deleted_by_its_owner_only(
    client: ChatClient, stranger: ChatClient, png: bytes
) -> None:
    key = (await send(client, png))["id"]
    response = await stranger.request_op("attachments.delete", {"attachment_id": key})
    assert refusal(response) == NOT_FOUND
    assert len(files()) == 2
    await client.call("attachments.delete", attachment_id=key)
    assert files() == []
    response = await client.request_op("attachments.delete", {"attachment_id": key})
    assert refusal(response) == NOT_FOUND


async def test_a_photo_of_too_many_pixels_is_told_so(
    client: ChatClient, png: bytes, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"MAX_IMAGE_PIXELS": 10}
    answer = await client.post(DIRECT, form(png))
    expected = (413, "too_many_pixels", "The image has too many pixels.")
    assert refusal(answer) == expected
    assert files() == []
    assert not await models.Attachment.objects.aexists()


@pytest.mark.parametrize("name", ["a.png\n", "x\u202egnp.exe\r\nX-Evil: 1", "", "../"])
async def test_a_name_that_no_header_takes_is_cleaned_at_the_border(
    client: ChatClient, png: bytes, name: str
) -> None:
    key, url = await announce(client, name=name, size=len(png))
    response = await client.post(url, form(png))
    made = response.json()
    assert made["name"] in ("a.png", "xgnp.exeX-Evil: 1", "file")
    path = made["preview_url"].removeprefix(HOST)
    assert (await client.get(path)).status_code == 200
    # A row of a version before has the name as it came.
    await models.Attachment.objects.aupdate(name=name)
    shown = await client.get(path)
    assert (shown.status_code, "X-Evil" in shown.headers) == (200, False)
    bare = await client.post(
        DIRECT, png, content_type="image/png", headers={"X-File-Name": "a\tb/c.png"}
    )
    assert bare.json()["name"] == "c.png"
