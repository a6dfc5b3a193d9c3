from __future__ import annotations

import datetime
import time
import uuid
from typing import Any

import pytest
from chatkit import types

from chatkit_images import models, url_tokens
from chatkit_images.queries import payloads
from chatkit_images.testing.contracts import T0, make_message

OWNER = "user:1"
KEY = uuid.UUID(int=7)


def token(
    owner: str = OWNER,
    kind: str = "image",
    key: str = KEY.hex,
    expires: int | None = None,
) -> str:
    return url_tokens.make(kind, key, "full", owner, expires=expires)


def dehydrate(text: str, seen: list[str] | None = None) -> str:
    """Return what a row keeps of a text; images found in it go to ``seen``."""

    def save_image(call_id: str, data: str) -> models.GeneratedImage | None:
        if seen is not None:
            seen.append(data)
        return models.GeneratedImage(pk=KEY) if data.startswith("iVBOR") else None

    payload = payloads.dehydrate(make_message(text=text), OWNER, save_image)
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
    assert dehydrate(before) == after.format(key=KEY)


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
    assert dehydrate(before) == (before if after is None else after.format(**values))


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
    dehydrate(text)
    assert time.thread_time() - began < 5


def test_is_ours_knows_what_was_signed_here() -> None:
    signed = token(kind="attachment", key="atc_1")
    expired = url_tokens.make("attachment", "atc_1", "full", OWNER, expires=1)
    assert payloads.is_ours(f"https://a.example/chatkit/attachments/{signed}/")
    assert payloads.is_ours(f"https://a.example/chatkit/attachments/{expired}/")
    assert not payloads.is_ours(f"https://a.example/attachments/{signed}x/")
    assert not payloads.is_ours("https://a.example/fox.png")


@pytest.mark.row("P14")
@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain 🦊", "plain 🦊"),
        ("a\x00b", "a\ufffdb"),
        ("half \ud83e", "half \ufffd"),
        ("\ud83e\udd8a \udd8a", "🦊 \ufffd"),
    ],
)
def test_text_is_cleaned_of_what_databases_refuse(text: str, cleaned: str) -> None:
    assert payloads.clean(text) == cleaned


def test_every_string_of_json_is_mapped_keys_included() -> None:
    value = {"a": ["b", 1, None, {"c": True}], 2: "d"}
    assert payloads.map_strings(value, str.upper) == {
        "A": ["B", 1, None, {"C": True}],
        "2": "D",
    }
    assert sorted(payloads.strings(value)) == ["b", "d"]


def test_numbers_that_json_lacks_become_null() -> None:
    item = types.ClientToolCallItem(
        id="tc_1",
        thread_id="thr_1",
        created_at=T0,
        call_id="call_1",
        name="pick",
        arguments={"nan": float("nan"), "far": float("inf"), "n": 1.5},
    )
    payload = payloads.dehydrate(item, OWNER, lambda call_id, text: None)
    assert payload["arguments"] == {"nan": None, "far": None, "n": 1.5}


@pytest.mark.parametrize("month", [1, 7])
def test_times_go_to_utc_and_come_back_local(month: int) -> None:
    naive = datetime.datetime(2026, month, 2, 3, 4, 5, 6)
    aware = payloads.to_aware(naive)
    assert aware.tzinfo is datetime.UTC
    # Europe/Berlin, of the settings.
    assert aware.hour == (2 if month == 1 else 1)
    assert payloads.to_naive(aware) == naive
    assert payloads.to_aware(aware) == aware
    assert abs(payloads.now() - datetime.datetime.now()) < datetime.timedelta(seconds=5)
