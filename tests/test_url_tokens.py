"""Tokens: what they say, for whom, and with which keys."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit_images import url_tokens


def test_a_token_says_what_it_was_made_of() -> None:
    said = url_tokens.read(url_tokens.make("image", "abc", "full", "user:1"))
    assert said is not None
    assert (said.kind, said.key, said.variant) == ("image", "abc", "full")
    assert said.is_of("user:1")
    assert not said.is_of("user:2")


def test_the_digest_needs_the_projects_key(settings: Any) -> None:
    before = url_tokens.digest("user:1")
    settings.SECRET_KEY = "another"
    assert url_tokens.digest("user:1") != before


def test_an_old_key_is_good_as_long_as_it_is_a_fallback(settings: Any) -> None:
    token = url_tokens.make("image", "abc", "full", "user:1")
    old, settings.SECRET_KEY = settings.SECRET_KEY, "new"
    settings.SECRET_KEY_FALLBACKS = [old]
    said = url_tokens.read(token)
    assert said is not None and said.is_of("user:1")
    settings.SECRET_KEY_FALLBACKS = []
    assert url_tokens.read(token) is None


def test_an_expired_token_is_read_only_on_demand() -> None:
    token = url_tokens.make("image", "abc", "full", "user:1", expires=1)
    assert url_tokens.read(token) is None
    said = url_tokens.read(token, expired_ok=True)
    assert said is not None and said.is_of("user:1")


def test_a_part_with_a_dot_is_refused() -> None:
    with pytest.raises(ValueError, match="must not have a dot"):
        url_tokens.make("image", "a.b", "full", "user:1")
