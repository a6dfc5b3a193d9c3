"""The matrix: which sources there are, and what happens to their images."""

from __future__ import annotations

from typing import Any

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
LATE = "the image comes whole, when the tool has ended"
TOLD = "no moderation is told: a tool that refuses has failed"
#: What tools return to the model, and the switch on the server shows.
RETURNED: dict[str, Any] = {
    "previews": False,
    "shown": False,
    "absent": {"previews": LATE, "block": TOLD},
}
SOURCES: dict[str, Source] = {
    "hosted tool": sources.Hosted(f"{SERVERS}.hosted.Server", "hosted"),
    "Images API": sources.ImagesAPI(f"{SERVERS}.openai_images.Server", "own"),
    "Gemini": sources.Gemini(f"{SERVERS}.gemini.Server", "own"),
    "local generator": sources.InProcess(
        f"{SERVERS}.local.Server",
        "own",
        settings={"FAILURES": f"{SERVERS}.local.failures"},
    ),
    "MCP": sources.InProcess(f"{SERVERS}.mcp_images.Server", "mcp", **RETURNED),
    "ToolOutputImage": sources.InProcess(
        f"{SERVERS}.tool_output.Server", "tool", **RETURNED
    ),
    "code interpreter": sources.Code(f"{SERVERS}.code.Server", "code", **RETURNED),
    "plain code": sources.Plain(f"{SERVERS}.plain.Server", "own", replies=False),
}
