"""Every page renders, and says what it should."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin, site
from django.test import Client
from django.utils import timezone

from chatkit_images import models, storage

from .paths import KEPT, MADE_BY_STAFF, MODELS, change, change_list, image_file, page

Make = Callable[..., Any]


@pytest.mark.parametrize("model", MODELS)
def test_list_page_history_and_delete_render(
    root: Client, everything: Make, model: Any
) -> None:
    row = next(row for row in everything(1) if isinstance(row, model))
    paths = [change_list(model), change(row), page(row, "history")]
    if model not in KEPT:
        paths.append(page(row, "delete"))
    for path in paths:
        assert root.get(path).status_code == 200, path


@pytest.mark.parametrize("model", MODELS)
def test_empty_list_says_so(root: Client, model: Any) -> None:
    assert b"Nothing here yet." in root.get(change_list(model)).content
    searched = root.get(change_list(model), {"q": "zzz"}).content
    assert b"Nothing matches" in searched


@pytest.mark.parametrize("model", [m for m in MODELS if m not in MADE_BY_STAFF])
def test_nobody_adds_a_row(root: Client, model: Any) -> None:
    assert root.get(page(model, "add")).status_code == 403


def test_gallery_shows_thumbnails_with_the_prompt_as_words(
    root: Client, make_image: Make
) -> None:
    image = make_image(prompt="A red fox", width=800, height=400)
    html = root.get(change_list(image.__class__)).content.decode()
    assert f'src="{image_file(image, "thumbnail")}" alt="A red fox"' in html
    assert 'width="320" height="160" loading="lazy"' in html
    assert 'name="_selected_action"' in html
    assert storage.get_storage().url(image.file.name) not in html


@pytest.mark.parametrize("words", ["fox", "ig_77777", "mia", "visitor:9"])
def test_gallery_is_searched(
    root: Client, make_image: Make, make_thread: Make, make_user: Make, words: str
) -> None:
    thread = make_thread(
        title="Winter", owner="visitor:9", user=make_user(username="mia")
    )
    make_image(prompt="a fox in snow", call_id="ig_77777", thread=thread)
    make_image(prompt="a harbour", call_id="ig_0", thread=make_thread(title="Sea"))
    html = root.get(change_list(models.GeneratedImage), {"q": words}).content.decode()
    assert "a fox in snow" in html
    assert "a harbour" not in html


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status__exact": "blocked"}, "blocked one"),
        ({"moderated": "yes"}, "blocked one"),
        ({"moderated": "no", "superseded": "no"}, "plain one"),
        ({"superseded": "yes"}, "old one"),
        ({"quality": "high"}, "plain one"),
    ],
)
def test_gallery_is_filtered(
    root: Client, make_image: Make, query: dict[str, str], found: str
) -> None:
    make_image(prompt="plain one", quality="high")
    make_image(prompt="blocked one", status="blocked", file="", thumbnail="")
    make_image(prompt="old one", superseded_at=timezone.now())
    html = root.get(change_list(models.GeneratedImage), query).content.decode()
    for prompt in ("plain one", "blocked one", "old one"):
        assert (f'alt="{prompt}"' in html or f": {prompt}<" in html) == (
            prompt == found
        )


def test_value_filters_offer_values_only_if_there_are_several(
    root: Client, make_image: Make
) -> None:
    make_image(model="")
    make_image(model="gpt-image-1")
    html = root.get(change_list(models.GeneratedImage)).content.decode()
    assert "model__exact" not in html
    make_image(model="gpt-image-2")
    html = root.get(change_list(models.GeneratedImage)).content.decode()
    assert "?model__exact=gpt-image-2" in html
    assert '?model__exact="' not in html


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"file": "", "thumbnail": "", "status": "failed"}, "No image"),
        ({"file": "", "thumbnail": "", "status": "generating"}, "No image yet"),
        ({"file": "", "thumbnail": ""}, "The file is missing"),
        ({"mime": "image/x-own", "thumbnail": ""}, "X-OWN"),
    ],
)
def test_image_without_a_result_shows_a_tile(
    root: Client, make_image: Make, fields: dict[str, str], text: str
) -> None:
    image = make_image(**fields)
    for path in (change_list(models.GeneratedImage), change(image)):
        html = root.get(path).content.decode()
        assert re.search(rf'<span class="ck-tile[^"]*">{text}', html)
        assert "<img class=" not in html


def test_an_svg_is_shown_in_its_pages(root: Client, make_image: Make) -> None:
    image = make_image(mime="image/svg+xml", thumbnail="")
    for path in (change_list(models.GeneratedImage), change(image)):
        assert "<img class=" in root.get(path).content.decode()


def test_page_of_an_image_shows_image_previews_run_and_thread(
    root: Client, make_image: Make, everything: Make
) -> None:
    thread, image, _upload, run, *_rest = everything(1)
    run.usage = {"output_tokens": 41}
    run.save()
    now = timezone.now()
    models.GeneratedImage.objects.update(
        final_ms=31840,
        response_id="resp_1",
        superseded_at=now,
        requested_at=now - timedelta(seconds=4),
        first_event_at=now - timedelta(seconds=1.5),
        timings={"input_ms": 7100, "read_ms": 6900, "stored_in": "<spool>"},
    )
    html = root.get(change(image)).content.decode()
    for expected in (
        image_file(image, "full"),
        image_file(image, "partial-0"),
        f"{image_file(image, 'full')}?download",
        change(thread),
        change(run),
        "resp_1",
        "&quot;output_tokens&quot;: 41",
        "31.8 s",
        "superseded",
        "preparing the input of the model: 7.1 s",
        "of which reading earlier images and files: 6.9 s",
        "waiting for the first event of the model: 2.5 s",
    ):
        assert expected in html
    assert "Error and moderation" not in html
    assert storage.get_storage().url(image.file.name) not in html


def test_page_of_a_failed_image_shows_the_error_first(
    root: Client, make_image: Make
) -> None:
    image = make_image(status="failed", error_message="No luck.", file="")
    html = root.get(change(image)).content.decode()
    assert html.index("No luck.") < html.index("Technical facts")
    assert "None" not in html


def test_list_of_threads_counts_items_and_images_apart(
    root: Client, make_thread: Make, make_item: Make, make_image: Make
) -> None:
    thread = make_thread()
    for _ in range(3):
        make_item(thread)
    make_image(thread=thread)
    make_image(thread=thread)
    response = root.get(change_list(models.Thread))
    assert b'<td class="field-item_count">3</td>' in response.content
    assert f"?thread__id__exact={thread.pk}" in response.content.decode()
    assert b">2</a></td>" in response.content


@pytest.mark.parametrize(("answer", "title"), [("yes", "Full"), ("no", "Empty")])
def test_threads_are_filtered_by_images(
    root: Client, make_thread: Make, make_image: Make, answer: str, title: str
) -> None:
    make_image(thread=make_thread(title="Full"))
    make_thread(title="Empty")
    query = {"has_images": answer}
    response = root.get(change_list(models.Thread), query)
    assert [row.title for row in response.context["cl"].result_list] == [title]


def test_transcript_shows_the_items_in_order(
    root: Client,
    make_thread: Make,
    make_item: Make,
    make_image: Make,
    make_attachment: Make,
) -> None:
    thread = make_thread()
    upload = make_attachment(name="brief.pdf", mime_type="application/pdf")
    gone = make_attachment(name="later.png", file="", awaits_upload=True)
    odd = make_attachment(name="odd", mime_type="text/plain", file=gone.file or "x")
    keys = [upload.pk, gone.pk, odd.pk, "atc_nobody"]
    text = [{"type": "input_text", "text": "Draw a fox"}, {"type": "input_tag"}]
    make_item(thread, "hidden_context_item", content="plan: free")
    make_item(thread, content=text, attachments=keys, quoted_text="that one")
    image = make_image(thread=thread, item=make_item(thread, "generated_image"))
    make_image(
        thread=thread, item=make_item(thread, "generated_image"), status="failed"
    )
    answer = make_item(thread, "assistant_message", content=[{"text": "Here it is"}])
    make_item(thread, "generated_image")
    make_item(thread, "client_tool_call", name="x" * 30_000)
    models.Feedback.objects.create(
        item=answer, thread=thread, owner=thread.owner, kind="negative"
    )
    html = root.get(change(thread)).content.decode()
    expected = [
        "hidden</span>",
        "plan: free",
        "that one",
        "Draw a fox",
        "PDF",
        "brief.pdf",
        "Not uploaded",
        "File",
        image_file(image, "thumbnail"),
        "ck-is-failed",
        "negative",
        "Here it is",
        "This image was removed.",
        "Client tool call",
        "…",
    ]
    places = [html.index(text, html.index("ck-transcript")) for text in expected]
    assert places == sorted(places)


def test_transcript_has_words_for_what_a_text_quotes(
    root: Client, make_thread: Make, make_item: Make
) -> None:
    thread = make_thread()
    quoted = f"like chatkit-image:{uuid.uuid4()} in chatkit-attachment:atc_1"
    make_item(thread, content=[{"type": "input_text", "text": quoted}])
    assert "like [image] in [file]" in root.get(change(thread)).content.decode()


@pytest.mark.parametrize("payload", [[], "text", {"content": 3}, {"attachments": 3}])
def test_transcript_survives_a_payload_of_another_shape(
    root: Client, make_thread: Make, make_item: Make, payload: Any
) -> None:
    thread = make_thread(title=None)
    item = make_item(thread)
    models.ThreadItem.objects.filter(pk=item.pk).update(payload=payload)
    assert root.get(change(thread)).status_code == 200


def test_run_without_thread_or_end_has_a_page(root: Client) -> None:
    run = models.Run.objects.create(owner="visitor:1", operation="threads.create")
    assert b"first message of a chat" in root.get(change_list(models.Run)).content
    assert root.get(change(run)).status_code == 200


def test_outbox_of_files_explains_itself(root: Client) -> None:
    html = root.get(change_list(models.DeletedFile)).content
    assert b"A row leaves this list by itself" in html


def test_image_whose_run_is_gone_has_a_page(root: Client, make_image: Make) -> None:
    assert root.get(change(make_image(run=None))).status_code == 200


def test_pages_stand_without_models_that_a_project_took_out(
    root: Client, everything: Make, monkeypatch: Any
) -> None:
    thread, _image, _upload, run, *_rest = everything(1)
    for model in (models.GeneratedImage, models.Attachment, models.Feedback):
        monkeypatch.delitem(site._registry, model)
    assert b'<td class="field-image_count">1</td>' in (
        root.get(change_list(models.Thread)).content
    )
    assert root.get(change(thread)).status_code == 200
    monkeypatch.delitem(site._registry, models.Thread)
    assert b"Foxes" in root.get(change_list(models.Run)).content


def test_transcript_shows_images_of_a_project_s_own_admin(
    root: Client, everything: Make, monkeypatch: Any
) -> None:
    thread, image, *_rest = everything(1)
    own = ModelAdmin(models.GeneratedImage, site)
    monkeypatch.setitem(site._registry, models.GeneratedImage, own)
    html = root.get(change(thread)).content.decode()
    assert f'<a href="{change(image)}">A red fox</a>' in html


def test_page_of_an_image_shows_its_versions(
    root: Client,
    make_image: Make,
    make_attachment: Make,
    login: Make,
    make_thread: Make,
) -> None:
    thread = make_thread()
    fox, blue, small, night, logo = (
        make_image(prompt=prompt, thread=thread)
        for prompt in ("a fox", "<b>blue</b>", "small", "night", "a logo")
    )
    photo = make_attachment(owner=thread.owner, name="<i>photo.png")
    Role = models.ImageSource.Role

    def made(image: Any, role: str, **source: Any) -> None:
        models.ImageSource.objects.create(image=image, role=role, **source)

    made(fox, Role.EDITED, attachment=photo)
    made(blue, Role.EDITED, source_image=fox)
    made(small, Role.EDITED, source_image=blue)
    made(night, Role.EDITED, source_image=blue)
    made(blue, Role.INPUT, source_image=logo)
    made(blue, Role.MASK, attachment=photo)
    html = root.get(change(blue)).content.decode()
    shown = html[html.index('class="ck-family"') :]
    for row in (fox, small, night, logo, photo):
        assert f'href="{change(row)}"' in shown
    assert shown.index(change(fox)) < shown.index(change(small))
    assert "From “&lt;b&gt;blue&lt;/b&gt;”" in shown
    assert "<b>" not in shown and "<i>" not in shown
    assert shown.count('aria-current="page"') == 1
    assert ">mask</span>" in shown and ">input</span>" in shown
    assert "Has served for" in root.get(change(logo)).content.decode()
    # An edit of two images stands once, and a circle ends.
    made(night, Role.EDITED, source_image=small)
    made(fox, Role.EDITED, source_image=night)
    fox.sources.filter(attachment=photo).update(attachment=None)
    html = root.get(change(blue)).content.decode()
    assert html.count(f'href="{change(night)}"') == 1
    assert "and of “&lt;b&gt;blue&lt;/b&gt;”" in html
    assert ">Deleted</span>" in html
    # Without the permission for attachments there is no word of them.
    html = login("view_generatedimage").get(change(blue)).content.decode()
    assert "photo.png" not in html and change(fox) in html
    # An image without any has no such part.
    assert "ck-family" not in root.get(change(make_image())).content.decode()


def test_page_of_an_image_says_how_it_was_made(root: Client, make_image: Make) -> None:
    image = make_image(
        source="nested",
        chat_model="gpt-5",
        details={"action": "edit"},
        svg_usage={"total_tokens": 7},
    )
    html = root.get(change(image)).content.decode()
    for text in ("nested agent", "gpt-5", "edit", "total_tokens"):
        assert text in html
    gallery = root.get(change_list(models.GeneratedImage)).content.decode()
    assert "?kind=nested" in gallery
