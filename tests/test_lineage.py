"""What images were made from: noted when they are made, and read as a family."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import threading
from typing import Any

import PIL.Image
import pytest
from agents import function_tool
from channels.db import database_sync_to_async
from chatkit import types
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from chatkit_images import models, storage, times
from chatkit_images.agents import edit_tool, image_bytes
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import FileRefused, NotFoundError
from chatkit_images.models import GeneratedImage
from chatkit_images.queries import sources
from chatkit_images.signals import image_saved
from chatkit_images.storage import backend
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text, ToolCall
from chatkit_images.views.lineage import shown
from tests.chat import TestServer
from tests.client import ChatClient, message, read_events, thread_id
from tests.docs.pages import block, blocks
from tests.docs.shop import serving
from tests.image_files import SVG, image_file, noise
from tests.servers.world import build


@function_tool
async def look() -> str:
    """Look at what is there."""
    return "seen"


class LookingServer(TestServer):
    """A server whose agent answers in several responses."""

    __test__ = False

    def get_agent(self, thread: Any, context: RequestContext) -> Any:
        agent = super().get_agent(thread, context)
        agent.tools.append(look)
        return agent


def edit(colour: str, **fields: Any) -> Image:
    base = image_file("red")
    return Image(data=image_file(colour), base=base, partials=0, **fields)


async def named(*prompts: str) -> list[GeneratedImage]:
    return [await GeneratedImage.objects.aget(prompt=prompt) for prompt in prompts]


async def sources_of(prompt: str) -> dict[str, str]:
    """Return the roles of what an image was made from, by prompt or name of a file."""
    rows = models.ImageSource.objects.filter(image__prompt=prompt)
    return {
        str(row.source_image or row.attachment): row.role
        async for row in rows.select_related("source_image", "attachment")
    }


async def chain(chat: ChatClient, model: LoopbackAPI) -> str:
    """Have a fox drawn and edited five times, the last time from the second edit."""
    model.respond_with(Image(data=image_file("red"), partials=0), Text("Done."))
    key = thread_id(await chat.say("fox"))
    for number in range(1, 5):
        model.respond_with(edit("blue"), Text("Done."))
        await chat.say(f"edit {number}", key)
    (second,) = await named("edit 2")
    asked = message("edit 5")
    tag = {"type": "input_tag", "id": second.image_id, "text": "it", "data": {}}
    asked["content"].append(tag)
    model.respond_with(edit("green"), Text("Done."))
    await chat.stream("threads.add_user_message", thread_id=key, input=asked)
    return key


async def test_each_edit_is_a_new_version_of_the_one_before(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    key = await chain(chat, model)
    assert await sources_of("fox") == {}
    assert await sources_of("edit 1") == {"fox": "edited"}
    assert await sources_of("edit 3") == {
        "fox": "input",
        "edit 1": "input",
        "edit 2": "edited",
    }
    found = await sources_of("edit 5")
    assert (found["edit 2"], found["edit 4"]) == ("edited", "input")
    # A provider that does not say that it edits says nothing of versions.
    quiet = edit("red", fields={"action": None})
    model.respond_with(quiet, Text("Done."))
    await chat.say("again", key)
    assert set((await sources_of("again")).values()) == {"input"}


async def test_a_second_response_edits_the_image_of_the_first(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    server = f"{__name__}.{LookingServer.__name__}"
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, "SERVER": server}
    tool = ToolCall("look", {})
    model.respond_with(Image(data=image_file("red"), partials=0), tool)
    model.respond_with(edit("blue"), Text("Done."))
    await chat.say("fox")
    first, second = [row async for row in GeneratedImage.objects.order_by("pk")]
    if first.created_at > second.created_at:
        first, second = second, first
    source = await models.ImageSource.objects.aget()
    assert (source.image_id, source.source_image_id) == (second.pk, first.pk)
    assert source.role == "edited"


@pytest.mark.parametrize("action", ["generate", "edit"])
async def test_a_second_response_edits_an_image_that_is_not_stored_yet(
    chat: ChatClient,
    model: LoopbackAPI,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    server = f"{__name__}.{LookingServer.__name__}"
    settings.CHATKIT_IMAGES = {**settings.CHATKIT_IMAGES, "SERVER": server}
    second, put, names = threading.Event(), backend.put, []

    def late(name: str, data: bytes, *where: str | None) -> Any:
        if "/images/" in name:
            names.append(name)
            if len(names) == 1:
                second.wait(5)
        return put(name, data, *where)

    def note(image: GeneratedImage, **kwargs: Any) -> None:
        second.set()

    monkeypatch.setattr(backend, "put", late)
    image_saved.connect(note)
    first = edit("red", fields={"action": action})
    model.respond_with(first, ToolCall("look", {}))
    model.respond_with(edit("blue"), Text("Done."))
    try:
        await chat.say("fox")
    finally:
        image_saved.disconnect(note)
    source = await models.ImageSource.objects.select_related("source_image").aget()
    assert (source.role, source.source_image.file.name) == ("edited", names[0])


@pytest.mark.parametrize("says", ["edit", "generate", None])
async def test_sources_are_noted_with_the_row_of_an_image_and_corrected_at_its_end(
    chat: ChatClient, model: LoopbackAPI, says: str | None
) -> None:
    model.respond_with(Image(data=image_file("red"), partials=0), Text("Done."))
    key = thread_id(await chat.say("fox"))
    model.respond_with(Image(data=image_file("green"), partials=0), Text("Done."))
    await chat.say("cat", key)
    fox, cat = await named("fox", "cat")
    gate, along = Gate(), {"fox": "input", "cat": "input"}
    step = Image(
        data=image_file("blue"), partials=1, gate=gate, fields={"action": says}
    )
    model.respond_with(step, Text("Done."))
    asked = {"thread_id": key, "input": message("blue")}
    answer = await chat.request_op("threads.add_user_message", asked)
    async for event in read_events(answer):
        if event["type"] == "thread.item.updated" and not gate.opened.is_set():
            assert await sources_of("blue") == along
            # It is no image so far.
            for made in (fox, cat):
                read = database_sync_to_async(made.lineage)
                assert (await read()).others == {}
            gate.open()
    ended = {"edit": along | {"cat": "edited"}, "generate": {}, None: along}
    assert await sources_of("blue") == ended[says]


async def test_an_image_that_failed_is_in_no_lineage_but_its_own(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(Image(data=image_file("red"), partials=0), Text("Done."))
    key = thread_id(await chat.say("fox"))
    model.respond_with(edit("blue", result=False), Text("Done."))
    await chat.say("blue", key)
    fox, blue = await named("fox", "blue")
    assert blue.status == "failed"
    found = await lineage_of(chat, fox)
    assert ([node["id"] for node in found["nodes"]], found["edges"]) == (
        [fox.image_id],
        [],
    )
    found = await lineage_of(chat, blue)
    assert {node["prompt"] for node in found["nodes"]} == {"fox", "blue"}


async def test_a_project_names_what_is_its_owner_s(
    context: RequestContext, foreign: RequestContext, bob: User, ann: User, png: bytes
) -> None:
    mine = await database_sync_to_async(build)(context.owner, ann, "mine", png)
    theirs = await database_sync_to_async(build)(foreign.owner, bob, "theirs", png)
    image = await GeneratedImage.objects.aget(pk=mine.image)
    given = (image, image.image_id)
    find = database_sync_to_async(sources.named)
    (found,) = await find(given, context, "edited")
    assert (found.file.pk, found.role) == (str(image.pk), "edited")
    for unknown in (f"img_{theirs.image.hex}", "img_", "atc_1", "\x00"):
        with pytest.raises(NotFoundError):
            await find([unknown], context)
    with pytest.raises(ValueError, match="100 sources at most, got 101"):
        await find([f"atc_{number}" for number in range(101)], context)


def family(owner: str = "user:1") -> list[GeneratedImage]:
    """Return a fox, its first and second edit, and two edits of the second."""
    thread = models.Thread.objects.create(pk=f"thr_{owner}", owner=owner)
    images = [
        thread.images.create(prompt=prompt, status="completed", file=f"{prompt}.png")
        for prompt in ("fox", "blue", "small", "night", "day")
    ]
    for made, source in ((1, 0), (2, 1), (3, 2), (4, 2)):
        version(images[made], images[source])
    return images


def version(made: GeneratedImage, source: Any, role: str = "edited") -> None:
    column = "source_image" if isinstance(source, GeneratedImage) else "attachment"
    models.ImageSource.objects.create(image=made, role=role, **{column: source})


def prompts(images: Any) -> list[str]:
    return [image.prompt for image in images]


@pytest.mark.django_db
def test_a_chain_and_a_branch_can_be_read_from_any_image(
    django_assert_num_queries: Any,
) -> None:
    fox, blue, small, night, _day = family()
    owner = fox.thread.owner
    row = {"pk": "atc_1", "owner": owner, "name": "photo.png", "kind": "image"}
    photo = models.Attachment.objects.create(**row)
    other = fox.thread.images.create(prompt="logo", status="completed", file="l.png")
    version(fox, photo)
    version(small, other, "input")
    version(small, photo, "mask")
    image = GeneratedImage.objects.select_related("thread").get(pk=small.pk)
    # Three steps and no more to be found, its other sources, the rows.
    with django_assert_num_queries(3 + 3):
        found = image.lineage()
        assert prompts(found.ancestors) == ["fox", "blue"]
        assert prompts(found.descendants) == ["night", "day"]
        assert prompts(found.roots) == ["fox"]
        assert prompts(found.versions(image)) == ["night", "day"]
        assert prompts(found.others.values()) == ["logo"]
        assert list(found.attachments) == ["atc_1"]
        assert found.is_whole
        assert len(found.edges) == 4 + 1 + 2
    # From a branch the other branch is there, and not the inputs of others.
    found = night.lineage()
    assert prompts(found.ancestors) == ["fox", "blue", "small"]
    assert (found.descendants, len(found.family), len(found.edges)) == ([], 5, 5)
    assert found.others == {}
    # An image that is deleted leaves a gap, and what is beyond is not known any more.
    blue.delete()
    found = night.lineage()
    assert prompts(found.ancestors) == ["small"]
    (gap,) = [edge for edge in found.edges if edge.source_image is None]
    assert (gap.image, gap.attachment) == (small.pk, None)


@pytest.mark.django_db
def test_a_lineage_ends_with_circles_with_others_and_with_its_bounds(
    monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    fox, blue, small, night, day = family()
    version(fox, day)
    found = small.lineage()
    everything = {"fox", "blue", "small", "night", "day"}
    assert set(prompts(found.ancestors)) == {"fox", "blue", "day"}
    assert set(prompts(found.descendants)) == everything - {"small"}
    assert found.roots == []
    # Somebody else's image is not there, nor what only it connects.
    theirs = family("user:2")
    version(theirs[0], night)
    version(day, theirs[4], "input")
    assert set(prompts(day.lineage().family.values())) == everything
    assert day.lineage().others == {}
    narrow = GeneratedImage.objects.for_owner("user:1").exclude(pk=blue.pk)
    found = night.lineage(narrow)
    assert set(prompts(found.family.values())) == everything - {"blue"}
    # Whatever an owner has made of one image.
    monkeypatch.setattr("chatkit_images.models.lineage.MOST_IMAGES", 4)
    found = small.lineage()
    assert (len(found.family), found.is_whole) == (4, False)
    monkeypatch.setattr("chatkit_images.models.lineage.MOST_STEPS", 1)
    monkeypatch.setattr("chatkit_images.models.lineage.MOST_OTHERS", 0)
    version(small, day, "mask")
    with django_assert_max_num_queries(5):
        found = small.lineage()
    assert not found.is_whole
    assert all(edge.role == "edited" for edge in found.edges)


async def lineage_of(client: ChatClient, image: GeneratedImage) -> Any:
    response = await client.get(f"/chatkit/images/{image.pk}/lineage/")
    if response.status_code != 200:
        return response.status_code
    assert response["Cache-Control"] == "no-store"
    return response.json()


async def test_its_owner_reads_a_lineage_with_urls_and_nobody_else_does(
    chat: ChatClient, model: LoopbackAPI, stranger: ChatClient
) -> None:
    await chain(chat, model)
    second, last = await named("edit 2", "edit 5")
    found = await lineage_of(chat, last)
    assert (found["image"], found["whole"]) == (last.image_id, True)
    by_id = reverse("chatkit_images:lineage", args=[last.image_id])
    assert by_id == f"/chatkit/images/{last.image_id}/lineage/"
    assert (await chat.get(by_id)).json() == found
    assert (await stranger.get(by_id)).status_code == 404
    nodes = {node["id"]: node for node in found["nodes"]}
    relations = {node["prompt"]: node["relation"] for node in nodes.values()}
    assert relations == {
        "fox": "ancestor",
        "edit 1": "ancestor",
        "edit 2": "ancestor",
        "edit 3": "branch",
        "edit 4": "branch",
        "edit 5": "self",
    }
    edits = {
        (nodes[edge["from"]]["prompt"], nodes[edge["to"]]["prompt"])
        for edge in found["edges"]
        if edge["role"] == "edited"
    }
    assert edits == {
        ("fox", "edit 1"),
        ("edit 1", "edit 2"),
        ("edit 2", "edit 3"),
        ("edit 3", "edit 4"),
        ("edit 2", "edit 5"),
    }
    for node in nodes.values():
        for url in (node["url"], node["thumbnail_url"]):
            assert (await chat.get(url)).status_code == 200
    await GeneratedImage.objects.filter(pk=second.pk).aupdate(status="blocked")
    found = await lineage_of(chat, last)
    (blocked,) = [node for node in found["nodes"] if node["status"] == "blocked"]
    assert (blocked["url"], blocked["thumbnail_url"]) == (None, None)
    assert await lineage_of(stranger, last) == 404
    assert await lineage_of(ChatClient(), last) == 401


async def test_staff_read_what_their_admin_shows(
    ann: User, png: bytes, bob: User, stranger: ChatClient, monkeypatch: Any
) -> None:
    mine = await database_sync_to_async(build)("user:1", ann, "mine", png)
    image = await GeneratedImage.objects.aget(pk=mine.image)
    source = await GeneratedImage.objects.acreate(
        thread_id=image.thread_id, prompt="a sketch", status="completed", file="s.png"
    )
    await database_sync_to_async(version)(image, source)
    photo = await models.Attachment.objects.aget(pk=mine.attachment)
    await database_sync_to_async(version)(image, photo, "mask")
    await User.objects.filter(pk=bob.pk).aupdate(is_staff=True)
    assert await lineage_of(stranger, image) == 404
    may = await Permission.objects.aget(codename="view_generatedimage")
    await bob.user_permissions.aadd(may)
    found = await lineage_of(stranger, image)
    # They may not see attachments.
    assert [node["kind"] for node in found["nodes"]] == ["image", "image"]
    (edge,) = found["edges"]
    assert (edge["from"], edge["role"]) == (source.image_id, "edited")
    for node in found["nodes"]:
        assert "/admin/" in node["url"]
    # The project's admin shows them a part of the images.
    page = site.get_model_admin(GeneratedImage)
    every = page.get_queryset
    only = {"pk": image.pk}
    monkeypatch.setattr(page, "get_queryset", lambda r: every(r).filter(**only))
    found = await lineage_of(stranger, image)
    assert [node["id"] for node in found["nodes"]] == [image.image_id]
    assert found["edges"] == []
    assert await lineage_of(stranger, source) == 404


@pytest.mark.django_db
def test_the_page_tells_what_people_asked_for() -> None:
    names: dict[str, Any] = {}
    exec(block("lineage.md", "In code").compile(), names)
    *_rest, day = family()
    assert names["history_of"](day) == ["fox", "blue", "small", "day"]
    (answer,) = (each for each in blocks("json") if each.page.name == "lineage.md")
    said, found = json.loads(answer.text), shown(day.lineage(), lambda row, variant: "")
    assert set(said) == set(found)
    assert set(said["nodes"][0]) == set(found["nodes"][0])


def png_with(size: tuple[int, int], alpha: int) -> bytes:
    picture = PIL.Image.new("RGBA", size, (9, 9, 9, 255))
    picture.putpixel((0, 0), (9, 9, 9, alpha))
    picture.save(out := io.BytesIO(), "PNG")
    return out.getvalue()


async def upload(context: RequestContext, name: str, data: bytes) -> str:
    store = DjangoAttachmentStore()
    return (await store.upload(SimpleUploadedFile(name, data), context)).id


async def test_a_mask_goes_with_the_tool_and_is_noted(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext
) -> None:
    with serving(block("lineage.md", "Named images and masks in tools")):
        model.respond_with(Image(data=png_with((64, 48), 255), partials=0), Text("."))
        key = thread_id(await chat.say("fox"))
        mask = await upload(context, "mask.png", png_with((64, 48), 0))
        (fox,) = await named("fox")
        call = ToolCall("weigh", {"image_id": fox.image_id})
        missing = ToolCall("weigh", {"image_id": f"img_{0:032x}"})
        model.respond_with(edit("blue"), call, missing)
        model.respond_with(Text("Done."))
        await chat.say("blue", key, [mask])
    tools = model.requests[1]["tools"]
    (tool,) = [each for each in tools if each["type"] == "image_generation"]
    assert tool["partial_images"] == 3
    url = tool["input_image_mask"]["image_url"]
    sent = PIL.Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert (sent.size, sent.mode) == ((64, 48), "RGBA")
    assert sent.getpixel((0, 0)) == (0, 0, 0, 0)
    found = await sources_of("blue")
    assert (found["fox"], found["mask.png"]) == ("edited", "mask")
    outputs = [
        each["output"]
        for each in model.requests[-1]["input"]
        if each.get("type") == "function_call_output"
    ]
    assert outputs[0] == f"{fox.bytes} bytes"
    assert "bytes" not in outputs[1]


async def test_a_mask_that_cannot_be_one_is_refused(
    chat: ChatClient,
    model: LoopbackAPI,
    context: RequestContext,
    foreign: RequestContext,
) -> None:
    fine = await upload(context, "mask.png", png_with((64, 48), 0))
    with pytest.raises(NotFoundError, match="no image to edit"):
        await edit_tool(context, mask=fine)
    model.respond_with(Image(data=png_with((64, 48), 255), partials=0), Text("."))
    await chat.say("fox")
    (fox,) = await named("fox")
    ours = {"edited": fox.image_id}
    tool = await edit_tool(context, mask=fine, input_fidelity="high", **ours)
    assert tool.tool_config["input_fidelity"] == "high"
    assert "input_image_mask" not in (await edit_tool(context)).tool_config
    for name, data, words in (
        ("small.png", png_with((32, 48), 0), "32 x 48 pixels, and its image 64 x 48"),
        ("opaque.png", png_with((64, 48), 255), "no transparent pixels"),
        ("photo.jpg", noise("JPEG", (64, 48)), "must be a PNG or a WebP"),
        ("fox.txt", b"fox", "is no image"),
    ):
        key = await upload(context, name, data)
        with pytest.raises(FileRefused, match=words):
            await edit_tool(context, mask=key, **ours)
    model.respond_with(Image(data=SVG, partials=0), Text("."))
    await chat.say("drawing")
    (drawing,) = await named("drawing")
    with pytest.raises(FileRefused, match="goes to models as text"):
        await edit_tool(context, mask=fine, edited=drawing.image_id)
    for who, mask, edited in (
        (foreign, fine, fox.image_id),
        (context, "atc_none", fox.image_id),
        (context, fine, f"img_{0:032x}"),
    ):
        with pytest.raises(NotFoundError):
            await edit_tool(who, mask=mask, edited=edited)
    assert await image_bytes(context, fine) == png_with((64, 48), 0)
    await database_sync_to_async(storage.get_storage().delete)(fox.file.name)
    with pytest.raises(NotFoundError, match="not there any more"):
        await image_bytes(context, fox.image_id)


async def test_a_person_reads_why_a_mask_is_refused(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext
) -> None:
    with serving(block("lineage.md", "Named images and masks in tools")):
        model.respond_with(Image(data=png_with((64, 48), 255), partials=0), Text("."))
        key = thread_id(await chat.say("fox"))
        mask = await upload(context, "mask.png", png_with((32, 48), 0))
        *_, error = await chat.say("blue", key, [mask])
    assert (error["type"], error["allow_retry"]) == ("error", False)
    assert error["message"] == "The mask has 32 x 48 pixels, and its image 64 x 48."
    run = await models.Run.objects.aget(status="failed")
    assert (run.reason, run.failure["code"]) == ("refused", "bad_mask")


async def test_no_other_image_is_edited_than_the_one_that_a_project_names(
    chat: ChatClient, model: LoopbackAPI, context: RequestContext
) -> None:
    """An image may be its own mask: then it is not the newest image that is edited."""
    model.respond_with(Image(data=png_with((64, 48), 0), partials=0), Text("."))
    key = thread_id(await chat.say("fox"))
    model.respond_with(Image(data=png_with((32, 32), 255), partials=0), Text("."))
    await chat.say("another", key)
    (fox,) = await named("fox")

    said = types.UserMessageItem(
        id="msg_1",
        thread_id=key,
        created_at=times.now(),
        content=[],
        inference_options=types.InferenceOptions(),
    )
    here = dataclasses.replace(context, message=said)
    given = {"mask": fox.image_id, "edited": fox.image_id}
    assert "input_image_mask" in (await edit_tool(here, **given)).tool_config
