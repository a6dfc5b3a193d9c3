"""The projects' servers, which run in the processes of a world only."""

from __future__ import annotations
