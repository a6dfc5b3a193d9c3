"""Dialects: how the providers and gateways of public bug reports answer.

A script says what the model does, a dialect how that is told. ``DIALECTS`` has all of
them by name; docs/testing.md has the table.
"""

from __future__ import annotations

from .breaks import BREAKS
from .dialect import PLAIN, Dialect, each, every, without
from .failures import FAILURES
from .figures import FIGURES
from .framing import FRAMING
from .identity import IDENTITY
from .images import IMAGES
from .moderation import MODERATION
from .order import ORDER
from .refusals import REFUSALS, refusing
from .words import WORDS

#: The dialects by what they are about.
GROUPS: dict[str, list[Dialect]] = {
    "plain": [PLAIN],
    "identity": IDENTITY,
    "order": ORDER,
    "images": IMAGES,
    "figures": FIGURES,
    "words": WORDS,
    "framing": FRAMING,
    "moderation": MODERATION,
    "refusals": REFUSALS,
    "failures": FAILURES,
    "breaks": BREAKS,
}
DIALECTS = {dialect.name: dialect for group in GROUPS.values() for dialect in group}

__all__ = [
    "DIALECTS",
    "GROUPS",
    "PLAIN",
    "Dialect",
    "each",
    "every",
    "refusing",
    "without",
]
