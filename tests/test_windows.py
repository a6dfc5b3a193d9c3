"""Most inputs of a model begin as the one before."""

from __future__ import annotations

from typing import Any

import pytest
from chatkit import types

from chatkit_images.converters import shown_images, windows
from tests.test_thread_item_converter import user_message

IMAGE = types.GeneratedImage(id="ig_1", url="https://shop.example/fox.png")


def message(key: str, *sent: str) -> types.UserMessageItem:
    files = [
        {
            "type": "image",
            "id": name,
            "name": name,
            "mime_type": "image/png",
            "preview_url": "https://shop.example/fox.png",
        }
        for name in sent
    ]
    return user_message({"type": "input_text", "text": "x"}, id=key, attachments=files)


def image(key: str) -> types.GeneratedImageItem:
    base: Any = message(key)
    return types.GeneratedImageItem(
        id=key, thread_id=base.thread_id, created_at=base.created_at, image=IMAGE
    )


@pytest.mark.parametrize("most", [1, 2, 3, 4, 6, 7, 100])
def test_a_window_grows_to_all_of_it_and_moves_to_a_third(most: int) -> None:
    last = 0
    for total in range(3 * most + 1):
        start = windows.start(total, most)
        size = total - start
        assert size == total if total <= most else most / 3 <= size <= most
        if start != last:
            # It had been full, and moves by at least a half.
            assert total - 1 - last == most and start - last >= most / 2
        last = start
    assert windows.start(5, 0) == 5 and windows.shown([1, 2], 0, 2) == set()


def test_a_moved_window_begins_at_a_message_that_is_near() -> None:
    items = [image("a"), image("b"), message("c"), image("d")]
    assert windows.from_message(items, 100) == items[2:]
    # With a window this small most of it would be gone.
    assert windows.from_message(items, 10) == items
    assert windows.from_message(items[:2], 100) == items[:2]


def chosen(items: list[types.ThreadItem], count: int) -> list[str]:
    return sorted(name for _, name in shown_images.chosen(items, {"img_1"}, count, 3))


def test_images_that_a_message_may_be_about_go_along() -> None:
    turn = [message("u1"), *(image(f"a{n}") for n in range(4))]
    again = [message("u2"), *(image(f"b{n}") for n in range(4))]
    items = [*turn, *again, message("u3")]
    # The window alone would have moved to the newest three.
    assert windows.start(8, 7) == 5
    assert chosen(items, 7) == ["b0", "b1", "b2", "b3"]
    assert chosen(items, 2) == ["b2", "b3"]
    assert chosen(items, 0) == []
    # What the person has sent just now always goes along, earlier files count.
    sent = message("u4", "f1", "f2", "f3", "f4")
    for count in (0, 2):
        assert chosen([*items, sent], count) == ["f1", "f2", "f3"]
    late = [*items, sent, image("c0"), message("u5")]
    assert chosen(late, 6) == ["c0", "f1", "f2", "f3", "f4"]
    assert chosen(late, 2) == ["c0", "f1"]
