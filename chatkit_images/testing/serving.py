"""Serve an ASGI application on loopback while a test runs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

try:
    import uvicorn
except ImportError:
    uvicorn = None  # type: ignore[assignment]

#: Seconds that open streams get to end before they are cancelled.
GRACE = 1


@contextmanager
def serve(
    app: Any,
    *,
    host: str = "127.0.0.1",
    path: str = "/v1",
    log_level: str = "critical",
) -> Iterator[str]:
    """Run the application on a free port in a thread and yield its base URL."""
    if uvicorn is None:
        raise ImportError(
            "serve() needs uvicorn; run: pip install chatkit-images[testing]"
        )
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level=log_level,
        timeout_graceful_shutdown=GRACE,
        ws="none",
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, 0))
        port = listener.getsockname()[1]

        def run() -> None:
            # uvicorn exits the process when the application does not start.
            with suppress(SystemExit):
                server.run([listener])

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise RuntimeError(f"uvicorn did not start on {host}:{port}.")
                time.sleep(0.005)
            yield f"http://{host}:{port}{path}"
        finally:
            server.should_exit = True
            thread.join(GRACE + 4)
