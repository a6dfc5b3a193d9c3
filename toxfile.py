"""Ends tox with a clear sentence where Python is too old for this project.

Without it pip says that it finds no version of whatever dependency it tries first.
"""

from __future__ import annotations

import sys

OLDEST = (3, 11)

if sys.version_info < OLDEST:
    raise SystemExit(
        "This project needs Python {}.{} or later, and this is Python {}.{}. "
        "Make .venv with a later one, such as: python3.13 -m venv .venv".format(
            *OLDEST, *sys.version_info[:2]
        )
    )
