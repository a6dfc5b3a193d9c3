"""Many clients in a process of their own, each with one stream, on bare sockets.

It prints a line of JSON when every stream has its first event. If it is to hold them
it then waits for a line of input; else it waits for their ends. At last it prints what
it has seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

EVENT, DELTA, BEAT = b"data: {", b"text_delta", b": keep-alive"
# A mark that two reads have in halves is found with what the first one ended with.
TAIL = len(BEAT) - 1


class Stream(asyncio.Protocol):
    """One request and what comes of it.

    Attributes:
        events: How many have arrived.
        first: When the first one had.
        delta: When the first piece of text had.
        end: When the stream ended.
        beats: When its comments arrived.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.head, self.began, self.events = b"", 0.0, 0
        self.first = self.delta = self.end = 0.0
        self.beats: list[float] = []
        self.images = 0
        self._tail = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        """Keep the way to the server."""
        self._transport = transport

    def begin(self, request: bytes) -> None:
        """Send the request."""
        self.began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Count."""
        now = time.perf_counter()
        if not self.head:
            self.head = data.partition(b"\r\n\r\n")[0]
        # Only what is new: a mark that was seen is longer than the tail.
        seen, self._tail = self._tail + data, data[-TAIL:]
        self.events += seen.count(EVENT, max(0, len(seen) - len(data) - len(EVENT) + 1))
        self.images += data.count(b'"type":"generated_image"')
        if self.events and not self.first:
            self.first = now
            self.opened.set_result(None)
        if not self.delta and DELTA in seen:
            self.delta = now
        if BEAT in seen:
            self.beats.append(now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.end = time.perf_counter()
        for waiting in (self.opened, self.closed):
            if not waiting.done():
                waiting.set_result(None)

    def leave(self) -> None:
        """Close the connection, whatever is on its way."""
        self._transport.abort()


async def main() -> None:
    """Open the streams that the argument, a JSON object, asks for."""
    cell = json.loads(sys.argv[1])
    loop = asyncio.get_running_loop()
    request = cell["request"].encode()
    # So many wait for their first event at a time.
    turns = asyncio.Semaphore(cell.get("at_once", cell["streams"]))
    address = ("127.0.0.1", cell["port"])
    streams = []
    if "at_once" not in cell:
        for _ in range(cell["streams"]):
            streams.append((await loop.create_connection(Stream, *address))[1])

    async def opened() -> None:
        async with turns:
            stream = (await loop.create_connection(Stream, *address))[1]
            streams.append(stream)
            stream.begin(request)
            await stream.opened

    for stream in streams:
        stream.begin(request)
    if not streams:
        await asyncio.gather(*(opened() for _ in range(cell["streams"])))
    await asyncio.gather(*(stream.opened for stream in streams))
    heads = {stream.head.decode("latin-1") for stream in streams}
    report(statuses=sorted({head[9:12] for head in heads}), head=min(heads))
    if cell.get("hold"):
        await loop.run_in_executor(None, sys.stdin.readline)
        for stream in streams:
            stream.leave()
    await asyncio.gather(*(stream.closed for stream in streams))
    began = min(stream.began for stream in streams)
    report(
        seconds=max(stream.end for stream in streams) - began,
        events=sum(stream.events for stream in streams),
        images=sum(stream.images > 0 for stream in streams),
        first=[stream.first - stream.began for stream in streams],
        delta=[stream.delta - stream.began for stream in streams],
        beats=[stream.beats for stream in streams] if cell.get("hold") else [],
    )


def report(**values: Any) -> None:
    """Print a line."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
