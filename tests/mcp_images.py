"""An MCP server that returns images, for the tests to start."""

from __future__ import annotations

import sys

from mcp.server.mcpserver import Image, MCPServer

from tests.image_files import image_file

server = MCPServer("painter")


@server.tool()
def draw(colours: list[str]) -> list[str | Image]:
    """Draw an image of each colour."""
    return ["Drawn.", *(Image(data=image_file(c), format="png") for c in colours)]


if __name__ == "__main__":
    sys.exit(server.run("stdio"))
