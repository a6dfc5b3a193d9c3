"""The tool of the page on images from any source, and its provider's exceptions."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import RequestFactory

from chatkit_images import failures
from chatkit_images.models import GeneratedImage, Thread, ThreadItem
from chatkit_images.testing import LoopbackAPI, Text, ToolCall
from tests.client import ChatClient

from .pages import block
from .shop import installed, module, serving

SECTION = "An image that your code makes"


async def test_a_tool_draws(chat: ChatClient, model: LoopbackAPI) -> None:
    model.respond_with(ToolCall("draw_square", {"colour": "teal"}))
    model.respond_with(Text("Here."))
    with serving(block("image-sources.md", SECTION)):
        await chat.say("a teal square")
    row = await GeneratedImage.objects.aget()
    assert (row.status, row.prompt, row.width) == ("completed", "teal", 512)
    assert (row.usage, row.cost) == ({"squares": 1}, Decimal("0.002"))
    (sent,) = [item for item in model.requests[-1]["input"] if "output" in item]
    assert row.image_id in sent["output"]


async def test_a_view_draws_outside_of_a_turn(ann: User) -> None:
    await Thread.objects.acreate(pk="thr_1", owner=f"user:{ann.pk}", user=ann)
    made = module("shop.posters", block("image-sources.md", "Outside of a turn"))
    request = RequestFactory().post("/", {"words": "Spring sale"})
    request.user = ann
    view = sync_to_async(made.poster)
    answer = await view(request, "thr_1")
    row = await GeneratedImage.objects.aget()
    assert json.loads(answer.content) == {"image": row.image_id}
    assert (row.status, row.prompt, row.width) == ("completed", "Spring sale", 512)
    said = await ThreadItem.objects.aget(type="user_message")
    assert said.payload["content"][0]["text"] == "Spring sale"
    await Thread.objects.aupdate(status="closed")
    refused = await view(request, "thr_1")
    assert (refused.status_code, b"closed" in refused.content) == (409, True)
    assert (await view(request, "thr_none")).status_code == 404


def test_a_command_draws_in_a_new_thread(ann: User) -> None:
    view = block("image-sources.md", "Outside of a turn")
    command = block("image-sources.md", "Outside of a turn", 1)
    with installed(posters=module("shop.posters", view)):
        made = module("shop.management.commands.poster", command)
        call_command(
            made.Command(), "ann", "Summer sale", stdout=(out := io.StringIO())
        )
    row = GeneratedImage.objects.get()
    assert out.getvalue() == f"{row.image_id} in {row.thread_id}\n"
    assert (row.status, row.thread.title) == ("completed", "Summer sale")
    assert (row.thread.user, row.source) == (ann, "own")


def test_the_project_knows_its_exceptions(settings: Any) -> None:
    code = block("image-sources.md", "Exceptions of your provider")
    made = module("shop.failures", code)
    settings.CHATKIT_IMAGES |= {"FAILURES": "shop.failures.failure"}
    with installed(failures=made):
        found = failures.of(made.RenderQueueFull())
        assert found is not None and found.retry_after == 30
        other = failures.of(TimeoutError())
        assert other is not None and other.reason == failures.Reason.TIMEOUT
