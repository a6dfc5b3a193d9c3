"""Text from outside, made fit for columns, and names fit for headers and lists."""

from __future__ import annotations

from .names import clean_cell, clean_line, clean_mime, clean_name, clip
from .plain import plain_json
from .texts import (
    clean,
    clean_columns,
    clean_json,
    clean_source,
    is_clean,
    map_strings,
)

__all__ = [
    "clean",
    "clean_cell",
    "clean_columns",
    "clean_json",
    "clean_line",
    "clean_mime",
    "clean_name",
    "clean_source",
    "clip",
    "is_clean",
    "map_strings",
    "plain_json",
]
