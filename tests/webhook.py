"""An endpoint that takes posts as a project's webhook does, in threads of the tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Endpoint:
    """What it has got, and how it answers.

    Attributes:
        url: Where it is.
        posts: Headers and body of each request, in the order in which they came.
        answers: Status and headers of the next answers; after them, 204.
        during: Called within each request before it is answered.
        arrived: Notified of each request.
    """

    url: str = ""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    during: Callable[[BaseHTTPRequestHandler], object] = lambda request: None

    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Return the ends once there are so many."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.posts) >= count, 30)
        return self.ends

    @property
    def ends(self) -> list[dict[str, Any]]:
        """The ends of runs that it was told of."""
        return [json.loads(body)["data"] for _, body in self.posts]


@contextmanager
def webhook() -> Iterator[Endpoint]:
    """Serve an endpoint on a free port."""
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with endpoint.arrived:
                endpoint.posts.append((headers, body))
                endpoint.arrived.notify_all()
            endpoint.during(self)
            code, more = endpoint.answers.pop(0) if endpoint.answers else (204, {})
            self.send_response(code)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 100

        def handle_error(self, *args: Any) -> None:
            pass  # A client that has gone.

    server = Server(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/ends/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
