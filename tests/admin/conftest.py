"""Rows with images, and the people who look at them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from chatkit_images import imaging, models, storage

Status = models.GeneratedImage.Status
numbers = itertools.count()


def put(data: bytes, extension: str = "png") -> str:
    name = storage.new_name("images", extension)
    storage.store(name, data)
    return name


@cache
def thumbnail(data: bytes) -> bytes:
    return imaging.scale(data, 10)


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """Return a function that makes a member of staff with permissions."""

    def make(*codenames: str, **fields: Any) -> User:
        fields = {"username": f"staff{next(numbers)}", "is_staff": True, **fields}
        user = User.objects.create_user(**fields)
        rows = Permission.objects.filter(codename__in=codenames)
        assert len(rows) == len(codenames)
        user.user_permissions.set(rows)
        return user

    return make


@pytest.fixture
def login(make_user: Callable[..., User]) -> Callable[..., Client]:
    """Return a function that returns the browser of a member of staff."""

    def make(*codenames: str, **fields: Any) -> Client:
        client = Client()
        client.force_login(make_user(*codenames, **fields))
        return client

    return make


@pytest.fixture
def root(login: Callable[..., Client]) -> Client:
    return login(is_superuser=True)


@pytest.fixture
def make_thread(db: None) -> Callable[..., models.Thread]:
    def make(**fields: Any) -> models.Thread:
        key = f"thr_{next(numbers)}"
        return models.Thread.objects.create(
            **{"id": key, "owner": "visitor:1", "title": "Foxes", **fields}
        )

    return make


@pytest.fixture
def make_item() -> Callable[..., models.ThreadItem]:
    def make(
        thread: models.Thread, type: str = "user_message", **payload: Any
    ) -> models.ThreadItem:
        return thread.items.create(
            item_id=f"item_{next(numbers)}", type=type, payload=payload
        )

    return make


@pytest.fixture
def make_image(
    make_thread: Callable[..., models.Thread], png: bytes
) -> Callable[..., models.GeneratedImage]:
    """Return a function that makes a completed image with its files."""

    def make(**fields: Any) -> models.GeneratedImage:
        values = {
            "call_id": f"ig_{next(numbers)}",
            "status": Status.COMPLETED,
            "prompt": "A red fox",
            "file": put(png),
            "thumbnail": put(thumbnail(png), "webp"),
            "mime": "image/png",
            "width": 40,
            "height": 20,
            "bytes": len(png),
            "model": "gpt-image-1",
            **fields,
        }
        values.setdefault("thread", None)
        values["thread"] = values["thread"] or make_thread()
        return models.GeneratedImage.objects.create(**values)

    return make


@pytest.fixture
def make_attachment(png: bytes) -> Callable[..., models.Attachment]:
    def make(**fields: Any) -> models.Attachment:
        values = {
            "id": f"atc_{next(numbers)}",
            "owner": "visitor:1",
            "kind": "image",
            "name": "mood.png",
            "mime_type": "image/png",
            "file": put(png),
            **fields,
        }
        return models.Attachment.objects.create(**values)

    return make


@pytest.fixture
def everything(
    make_thread: Callable[..., models.Thread],
    make_item: Callable[..., models.ThreadItem],
    make_image: Callable[..., models.GeneratedImage],
    make_attachment: Callable[..., models.Attachment],
    make_user: Callable[..., User],
    png: bytes,
) -> Callable[[int], list[Any]]:
    """Return a function that fills every table with so many rows."""

    def make(count: int) -> list[Any]:
        rows: list[Any] = []
        for _ in range(count):
            user = make_user(is_staff=False)
            owned = {"owner": f"user:{user.pk}", "user": user}
            thread = make_thread(**owned)
            run = models.Run.objects.create(thread=thread, operation="add", **owned)
            upload = make_attachment(thread=thread, **owned)
            item = make_item(thread, "generated_image", image={"id": "ig"})
            make_item(thread, attachments=[upload.pk])
            image = make_image(thread=thread, item=item, run=run)
            image.partials.create(index=0, file=put(png), mime="image/png")
            thumb = models.Feedback.objects.create(
                item=item, thread=thread, kind="positive", **owned
            )
            note = models.DeletedFile.objects.create(name=put(png))
            refused = models.RefusedInput.objects.create(attachment=upload, host="llm")
            use = models.UseEntry.objects.create(
                owner=f"user:{user.pk}",
                day=timezone.now(),
                kind="image",
                amount=1,
                run_id=run.pk,
            )
            block = models.OwnerBlock.objects.create(owner=f"team:{thread.pk}")
            brake = models.Brake.objects.create(is_on=False)
            hold = models.LegalHold.objects.create(owner=f"team:{thread.pk}")
            rows = [thread, image, upload, run, thumb, refused, use, block, brake]
            decision = models.Decision.objects.create(image_id=image.pk, action="keep")
            rows += [hold, note, decision]
        return rows

    return make


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for page in admin.site._registry.values():
        monkeypatch.setattr(page, "list_per_page", 3)
