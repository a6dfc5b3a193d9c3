"""An MCP server that does as the test says."""

from __future__ import annotations

import asyncio

from mcp.server.mcpserver import Image, MCPServer

from tests.image_files import image_file
from tests.sources_matrix.gates import planned

server = MCPServer("painter")


@server.tool()
async def generate(prompt: str) -> Image:
    """Generate an image of the prompt."""
    plan = planned()
    await asyncio.to_thread(plan.hold)
    if plan.end == "failure":
        raise RuntimeError("The printer is out of ink.")
    return Image(data=image_file("green", size=(640, 480)), format="png")


if __name__ == "__main__":
    server.run("stdio")
