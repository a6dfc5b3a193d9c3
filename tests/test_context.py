"""Who asks."""

from __future__ import annotations

import dataclasses
import gc
import json
import uuid
import weakref
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import models
from django.http import HttpRequest
from django.test import RequestFactory
from django.test.utils import isolate_apps
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from chatkit_images.context import RequestContext
from chatkit_images.exceptions import AuthenticationRequired


def request_of(user: User | AnonymousUser) -> HttpRequest:
    """Return a request whose user is found when asked for, as the middleware does."""
    request = RequestFactory().post("/chatkit/", b"x" * 1000, "application/json")
    request.user = SimpleLazyObject(lambda: request and user)  # type: ignore[assignment]
    return request


def test_a_context_does_not_keep_its_request() -> None:
    user = User(pk=1, username="ann")
    request = request_of(user)
    context = RequestContext.from_request(request)
    kept = weakref.ref(request)
    del request
    gc.collect()
    assert kept() is None
    assert context.user is user


@dataclass(frozen=True)
class ShopContext(RequestContext):
    """A context with fields of a project's own, one of which no row keeps."""

    plan: str = "free"
    tags: list[str] = field(default_factory=list)
    token: str = field(default="", repr=False)

    @classmethod
    def from_request(cls, request: HttpRequest) -> Self:
        context = super().from_request(request)
        return dataclasses.replace(
            context, plan="paid", tags=["a"], token=request.headers["X-Token"]
        )

    def to_row(self) -> dict[str, Any]:
        return super().to_row() | {"plan": self.plan, "tags": self.tags}


def test_a_context_of_a_project_s_own_comes_back_from_its_row(ann: User) -> None:
    request = request_of(ann)
    request.META["HTTP_X_TOKEN"] = "secret"
    with translation.override("de"):
        context = ShopContext.from_request(request)
    assert (context.plan, context.owner, context.locale) == (
        "paid",
        f"user:{ann.pk}",
        "de",
    )
    row = json.loads(json.dumps(context.to_row()))
    assert "secret" not in str(row)
    for user in (ann, None):
        again = ShopContext.from_row(row, user)
        assert type(again) is ShopContext
        assert again.user == ann
        # Another process knows no host but BASE_URL, and nobody's token.
        assert again == dataclasses.replace(context, base_url="", token="")
    # One of before, which the class has other fields than.
    old = RequestContext.for_user(ann).to_row() | {"gone": 1}
    assert ShopContext.from_row(old) == ShopContext.for_user(ann)
    ann.delete()
    assert ShopContext.from_row(row).user is None


def test_every_way_to_make_a_context_makes_the_project_s(ann: User) -> None:
    made = [
        ShopContext.for_user(ann),
        ShopContext.for_owner("api:1"),
        ShopContext.from_row({}),
        dataclasses.replace(ShopContext.for_owner("api:1"), owner="api:2"),
    ]
    assert {type(each) for each in made} == {ShopContext}
    assert [(each.owner, each.user, each.plan) for each in made] == [
        (f"user:{ann.pk}", ann, "free"),
        ("api:1", None, "free"),
        ("", None, "free"),
        ("api:2", None, "free"),
    ]
    assert [each.person for each in made] == [each.owner for each in made]
    team = dataclasses.replace(made[0], owner="team:1")
    assert team.person == f"user:{ann.pk}"


def test_for_user_takes_what_it_is_told(ann: User, settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "BASE_URL": "https://shop.example/"
    }
    with translation.override("fr"):
        context = RequestContext.for_user(ann)
    assert (context.base_url, context.locale) == ("https://shop.example", "fr")
    told = RequestContext.for_user(ann, base_url="https://b.example/", locale="de")
    assert (told.base_url, told.locale) == ("https://b.example", "de")


def test_who_is_switched_off_has_no_context(ann: User, settings: Any) -> None:
    ann.is_active = False
    for visitors in (False, True):
        settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
            "ALLOW_ANONYMOUS": visitors
        }
        with pytest.raises(AuthenticationRequired):
            RequestContext.from_request(request_of(ann))


def test_a_visitor_has_a_context_if_visitors_are_allowed(settings: Any) -> None:
    request = request_of(AnonymousUser())
    request.session = SessionStore()
    with pytest.raises(AuthenticationRequired):
        RequestContext.from_request(request)
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"ALLOW_ANONYMOUS": True}
    context = RequestContext.from_request(request)
    assert context.user is context.user_id is None
    assert context.owner == context.person
    assert context == RequestContext.from_request(request)
    assert "user" not in context.to_row()


@isolate_apps("tests")
def test_a_user_whose_key_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    class Person(AbstractBaseUser):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)

        class Meta:
            app_label = "tests"

    person = Person()
    row = json.loads(json.dumps(RequestContext.for_user(person).to_row()))
    assert row["owner"] == f"user:{person.pk}"
    assert row["user"] == str(person.pk)
    assert RequestContext.from_row(row, person).owner == f"user:{person.pk}"
    monkeypatch.setattr("chatkit_images.context_rows.get_user_model", lambda: Person)
    # It is the key of another model of users, so the database is not asked.
    assert RequestContext.from_row(row | {"user": "17"}).user is None
