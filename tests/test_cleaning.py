from __future__ import annotations

import pytest

from chatkit_images import cleaning
from chatkit_images.models import GeneratedImage


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
    assert cleaning.clean(text) == cleaned


def test_every_string_of_json_is_mapped_keys_included() -> None:
    value = {"a": ["b", 1, None, {"c": True}], 2: "d"}
    assert cleaning.map_strings(value, str.upper) == {
        "A": ["B", 1, None, {"C": True}],
        "2": "D",
    }


def test_numbers_that_json_has_not_are_unknown() -> None:
    """Python reads and writes them, but PostgreSQL and MariaDB refuse the row."""
    value = {"a": [float("nan"), 1.5], "b": {"c": float("-inf")}}
    assert cleaning.clean_json(value) == {"a": [None, 1.5], "b": {"c": None}}


def test_text_is_cut_to_the_length_of_its_column() -> None:
    columns = cleaning.clean_columns(
        GeneratedImage, {"call_id": "x" * 300, "usage": {"a": "\x00"}}
    )
    assert columns == {"call_id": "x" * 255, "usage": {"a": "\ufffd"}}
