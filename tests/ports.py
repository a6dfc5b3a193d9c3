"""Ports for servers that the tests start in processes of their own."""

from __future__ import annotations

import os
import random
import socket
from itertools import count

# Below the range from which systems take the ports of outgoing connections: one of
# those would take a port away between its choice and the server's start.
FIRST, WORKER = 20_000, 1_000
_numbers = count(random.randrange(WORKER))
# The UDP ports of the same numbers tell other test runs which ports are taken: between
# the choice of a port and the start of its server seconds may pass.
_taken: list[socket.socket] = []


def free_port() -> int:
    """Return a port of this test process on which nobody listens."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(WORKER):
        port = FIRST + worker % 12 * WORKER + next(_numbers) % WORKER
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with socket.socket() as probe:
            # As the servers do: what an earlier one left behind does not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                mark.bind(("127.0.0.1", port))
                probe.bind(("127.0.0.1", port))
            except OSError:
                mark.close()
                continue
            _taken.append(mark)
            return port
    raise RuntimeError("No port is free.")
