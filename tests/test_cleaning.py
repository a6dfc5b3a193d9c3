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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a.png"),
        ("Ünï 日本.png", "Ünï 日本.png"),
        ("a.png\n", "a.png"),
        ("a\r\nX-Evil: 1.png", "aX-Evil: 1.png"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\u2066a\u2069\u200b\ufeff.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a.png", "a.png"),
        (".htaccess", "htaccess"),
        ("...", "file"),
        ("", "file"),
        ("/", "file"),
        ("\u2028\x00", "\ufffd"),
        ("\ud83d.png", "\ufffd.png"),
        ("a" * 300 + ".jpeg", "a" * 195 + ".jpeg"),
        ("日" * 300 + ".png", "日" * 65 + ".png"),
        ("a." + "b" * 300, "a." + "b" * 198),
        ("x" * 10_000_000 + ".png", "x" * 196 + ".png"),
    ],
)
def test_names_of_files(name: str, expected: str) -> None:
    found = cleaning.clean_name(name)
    assert found == expected
    assert len(found.encode()) <= 200
    # Once is enough.
    assert cleaning.clean_name(found) == found


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("A fox", "A fox"),
        ("A\nfox\u2028!", "A fox !"),
        ("\u202eevil", "evil"),
        # Emoji and scripts need these.
        ("\U0001f469\u200d\U0001f4bb \u06cc\u200c\u0647", None),
    ],
)
def test_lines(title: str, expected: str | None) -> None:
    assert cleaning.clean_line(title) == (title if expected is None else expected)


@pytest.mark.parametrize(
    ("mime", "expected"),
    [
        ("image/png", "image/png"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("image/png\r\nX-Evil: 1", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_types(mime: str, expected: str) -> None:
    assert cleaning.clean_mime(mime) == expected
