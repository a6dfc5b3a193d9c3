"""The matrix: which sources there are, and what happens to their images."""

from __future__ import annotations

from . import sources
from .sources import Source

EVENTS = (
    "previews",
    "final",
    "failure",
    "block",
    "stop",
    "leave",
    "kill -9",
    "deploy",
    "limit",
    "reload",
    "next turn",
    "admin",
)
SERVERS = "tests.sources_matrix.servers"
SOURCES: dict[str, Source] = {
    "hosted tool": sources.Hosted(f"{SERVERS}.hosted.Server", "hosted"),
}
