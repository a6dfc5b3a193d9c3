"""The page's server with MCP, and a program that does as the test says."""

from __future__ import annotations

import os

from .page import module

_made = module("mcp_images")
_made.PROGRAM["args"] = ["-m", "tests.sources_matrix.mcp_program"]
# Programs of MCP get a few variables of their parent's only.
_made.PROGRAM["env"] = {
    name: os.environ[name] for name in ("CHATKIT_FAULTS_WORLD", "PATH")
}
Server = _made.DesignServer
