"""Whatever the bytes are, they are refused with one error only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from tests.imaging.samples import SAMPLES, revealing

SEEDS = [*SAMPLES.values(), *map(revealing, ("PNG", "JPEG", "WEBP", "GIF"))]
CODES = ("damaged", "unknown_type", "too_many_pixels", "too_complex", "too_heavy")
DOORS: dict[str, Callable[[bytes], Any]] = {
    "sniff": imaging.sniff,
    "trim": imaging.trim,
    "strip": imaging.strip,
    "inspect": imaging.inspect,
    "preview": lambda data: imaging.inspect(data, decode=False),
    "examine": lambda data: imaging.examine(data, 32),
    "scale": lambda data: imaging.scale(data, 32),
}


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Return an image in which something is changed, missing or too much."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 5))):
        # Headers are where it hurts.
        most = draw(st.sampled_from([40, 200, len(data)]))
        start = draw(st.integers(0, most))
        length = draw(st.integers(0, 8))
        data[start : start + length] = draw(st.binary(max_size=8))
    return bytes(data[: draw(st.integers(len(data) // 2, len(data) * 2))])


@pytest.mark.parametrize("name", DOORS)
@given(data=mutations())
@settings(deadline=None, max_examples=150)
def test_broken_bytes_are_refused_with_one_error(name: str, data: bytes) -> None:
    with warnings.catch_warnings():
        # Pillow warns of an animation that it cannot make out.
        warnings.simplefilter("ignore")
        try:
            DOORS[name](data)
        except ImageError as error:
            assert error.code in CODES


@given(data=mutations())
@settings(deadline=None, max_examples=300)
def test_what_is_cleaned_stays_as_it_is(data: bytes) -> None:
    for clean in (imaging.trim, imaging.strip):
        try:
            once = clean(data)
        except ImageError:
            continue
        assert clean(once) == once
        # Nothing can follow the end of a text.
        if imaging.sniff(once)[1] != "svg":
            assert clean(once + b"<html>") == once
