"""Base64 is strict, and decoded without holding up an event loop."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from tests.imaging.samples import PLAIN

TEXT = base64.b64encode(PLAIN["PNG"]).decode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("====", "invalid_base64"),
        ("=", "invalid_base64"),
        ("A===", "invalid_base64"),
        ("iVBO*R$w0K", "invalid_base64"),
        ("iVBORw0K\niVBO", "invalid_base64"),
        (TEXT[:-1], "invalid_base64"),
        (f"{TEXT} ", "invalid_base64"),
        (f"{TEXT}{TEXT}=", "invalid_base64"),
        ("-_-_", "invalid_base64"),
        ("ÄÖÜß", "invalid_base64"),
        ("data:image/png;base64,iVBO", "invalid_base64"),
        ("AA==AA==", "invalid_base64"),
        ("AAAA=", "invalid_base64"),
        ("AAAA====", "invalid_base64"),
        ("AAA=AAAA", "invalid_base64"),
    ],
)
@pytest.mark.row("C05")
def test_c05_base64_is_strict(text: str, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.decode_base64(text)
    assert caught.value.code == code


def test_base64_is_decoded() -> None:
    assert imaging.decode_base64(TEXT) == PLAIN["PNG"]


async def test_the_event_loop_goes_on_while_a_large_text_is_decoded() -> None:
    text = base64.b64encode(bytes(25 * 2**20)).decode()
    task = asyncio.create_task(asyncio.to_thread(imaging.decode_base64, text))
    waits = []
    while not task.done():
        start = time.perf_counter()
        await asyncio.sleep(0.001)
        waits.append(time.perf_counter() - start)
    assert len(await task) == 25 * 2**20
    # A few milliseconds; the rest is for a busy machine.
    assert sorted(waits)[len(waits) // 2] < 0.05
