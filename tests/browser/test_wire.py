"""The wire between the browser and the demo closes what it has opened."""

from __future__ import annotations

import gc
import socket

from .wire import wired


def test_a_wire_that_is_taken_away_leaves_no_socket_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        with wired(upstream.getsockname()[1]) as wire:
            port = int(wire.url.rpartition(":")[2])
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(9)]
        # Python warns of sockets that are collected and were not closed.
        gc.collect()
        for client in clients:
            client.close()
