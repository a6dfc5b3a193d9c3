from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from chatkit_images import models, url_tokens
from chatkit_images.queries import item_payloads, own_urls, references
from chatkit_images.testing.contracts import make_message

OWNER = "user:1"
KEY = uuid.UUID(int=7)


def token(
    owner: str = OWNER,
    kind: str = "image",
    key: str = KEY.hex,
    expires: int | None = None,
) -> str:
    return url_tokens.make(kind, key, "full", owner, expires=expires)


def stored(text: str, seen: list[str] | None = None) -> str:
    """Return what a row keeps of a text; images found in it go to ``seen``."""

    def save_image(call_id: str, data: str) -> models.GeneratedImage | None:
        if seen is not None:
            seen.append(data)
        return models.GeneratedImage(pk=KEY) if data.startswith("iVBOR") else None

    payload = item_payloads.of_item(make_message(text=text), OWNER, save_image)
    return str(payload["content"][0]["text"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("data:image/png;base64,iVBOR/+=", "chatkit-image:{key}"),
        ("DATA:IMAGE/PNG;BASE64,iVBOR", "chatkit-image:{key}"),
        ("data:image/svg+xml;charset=utf-8;base64,iVBOR", "chatkit-image:{key}"),
        ("(data:image/png;base64,iVBOR).", "(chatkit-image:{key})."),
        ("data:image/png;base64,iVBOR,iVBOR", "chatkit-image:{key},iVBOR"),
        ("data:image/png;base64,AAAA!", "!"),
        ("data:image/png;base64, etc.", "data:image/png;base64, etc."),
        ("data:text/plain;base64,iVBOR", "data:text/plain;base64,iVBOR"),
    ],
)  # fmt: skip
def test_inline_images_become_references(before: str, after: str) -> None:
    assert stored(before) == after.format(key=KEY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://a.example/chatkit/images/{own}/", "chatkit-image:{key}"),
        ("http://localhost:8000/x-y/z.w/images/{own}", "chatkit-image:{key}"),
        ("/images/{own}/", "chatkit-image:{key}"),
        ("![]({own_url})![]", "![](chatkit-image:{key})![]"),
        ("<img src=\"{own_url}\" alt=''>", "<img src=\"chatkit-image:{key}\" alt=''>"),
        ("{own_url}?size=small", "chatkit-image:{key}?size=small"),
        ("see:{own_url}\n{own_url}", "see:chatkit-image:{key}\nchatkit-image:{key}"),
        ("https://a.example/images/{others}/", None),
        ("https://a.example/images/{own}x/", None),
        ("https://a.example/images/image.a.b.c.d~e/", None),
        ("https://a.example/images/image.png", None),
        ("{own}", None),
        ("![]({expired})", "![](chatkit-image:{key})"),
        ("![]({expired_others})", None),
        ("![]({file}) x", "![](chatkit-attachment:atc_1) x"),
        ("{file}.", "chatkit-attachment:atc_1."),
        ("![]({expired_file})", "![](chatkit-attachment:atc_1)"),
        ("![]({file_others})", None),
        ("{file}x", None),
    ],
)  # fmt: skip
def test_own_urls_become_references(before: str, after: str | None) -> None:
    own, file = token(), token(kind="attachment", key="atc_1")
    expired_file = token(kind="attachment", key="atc_1", expires=1)
    values: dict[str, Any] = {
        "own": own,
        "own_url": f"https://a.example/chatkit/images/{own}/",
        "others": token("user:2"),
        "key": KEY,
        "expired": f"/images/{token(expires=1)}/",
        "expired_others": f"/images/{token('user:2', expires=1)}/",
        "file": f"https://a.example/attachments/{file}/",
        "expired_file": f"/attachments/{expired_file}",
        "file_others": f"/attachments/{token('user:2', 'attachment', 'atc_1')}/",
    }
    before = before.format(**values)
    assert stored(before) == (before if after is None else after.format(**values))


@pytest.mark.parametrize(
    "text",
    [
        "/a" * 50_000,
        "https://a/" * 10_000,
        "https://a" * 10_000,
        "http://" + "a" * 100_000,
        "/image.a" * 10_000,
        "data:image/" * 10_000,
        "data:image/a" + ";a" * 50_000,
        "data:image/png;base64,AAAA" * 4_000,
        "chatkit-image:" * 8_000,
        "chatkit-attachment:" * 8_000,
        "/images/" * 10_000,
        "/images/00000000-0000-0000-0000-" * 4_000,
        "https://a/images" * 8_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_long(text: str) -> None:
    # Of this thread's own work: a busy machine may let it wait.
    began = time.thread_time()
    stored(text)
    assert time.thread_time() - began < 5


def test_is_ours_knows_what_was_signed_here() -> None:
    signed = token(kind="attachment", key="atc_1")
    expired = url_tokens.make("attachment", "atc_1", "full", OWNER, expires=1)
    assert own_urls.is_ours(f"https://a.example/chatkit/attachments/{signed}/")
    assert own_urls.is_ours(f"https://a.example/chatkit/attachments/{expired}/")
    assert not own_urls.is_ours(f"https://a.example/attachments/{signed}x/")
    assert not own_urls.is_ours("https://a.example/fox.png")


def test_strings_of_json_are_found_at_any_depth() -> None:
    value = {"a": ["b", 1, None, {"c": True}], "e": "d"}
    assert sorted(references.strings(value)) == ["a", "b", "c", "d", "e"]
