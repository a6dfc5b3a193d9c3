"""The context of the demo with a token of the tests."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from chatkit_images.context import RequestContext

TOKEN = "Bearer of-the-browser-tests"


class TokenContext(RequestContext):
    """The one account of the demo, for whoever has the token."""

    @classmethod
    def get_user(cls, request: HttpRequest) -> Any:
        if request.headers.get("Authorization") == TOKEN:
            return get_user_model().objects.get()
        return super().get_user(request)
