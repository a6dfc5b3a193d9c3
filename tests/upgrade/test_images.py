"""Images, files and thumbs of before the upgrade, for their owners and for staff."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from chatkit_images import models
from chatkit_images.context import RequestContext
from chatkit_images.store import DjangoStore
from chatkit_images.testing import LoopbackAPI, Text
from tests.client import ChatClient, done_items

from . import old
from .conftest import Upgrade
from .filling import answers

# What a page of the admin shows, or links to, without other pages.
LINK = re.compile(r'(?:src|href)="(/admin/chatkit_images/[^"?#]+)[^"]*"')
PAGE = re.compile(r"/(?:add|change|delete|history)/$|/generatedimage/$")
IMAGES = {row["id"]: row for row in old.rows("GeneratedImage")}
THREAD_OWNERS = {row["id"]: row["owner"] for row in old.rows("Thread")}


@pytest.fixture
def root(upgraded: Upgrade) -> Client:
    client = Client()
    client.force_login(User.objects.get(username="root"))
    return client


# People


@pytest.mark.upgraded("images", "answer their owner with the same bytes")
@pytest.mark.parametrize("name", old.ANSWERS)
async def test_images_are_served_as_before(
    person: Any, counted: Any, name: str
) -> None:
    browser = person(name)
    keys = [k for k, row in IMAGES.items() if old.OWNERS[row["thread_id"]] == name]
    counted(len(keys))
    for key in keys:
        now, before = await answers.image(browser, key), dict(old.IMAGES[key])
        if not IMAGES[key]["thumbnail"] and now["thumbnail"] != before["thumbnail"]:
            # Missing ones are made when somebody asks for them.
            assert before["thumbnail"] == before["full"]
            assert now.pop("thumbnail").startswith("200 image/webp ")
            del before["thumbnail"]
        assert now == before


@pytest.mark.upgraded("images", "have status, end and cost of before")
def test_images_have_their_facts(upgraded: Upgrade, counted: Any) -> None:
    counted(len(IMAGES))
    names = ["status", "error_code", "moderation", "usage", "sha256", "prompt"]
    found = {
        str(image.pk): {name: getattr(image, name) for name in names}
        for image in models.GeneratedImage.objects.all()
    }
    assert found == {
        key: {name: row[name] for name in names} for key, row in IMAGES.items()
    }


@pytest.mark.upgraded("feedback", "is there, and changed")
@pytest.mark.parametrize("row", old.rows("Feedback"), ids=lambda row: str(row["id"]))
async def test_feedback_is_changed(person: Any, row: dict[str, Any]) -> None:
    found = await models.Feedback.objects.select_related("item").aget(pk=row["id"])
    assert found.kind == row["kind"]
    other = "negative" if row["kind"] == "positive" else "positive"
    await person(old.OWNERS[row["thread_id"]]).call(
        "items.feedback",
        thread_id=row["thread_id"],
        item_ids=[found.item.item_id],
        kind=other,
    )
    await found.arefresh_from_db()
    assert found.kind == other
    assert await models.Feedback.objects.acount() == len(old.rows("Feedback"))


# Files


def unsent(**fields: Any) -> dict[str, Any]:
    (row,) = old.rows("Attachment", thread_id=None, foreign_preview_url="", **fields)
    return row


@pytest.mark.upgraded("attachments", "that were not sent are sent, and read")
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("ann", {"owner": "user:1", "awaits_upload": False}),
        ("visitor", {"kind": "file"}),
    ],
)
async def test_an_unsent_file_is_sent(
    person: Any, model: LoopbackAPI, name: str, given: dict[str, Any]
) -> None:
    row, browser = unsent(**given), person(name)
    model.respond_with(Text("I see."))
    events = await browser.say("this one", attachments=[row["id"]])
    (said,) = done_items(events, "user_message")
    assert [attachment["id"] for attachment in said["attachments"]] == [row["id"]]
    asked = str(model.requests[-1]["input"])
    assert ("It is striped." if row["kind"] == "file" else "data:image/") in asked
    if row["kind"] == "image":
        url = said["attachments"][0]["preview_url"]
        status, _, digest = (await answers.file(browser, urlsplit(url).path)).rsplit(
            " ", 2
        )
        assert digest == old.digests()[row["thumbnail"]], status


@pytest.mark.upgraded("attachments", "that were announced are uploaded and sent")
async def test_an_announced_file_is_uploaded(
    person: Any, model: LoopbackAPI, png: bytes
) -> None:
    row, browser = unsent(awaits_upload=True), person("ann")
    context = RequestContext.for_user(
        await User.objects.aget(username="ann"), base_url="http://testserver"
    )
    attachment = await DjangoStore().load_attachment(row["id"], context)
    assert attachment.upload_descriptor is not None
    path = urlsplit(str(attachment.upload_descriptor.url)).path
    file = SimpleUploadedFile(row["name"], png, "image/png")
    response = await browser.post(path, {"file": file})
    assert response.status_code == 200, response.content
    model.respond_with(Text("I see."))
    events = await browser.say("this one", attachments=[row["id"]])
    (said,) = done_items(events, "user_message")
    assert said["attachments"][0]["id"] == row["id"]


@pytest.mark.upgraded("attachments", "of another store keep their preview")
async def test_a_foreign_file_keeps_its_url(upgraded: Upgrade) -> None:
    (row,) = old.rows("Attachment", id="atc_of_another_store")
    user = await User.objects.aget(username="ann")
    attachment = await DjangoStore().load_attachment(
        row["id"], RequestContext.for_user(user, base_url="http://testserver")
    )
    assert str(attachment.preview_url) == row["foreign_preview_url"]  # type: ignore[union-attr]
    assert attachment.metadata == row["metadata"]


@pytest.mark.upgraded("visitors", "keep their chats when they log in")
async def test_a_visitor_logs_in(person: Any) -> None:
    browser: ChatClient = person("visitor")
    user = await User.objects.aget(username="bob")
    await browser.aforce_login(user)
    page = await browser.call("threads.list", order="asc", limit=100)
    found = {thread["id"] for thread in page["data"]}
    assert found == {*old.ANSWERS["bob"], *old.ANSWERS["visitor"]}


# Staff


def admin_models() -> list[Any]:
    return [m for m in site._registry if m._meta.app_label == "chatkit_images"]


@pytest.mark.upgraded("rows", "are shown in the admin, in lists and on pages")
@pytest.mark.parametrize("model", admin_models(), ids=lambda m: m.__name__)
def test_staff_see_every_row(
    root: Client, upgraded: Upgrade, counted: Any, model: Any
) -> None:
    before = upgraded.before.get(model._meta.label, [])
    counted(len(before))
    name = f"admin:chatkit_images_{model._meta.model_name}"
    listed = root.get(reverse(f"{name}_changelist"), {"all": ""})
    assert listed.status_code == 200
    for row in model.objects.all():
        path = reverse(f"{name}_change", args=[quote(row.pk)])
        assert path in listed.content.decode()
        assert root.get(path).status_code == 200, path
    assert model.objects.count() == len(before)


@pytest.mark.upgraded("images", "are shown to staff, superseded and previews too")
def test_staff_see_every_image(root: Client, counted: Any) -> None:
    counted(len(IMAGES))
    digests = old.digests()
    thumbnails = {
        digests[row["thumbnail"]] for row in IMAGES.values() if row["thumbnail"]
    }
    gallery = reverse("admin:chatkit_images_generatedimage_changelist")
    assert served(root, gallery, gallery) >= thumbnails
    names = {key: {row["file"]} - {""} for key, row in IMAGES.items()}
    for partial in old.rows("PartialImage"):
        names[partial["image_id"]].add(partial["file"])
    for key, files in names.items():
        path = reverse("admin:chatkit_images_generatedimage_change", args=[key])
        seen = served(root, path, path.removesuffix("change/"))
        assert seen >= {digests[name] for name in files}, key


def served(root: Client, page: str, below: str) -> set[str]:
    """Return the digests of the files that a page of the admin shows or links to."""
    links = LINK.findall(root.get(page).content.decode())
    files = {each for each in links if each.startswith(below) and not PAGE.search(each)}
    responses = [root.get(link) for link in files]
    assert {response.status_code for response in responses} <= {200}
    return {hashlib.sha256(response.content).hexdigest() for response in responses}
