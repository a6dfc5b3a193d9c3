"""Tokens: what they say, for whom, and with which keys."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.core import signing
from django.urls import reverse

from chatkit_images import url_tokens
from tests.client import ChatClient


def test_a_token_says_what_it_was_made_of() -> None:
    said = url_tokens.read(url_tokens.make("attachment", "abc", "full", "user:1"))
    assert said is not None
    assert (said.kind, said.key, said.variant) == ("attachment", "abc", "full")
    assert said.is_of("user:1")
    assert not said.is_of("user:2")


def test_the_digest_needs_the_projects_key(settings: Any) -> None:
    before = url_tokens.digest("user:1")
    settings.SECRET_KEY = "another"
    assert url_tokens.digest("user:1") != before


def test_an_old_key_is_good_as_long_as_it_is_a_fallback(settings: Any) -> None:
    token = url_tokens.make("attachment", "abc", "full", "user:1")
    old, settings.SECRET_KEY = settings.SECRET_KEY, "new"
    settings.SECRET_KEY_FALLBACKS = [old]
    said = url_tokens.read(token)
    assert said is not None and said.is_of("user:1")
    settings.SECRET_KEY_FALLBACKS = []
    assert url_tokens.read(token) is None


def test_an_expired_token_is_read_only_on_demand() -> None:
    token = url_tokens.make("attachment", "abc", "full", "user:1", expires=1)
    assert url_tokens.read(token) is None
    said = url_tokens.read(token, expired_ok=True)
    assert said is not None and said.is_of("user:1")


def test_bytes_are_kept_no_longer_than_their_token_is_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.5)
    for left, kept in ((4000, 900), (900, 900), (12, 12), (0, 0)):
        token = url_tokens.make(
            "attachment", "abc", "full", "user:1", expires=1_700_000_000 + left
        )
        said = url_tokens.read(token, expired_ok=True)
        assert said is not None
        assert said.seconds_to_keep() == kept


def test_a_token_of_the_version_before_stays_valid() -> None:
    """It made them in this form, and with other expiry seconds."""
    scope = url_tokens.digest("user:1")
    until = format(int(time.time()) + 5, "x")
    signer = signing.Signer(salt="chatkit_images.tokens", sep="~")
    said = url_tokens.read(signer.sign(f"attachment.abc.thumbnail.{scope}.{until}"))
    assert said is not None and said.is_of("user:1")


def test_a_part_with_a_dot_is_refused() -> None:
    with pytest.raises(ValueError, match="must not have a dot"):
        url_tokens.make("attachment", "a.b", "full", "user:1")


# Signed, and still nothing that the app has made: by another version, or with a key
# that somebody knows.
MALFORMED = [
    "",
    "image",
    "image.{key}.full",
    "image.{key}.full.{scope}.xyz",
    "image.{key}.full.{scope}.",
    "image.no-uuid.full.{scope}.ffffffff",
    "image..full.{scope}.ffffffff",
    "image.{key}.full.{scope}.ffffffff.more",
    "image.{key}\0.full.{scope}.ffffffff",
    "attachment.a\0b.full.{scope}.ffffffff",
    "upload.\ud83d.full.{scope}.ffffffff",
    "image.{key}.full.{scope}.\u0663",
]


@pytest.mark.parametrize("value", MALFORMED)
def test_what_is_signed_and_malformed_is_no_token(value: str) -> None:
    key, scope = "0" * 32, url_tokens.digest("user:1")
    text = value.format(key=key, scope=scope)
    try:
        signed = url_tokens._signer().sign(text)
    except UnicodeEncodeError:
        signed = text
    assert url_tokens.read(signed) is None
    url_tokens.is_signed(signed)


@pytest.mark.parametrize("route", ["image", "attachment", "upload"])
@pytest.mark.parametrize("value", [each for each in MALFORMED if "\ud83d" not in each])
async def test_such_a_token_is_a_404(
    transactional_db: None, route: str, value: str
) -> None:
    text = value.format(key="0" * 32, scope=url_tokens.digest("user:1"))
    signed = url_tokens._signer().sign(text)
    url = reverse(f"chatkit_images:{route}", args=[signed])
    client = ChatClient()
    send = client.put if route == "upload" else client.get
    response = await send(url)
    assert response.status_code == 404
