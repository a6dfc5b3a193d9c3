"""Clients of files: some that read as fast as they can, some that hardly read."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import psutil

MEGABYTE = 2**20
# Each connection asks again as soon as it has its answer.
CONNECTIONS = 8


def rate(port: int, path: str, seconds: float, headers: str = "") -> float:
    """Return how many answers a second several connections get at once.

    Raises:
        SystemExit: If an answer is an error.
    """
    counts, errors = [0] * CONNECTIONS, []
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        try:
            with Connection(port) as connection:
                while time.monotonic() < end:
                    connection.ask(path, headers)
                    counts[number] += 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"{path}: {errors[0]!r}")
    return sum(counts) / (time.monotonic() - began)


def memory_of_slow_readers(
    process: psutil.Popen, port: int, path: str, n: int
) -> float:
    """Return by how many MB a server grows for each of some readers that stop."""
    with Connection(port) as connection:
        connection.ask(path)
    before = process.memory_info().rss
    most = before
    with ExitStack() as stack:
        for _ in range(n):
            stack.enter_context(Connection(port, slow=True)).begin(path)
            most = max(most, process.memory_info().rss)
        for _ in range(20):
            time.sleep(0.1)
            most = max(most, process.memory_info().rss)
    return (most - before) / MEGABYTE / n


class Connection:
    """A connection that is kept alive."""

    def __init__(self, port: int, *, slow: bool = False) -> None:
        self._wire = socket.socket()
        if slow:
            self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._wire.settimeout(60)
        self._wire.connect(("127.0.0.1", port))
        self._buffer = memoryview(bytearray(MEGABYTE))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self._wire.close()

    def begin(self, path: str, headers: str = "") -> bytes:
        """Ask, and return the beginning of the answer."""
        lines = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        self._wire.sendall(lines.encode())
        return self._wire.recv(65536)

    def ask(self, path: str, headers: str = "") -> dict[str, Any]:
        """Ask, read the whole answer, and return its headers."""
        found = self.begin(path, headers)
        while b"\r\n\r\n" not in found:
            found += self._more()
        head, _, body = found.partition(b"\r\n\r\n")
        status, *rest = head.decode("latin1").split("\r\n")
        said = dict(line.lower().split(": ", 1) for line in rest)
        code = int(status.split()[1])
        if code not in (200, 206, 304):
            raise OSError(f"{status}")
        left = 0 if code == 304 else int(said["content-length"]) - len(body)
        while left > 0:
            got = self._wire.recv_into(self._buffer, min(left, MEGABYTE))
            if not got:
                raise OSError("The answer is cut.")
            left -= got
        return said

    def _more(self) -> bytes:
        if not (found := self._wire.recv(65536)):
            raise OSError("There is no answer.")
        return found
