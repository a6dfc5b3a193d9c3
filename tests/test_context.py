"""Who asks."""

from __future__ import annotations

import gc
import weakref

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from chatkit_images.context import RequestContext


def request_of(user: User) -> HttpRequest:
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
