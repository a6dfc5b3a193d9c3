"""The measured process: this app for a person and for visitors who mean no good."""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any

import stream_server

MODELS = {"image": "image@0.05", "held": "held@3600"}
# The file in which the server tells whose files went to the spool.
SPOOLED = "spooled.txt"
SETTINGS = {
    "SERVER": "neighbours_apps.NeighbourServer",
    "ALLOW_ANONYMOUS": True,
    # Clients say by a header what address they have.
    "TRUSTED_PROXIES": ["127.0.0.1"],
    # Those that a project has without any setting.
    "LIMITS": {},
}


def main() -> None:
    """Print the port, then serve what the argument, a JSON object, asks for."""
    cell = json.loads(sys.argv[1])
    os.sched_setaffinity(0, cell["cores"])
    resource.setrlimit(resource.RLIMIT_AS, (cell["memory"], cell["memory"]))
    cell["settings"] = SETTINGS | cell["settings"]
    # What an attack has the app log is work, too.
    logging.basicConfig(filename=Path(cell["folder"], "server.log"))
    stream_server.configure(cell)
    watch_spool(Path(cell["folder"], SPOOLED))
    # Imported once Django is set up, as models need it.
    from django.conf import settings
    from stream_apps import application

    settings.ROOT_URLCONF = "neighbours_urls"
    app = application(cell["door"])
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    serve = getattr(stream_server, cell["server"])
    serve(app, listener)


def watch_spool(told: Path) -> None:
    """Tell in a file of each write to the spool whose work it was."""
    from chatkit_images.run_state import current_context
    from chatkit_images.storage import spool

    keep = spool.keep

    def counted(name: str, data: Any) -> None:
        context = current_context.get()
        with told.open("a") as lines:
            if context is None:
                lines.write("unknown\n")
            else:
                lines.write("visitor\n" if context.user is None else "person\n")
        keep(name, data)

    spool.keep = counted


if __name__ == "__main__":
    main()
