"""Rows that are looked up by their key with a statement that is built once."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from chatkit_images.lookups import Lookup
from chatkit_images.models import Attachment, GeneratedImage, Thread

pytestmark = pytest.mark.django_db
IMAGES = Lookup(
    GeneratedImage,
    {
        "": ("id", "thread", "created_at", "file"),
        "thread": ("id", "owner", "user"),
        "thread__user": None,
    },
)


def make_image() -> GeneratedImage:
    thread = Thread.objects.get_or_create(pk="thr_1", owner="user:1")[0]
    return GeneratedImage.objects.create(
        thread=thread,
        identity=uuid.uuid4().hex,
        file="a.png",
        sha256="ab",
        prompt="Cat",
    )


def test_a_row_is_as_django_reads_it() -> None:
    rows = GeneratedImage.objects.select_related("thread")
    image = rows.get(pk=make_image().pk)
    with CaptureQueriesContext(connection) as queries:
        found = IMAGES.one(image.pk)
        assert found is not None
        assert found == image
        assert found.created_at == image.created_at
        assert found.file == image.file
        assert found.thread.owner == image.thread.owner
        assert found.thread.user is None
    assert len(queries) == 1
    assert found.get_deferred_fields() > {"prompt", "sha256"}
    assert found.prompt == image.prompt


def test_a_row_has_its_user(django_user_model: type[User]) -> None:
    user = django_user_model.objects.create_user("ann")
    image = make_image()
    image.thread.user = user
    image.thread.save()
    with CaptureQueriesContext(connection) as queries:
        found = IMAGES.one(image.pk)
        assert found is not None
        assert found.thread.user == user
        assert found.thread.user.username == "ann"
    assert len(queries) == 1


@pytest.mark.parametrize("key", ["hex", "str", "uuid"])
def test_a_key_may_have_any_form(key: str) -> None:
    image = make_image()
    forms = {"hex": image.pk.hex, "str": str(image.pk), "uuid": image.pk}
    assert IMAGES.one(forms[key]) == image
    assert IMAGES.one(uuid.uuid4()) is None


def test_every_key_has_its_own_row() -> None:
    images = [make_image() for _ in range(3)]
    assert [IMAGES.one(image.pk) for image in images] == images


def test_a_key_that_is_no_key_is_nobodys() -> None:
    assert Lookup(Attachment, {"": None, "user": None}).one("' OR 1=1 --") is None


def test_a_column_that_is_not_there_is_named() -> None:
    wrong = Lookup(GeneratedImage, {"": ("id", "colour")})
    with pytest.raises(ValueError, match=r"GeneratedImage has no columns \['colour'\]"):
        wrong.one(uuid.uuid4())


def test_a_user_that_is_gone_is_none() -> None:
    image = make_image()
    with connection.constraint_checks_disabled():
        Thread.objects.update(user_id=999)
        found = IMAGES.one(image.pk)
        assert found is not None
        assert found.thread.user is None
        Thread.objects.update(user_id=None)


def test_every_thread_converts_by_its_own_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A field of a project's user model may ask the database."""
    lookup = Lookup(GeneratedImage, {"": ("id", "prompt")})
    given = []

    def convert(value: str, expression: object, own: object) -> str:
        given.append(own)
        return value.upper()

    field = GeneratedImage._meta.get_field("prompt")
    monkeypatch.setattr(field, "from_db_value", convert, raising=False)
    image = make_image()
    for _ in range(2):
        found = lookup.one(image.pk)
        assert found is not None
        assert found.prompt == "CAT"
    assert given == [connections["default"]] * 2
