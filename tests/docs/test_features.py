"""What the page of ChatKit's features shows: the server's half and the script's."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chatkit import types
from django.utils import translation
from pydantic import TypeAdapter

from chatkit_images.models import GeneratedImage
from chatkit_images.testing import Image, LoopbackAPI, Text, ToolCall
from tests.client import ChatClient, done_items, message, of_type, thread_id

from . import chatkit_js
from .pages import ROOT, block, blocks
from .shop import serving

PAGE = "chatkit-features.md"
SCRIPT = "shop/static/shop/design.js"
EVENT: TypeAdapter[types.ThreadStreamEvent] = TypeAdapter(types.ThreadStreamEvent)


def of_updates(events: list[dict[str, Any]], update: str) -> list[dict[str, Any]]:
    """Return the updates of a type."""
    found = [each["update"] for each in of_type(events, "thread.item.updated")]
    return [each for each in found if each["type"] == update]


def given_to(model: LoopbackAPI) -> str:
    """Return the newest input of the model as text."""
    return json.dumps(model.requests[-1]["input"], ensure_ascii=False)


async def test_the_script_of_the_pages_asks_and_shows_what_is_there(
    chat: ChatClient, model: LoopbackAPI, tmp_path: Path
) -> None:
    if not (node := shutil.which("node")):
        pytest.skip("There is no Node.js.")
    model.respond_with(Image(partials=0), Text("Done."))
    events = await chat.say("a red fox")
    image = await GeneratedImage.objects.aget()
    paths = (
        "/chatkit/composer/",
        "/chatkit/entities/?q=red%20fox",
        f"/chatkit/entities/{image.image_id}/",
    )
    answers = {path: (await chat.get(path)).json() for path in paths}
    parts = list(blocks("js", name=SCRIPT))
    (first,) = (each.text for each in parts if each.page.name == "chatkit-js.md")
    others = [each.text for each in parts if each.page.name == PAGE]
    seen = chatkit_js.run(node, tmp_path, first, others, answers, image.image_id)
    assert seen["asked"] == list(paths)
    composer, entities, preview = (answers[path] for path in paths)
    assert seen["options"]["composer"] == {
        **composer,
        "placeholder": "What shall I draw?",
    }
    assert seen["found"] == entities["entities"]
    assert seen["previewed"] == preview
    assert seen["gone"] == {"preview": None}
    assert seen["opened"] == [thread_id(events)]
    assert seen["colour"] == {"colour": "red"}
    action, item = seen["sent"]
    assert (action["type"], action["payload"]) == ("draw_variant", {"style": "Photo"})
    assert item == "msg_w"
    assert chatkit_js.names(seen["options"]) <= chatkit_js.OPTIONS
    assert set(seen["events"]) <= chatkit_js.EVENTS
    assert seen["effect"] == "mug" and seen["went"] == "/products/mug/"


async def test_people_name_products_and_images(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    with serving(block(PAGE, "Mentions and entities")):
        model.respond_with(Image(partials=0), Text("Done."))
        await chat.say("a mug")
        found = (await chat.get("/chatkit/entities/?q=mug")).json()["entities"]
        product, image = found
        assert (product["id"], image["icon"]) == ("sku-1", "square-image")
        card = (await chat.get("/chatkit/entities/sku-1/")).json()["preview"]
        assert card["children"][0]["value"] == "Mug, 300 ml"
        assert (await chat.get(f"/chatkit/entities/{image['id']}/")).status_code == 200
        assert (await chat.get("/chatkit/entities/sku-9/")).status_code == 404
        tags = [
            {"type": "input_tag", "id": each["id"], "text": each["title"], "data": {}}
            for each in found
        ]
        asked = message("Like these: ")
        asked["content"] += tags
        model.respond_with(Text("Done."))
        await chat.stream("threads.create", input=asked)
    assert "is the product Mug, 300 ml." in given_to(model)
    assert "is the following image:" in given_to(model)


async def test_the_agent_asks_the_page(chat: ChatClient, model: LoopbackAPI) -> None:
    with serving(block(PAGE, "Client tools")):
        model.respond_with(ToolCall("chosen_colour", {}))
        events = await chat.say("a mug")
        (call,) = done_items(events, "client_tool_call")
        assert (call["name"], call["arguments"]) == ("chosen_colour", {"of": "mug"})
        model.respond_with(Image(partials=0), Text("Done."))
        events = await chat.stream(
            "threads.add_client_tool_output",
            thread_id=thread_id(events),
            result={"colour": "red"},
        )
    (output,) = (
        json.loads(each["output"])
        for each in model.requests[-1]["input"]
        if each["type"] == "function_call_output"
    )
    assert output == {"colour": "red"}
    assert done_items(events, "generated_image")


async def test_the_agent_asks_the_person(chat: ChatClient, model: LoopbackAPI) -> None:
    with serving(block(PAGE, "Questions")):
        model.respond_with(ToolCall("ask_for_style", {}))
        events = await chat.say("a fox")
        (item,) = done_items(events, "structured_input")
        assert [each["id"] for each in item["inputs"]] == ["style", "size"]
        model.respond_with(Image(partials=0), Text("Done."))
        answers = {"style": {"values": ["Photo"]}, "size": {"skipped": True}}
        events = await chat.stream(
            "threads.add_structured_input",
            thread_id=thread_id(events),
            item_id=item["id"],
            input={"answers": answers},
        )
    assert "Photo" in given_to(model)
    assert done_items(events, "generated_image")


async def test_a_widget_acts(chat: ChatClient, model: LoopbackAPI) -> None:
    file = ROOT / "docs" / "widgets" / "variants.widget"
    (shown,) = (each.text for each in blocks("json") if each.page.name == PAGE)
    assert shown == file.read_text(encoding="utf-8")
    with serving(block(PAGE, "Widgets and actions")):
        model.respond_with(ToolCall("offer_variants", {"title": 'A "red" fox'}))
        model.respond_with(Text("Choose."))
        events = await chat.say("a fox")
        (item,) = done_items(events, "widget")
        title, *buttons = item["widget"]["children"]
        assert title["value"] == 'A "red" fox'
        actions = [each["onClickAction"] for each in buttons]
        params = {"thread_id": thread_id(events), "item_id": item["id"]}
        model.respond_with(Image(partials=0), Text("Done."))
        photo = {"type": actions[1]["type"], "payload": actions[1]["payload"]}
        events = await chat.stream("threads.custom_action", **params, action=photo)
        (replaced,) = of_type(events, "thread.item.replaced")
        assert replaced["item"]["widget"]["children"][0]["value"] == "As a photo"
        assert done_items(events, "generated_image")
        assert "newest image as a photo" in given_to(model)
        asked = len(model.requests)
        for payload in (None, [], {"style": "Oil"}, {"style": {}}, "Photo"):
            forged = photo | {"payload": payload}
            events = await chat.stream("threads.custom_action", **params, action=forged)
            assert [e["type"] for e in events] == ["stream_options", "notice"]
        assert len(model.requests) == asked
    page = await chat.call("threads.get_by_id", thread_id=params["thread_id"])
    kinds = [each["type"] for each in page["items"]["data"]]
    assert kinds.count("widget") == 1


async def test_an_answer_shows_its_steps(chat: ChatClient, model: LoopbackAPI) -> None:
    with serving(block(PAGE, "Workflows and tasks")):
        model.respond_with(ToolCall("look_up", {"what": "a fox"}))
        model.respond_with(Image(partials=0), Text("Done."))
        events = await chat.say("a fox")
        page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    assert len(of_updates(events, "workflow.task.added")) == 3
    (updated,) = of_updates(events, "workflow.task.updated")
    assert updated["task"]["sources"][0]["url"] == "https://shop.example/foxes"
    stored = [each for each in page["items"]["data"] if each["type"] == "workflow"]
    assert [each["workflow"]["summary"]["title"] for each in stored] == ["Looked it up"]
    kinds = [each["type"] for each in stored[0]["workflow"]["tasks"]]
    assert kinds == ["web_search", "thought", "custom", "image"]


async def test_events_reach_the_page_and_no_thread(
    chat: ChatClient, model: LoopbackAPI
) -> None:
    part = block(PAGE, "Progress, notices and effects")
    with serving(part, LIMITS={"IMAGES_PER_DAY": 2}):
        model.respond_with(ToolCall("put_into_cart", {"product": "mug"}))
        model.respond_with(Text("[Mug](chatkit-link://product?id=mug&n=1) is there."))
        events = await chat.say("put it there")
        page = await chat.call("threads.get_by_id", thread_id=thread_id(events))
    for event in events:
        EVENT.validate_python(event)
    (notice,) = of_type(events, "notice")
    assert notice["message"] == "1 are left. [More](https://shop.example/plans)"
    (effect,) = of_type(events, "client_effect")
    assert (effect["name"], effect["data"]) == ("cart_changed", {"product": "mug"})
    assert "Filling the cart" in [
        each["text"] for each in of_type(events, "progress_update")
    ]
    question, answer = page["items"]["data"]
    assert question["type"] == "user_message"
    text = answer["content"][0]["text"]
    assert text == "[Mug](chatkit-link://product?id=mug&n=1) is there."


def test_a_project_translates_the_words_of_the_app(
    tmp_path: Path, settings: Any
) -> None:
    if not (shutil.which("xgettext") and shutil.which("bash")):
        pytest.skip("There is no GNU gettext.")
    make, build = (
        each.text.replace("python manage.py", "python -m django")
        for each in blocks("sh")
        if each.page.name == PAGE
    )
    (tmp_path / "project.py").write_text(
        "from pathlib import Path\nLOCALE_PATHS = [Path(__file__).parent / 'locale']\n"
    )
    catalog = tmp_path / "locale" / "de" / "LC_MESSAGES" / "django.po"

    def run(script: str) -> None:
        environment = chatkit_js.environment(DJANGO_SETTINGS_MODULE="project")
        environment["PYTHONPATH"] = f"{tmp_path}:{environment.get('PYTHONPATH', '')}"
        command = ["bash", "-e", "-c", script]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run(make)
    words = catalog.read_text(encoding="utf-8")
    before = 'msgid "Log in to chat."\nmsgstr ""'
    assert before in words
    catalog.write_text(words.replace(before, f'{before[:-2]}"Bitte anmelden."'))
    run(build)
    assert not (tmp_path / "chatkit_images").exists()
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    with translation.override("de"):
        assert translation.gettext("Log in to chat.") == "Bitte anmelden."
