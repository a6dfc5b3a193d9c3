"""What staff may change: a thread's title and status; and what they may delete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client

from chatkit_images import models, receiving, storage
from chatkit_images.context import RequestContext
from chatkit_images.queries import images
from chatkit_images.run_state import current_run

from .conftest import put
from .paths import change, change_list, page

Make = Callable[..., Any]
STATUSES = [("lock", "locked"), ("close", "closed"), ("reopen", "active")]


def act(client: Client, action: str, *rows: Any, **data: str) -> Any:
    """Post the form of a list."""
    keys = [row.pk for row in rows]
    form = {"action": action, "_selected_action": keys, **data}
    return client.post(change_list(type(rows[0])), form, follow=True)


@pytest.mark.parametrize(("action", "status"), STATUSES)
def test_action_sets_the_status_and_logs_it(
    login: Make, make_thread: Make, action: str, status: str
) -> None:
    rows = [make_thread(status="closed"), make_thread(status="locked")]
    other = make_thread(status="locked", status_reason="stays")
    response = act(login("change_thread"), action, *rows, reason=" Abuse ")
    assert f"2 threads: {status}." in response.content.decode()
    reason = None if status == "active" else "Abuse"
    for row in rows:
        row.refresh_from_db()
        assert (row.status, row.status_reason) == (status, reason)
    other.refresh_from_db()
    assert (other.status, other.status_reason) == ("locked", "stays")
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(("action", "status"), STATUSES)
def test_forged_action_without_permission_changes_nothing(
    login: Make, make_thread: Make, action: str, status: str
) -> None:
    thread = make_thread(status="locked" if status == "active" else "active")
    before = models.Thread.objects.values().get()
    for client in (login("view_thread"), login("view_thread", "delete_thread")):
        html = client.get(change_list(models.Thread)).content.decode()
        assert f'value="{action}"' not in html
        act(client, action, thread)
    assert models.Thread.objects.values().get() == before


def test_title_status_and_reason_are_saved_and_nothing_else(
    login: Make, make_thread: Make
) -> None:
    thread = make_thread(metadata={"a": 1})
    data = {
        "title": "Wolves",
        "status": "locked",
        "status_reason": "Abuse",
        "owner": "user:1",
        "metadata": "{}",
    }
    response = login("change_thread").post(change(thread), data)
    assert response.status_code == 302
    thread.refresh_from_db()
    found = thread.title, thread.status, thread.status_reason, thread.owner
    assert found == ("Wolves", "locked", "Abuse", "visitor:1")
    assert thread.metadata == {"a": 1}


def test_save_leaves_what_a_run_wrote_meanwhile(
    login: Make, make_thread: Make, monkeypatch: Any
) -> None:
    thread = make_thread()
    saved = models.Thread.save

    def save(self: models.Thread, **kwargs: Any) -> None:
        models.Thread.objects.filter(pk=self.pk).update(metadata={"new": True})
        saved(self, **kwargs)

    monkeypatch.setattr(models.Thread, "save", save)
    data = {"title": "", "status": "active", "status_reason": "left over"}
    login("change_thread").post(change(thread), data)
    thread.refresh_from_db()
    assert (thread.title, thread.status_reason) == (None, None)
    assert thread.metadata == {"new": True}


@pytest.mark.django_db(transaction=True)
def test_deleting_an_image_deletes_its_files(
    login: Make, make_image: Make, png: bytes
) -> None:
    image = make_image()
    partial = image.partials.create(index=0, file=put(png), mime="image/png")
    names = [image.file.name, image.thumbnail.name, partial.file.name]
    client = login("view_generatedimage", "delete_generatedimage")
    client.post(page(image, "delete"), {"post": "yes"})
    storage.drain()
    assert not models.GeneratedImage.objects.exists()
    assert not models.DeletedFile.objects.exists()
    for name in names:
        with pytest.raises(FileNotFoundError):
            storage.read(name)


@pytest.fixture
def registered() -> Iterator[None]:
    """A project has pages for forms, too."""
    admin.site.register(models.ImageVariant)
    yield
    admin.site.unregister(models.ImageVariant)


@pytest.mark.django_db(transaction=True)
def test_forms_for_models_go_with_their_images_as_a_part_of_them(
    root: Client, login: Make, everything: Make, registered: None, png: bytes
) -> None:
    thread, image, upload, *_ = everything(1)
    forms = [
        row.variants.create(form=f"model:of {row.pk}", file=put(png), mime="image/png")
        for row in (image, upload)
    ]
    names = ("generatedimage", "partialimage", "attachment", "refusedinput")
    client = login(*(f"delete_{name}" for name in names), "view_generatedimage")
    for response in (
        client.get(page(image, "delete")),
        client.get(page(upload, "delete")),
        root.get(f"/admin/auth/user/{thread.user.pk}/delete/"),
    ):
        html = response.content.decode()
        assert response.status_code == 200 and "Are you sure" in html
        assert "model:of" not in html and "ariants of images: " not in html
    for row in (image, upload):
        assert client.post(page(row, "delete"), {"post": "yes"}).status_code == 302
    storage.drain()
    assert not models.ImageVariant.objects.exists()
    assert not any(storage.exists(str(form.file.name)) for form in forms)


def test_forged_delete_without_permission_deletes_nothing(
    login: Make, make_image: Make
) -> None:
    image = make_image()
    client = login("view_generatedimage", "change_generatedimage")
    act(client, "delete_selected", image, post="yes")
    client.post(page(image, "delete"), {"post": "yes"})
    assert models.GeneratedImage.objects.get() == image
    assert storage.read(image.file.name)


@pytest.mark.django_db(transaction=True)
def test_thread_with_all_that_belongs_to_it_can_be_deleted(
    root: Client, everything: Make
) -> None:
    thread, image, *_rest = everything(1)
    root.post(page(thread, "delete"), {"post": "yes"})
    storage.drain()
    assert not models.Thread.objects.exists()
    with pytest.raises(FileNotFoundError):
        storage.read(image.file.name)


def test_an_image_of_a_run_that_staff_have_deleted_is_kept(
    login: Make, make_thread: Make, context: RequestContext, png: bytes
) -> None:
    thread = make_thread(owner=context.owner)
    run = models.Run.objects.create(thread=thread, owner=context.owner)
    staff = login("delete_run")
    response = staff.post(page(run, "delete"), {"post": "yes"})
    assert response.status_code == 302
    assert not models.Run.objects.exists()
    token = current_run.set(run.pk)
    try:
        # Its process goes on.
        image = images.begin(thread.pk, "ig_1", storage.new_key(), context)
        images.complete(image, receiving.store(png, image.key))
    finally:
        current_run.reset(token)
    image.refresh_from_db()
    assert (image.run, image.thread, image.status) == (None, thread, "completed")
