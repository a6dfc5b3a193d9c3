"""What PostgreSQL expects to read for words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.utils.text import smart_split

from .reading import MOST_READ

# An index of words has groups of so many letters.
SHORTEST_WORD = 3


def are_few(rows: QuerySet[Any], term: str) -> bool:
    """Return whether words are found by an index of words, in few rows.

    Words of many rows are found sooner along the order of a list.

    Args:
        rows: The rows of a table that have the words, in no order.
        term: The words.
    """
    if connections[rows.db].vendor != "postgresql":
        return False
    if any(len(word.strip("\"'")) < SHORTEST_WORD for word in smart_split(term)):
        return False
    (plan,) = json.loads(rows.order_by().values("pk").explain(format="json"))
    top = plan["Plan"]
    if any(node["Node Type"] == "Seq Scan" for node in _nodes(top)):
        return False
    return bool(top["Plan Rows"] <= MOST_READ)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)
