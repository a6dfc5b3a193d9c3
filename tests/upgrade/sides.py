"""Servers of two versions, each with the code of its own, on one site."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests import services
from tests.servers.conftest import ROOT, Server, serving

from . import old
from .make_fixture import extract

OLD, NEW = "old", "new"
KINDS = {OLD: "daphne-view", NEW: "uvicorn-view"}
SETTINGS = {
    # A busy machine may be late with a heartbeat, a test does not wait for a minute.
    "RUN_STALE_SECONDS": 6,
    "DRAIN_SECONDS": 0.5,
}


class Sides(ExitStack):
    """A server of the revision and one of today, on one database, storage and Redis.

    Args:
        scratch: A folder for them.
        loopback: URL of the model.
    """

    def __init__(self, scratch: Path, loopback: str) -> None:
        super().__init__()
        self.files = scratch / "files"
        self._scratch = scratch
        self._loopback = loopback
        self._servers: dict[str, Server] = {}

    def server(self, name: str) -> Server:
        """Return the server of a version, which goes on until the last test."""
        if name not in self._servers:
            scratch = self._scratch / f"{name}-{os.urandom(4).hex()}"
            scratch.mkdir()
            more = SETTINGS | {"RUN_LOG_URL": services.redis()}
            root = self._old_tree() if name == OLD else ROOT
            server = serving(
                KINDS[name],
                scratch,
                self._loopback,
                root=root,
                files=self.files,
                **more,
            )
            self._servers[name] = self.enter_context(server)
        return self._servers[name]

    def replace(self, name: str) -> None:
        """Tell a server to end; who asks for it next gets another process."""
        os.kill(self._servers.pop(name).pid, signal.SIGTERM)

    def wait(self, server: Server) -> None:
        """Wait for the end of a server that was told to."""
        # Its exit code is for who started it.
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)

    def close(self) -> None:
        """End the servers: they would look after what is left by others."""
        self._servers.clear()
        super().close()

    def _old_tree(self) -> Path:
        """Return the folder with the files of the revision, or skip the test."""
        tree = self._scratch / "tree"
        if tree.exists():
            return tree
        try:
            extract(old.REVISION, tree)
        except (OSError, subprocess.CalledProcessError):
            services.absent(f"Commit {old.REVISION[:7]}, which a whole clone has,")
        # Else a package that is installed would be served, whose revision is unknown.
        script = "import chatkit_images; print(chatkit_images.__file__)"
        said = subprocess.check_output([sys.executable, "-c", script], cwd=tree)
        assert Path(said.decode().strip()).is_relative_to(tree)
        return tree
