"""The doctor: it finds what rows and files say of each other that is not so.

``classes`` has the kinds of drift, one module has those that belong together, and
``examination`` looks for them and mends them.
"""

from __future__ import annotations

from .classes import CLASSES
from .drift import Drift, Finding, Trouble
from .examination import Count, Report, examine, fix

__all__ = [
    "CLASSES",
    "Count",
    "Drift",
    "Finding",
    "Report",
    "Trouble",
    "examine",
    "fix",
]
