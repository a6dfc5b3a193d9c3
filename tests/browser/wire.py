"""A wire between the browser and the demo that a test can cut."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.proxy import reset

LIMIT = 64 * 1024
# For the browser to read what came before a reset, which would discard it.
ARRIVE_SECONDS = 0.05
# In the event that shows a preview of an image, and in no script of the page's.
IMAGE = b':"generated_image.updated"'


class Wire:
    """Relays TCP connections, one after the other and in both directions.

    Attributes:
        url: Where it answers.
        requests: The first lines of what the browser has asked.
        sent: How many bytes the browser has sent.
        holds: Set when it has passed on the event that it was to hold behind.
    """

    def __init__(self, upstream: int) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.sent = 0
        self._upstream = upstream
        self._cuts: list[bytes] = []
        self._lost: bytes | None = None
        self._held: bytes | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self.holds = threading.Event()
        self._down = False
        self._open: set[asyncio.StreamWriter] = set()
        self.loop = asyncio.new_event_loop()

    def cut_at(self, *marks: bytes) -> None:
        """Reset a connection when it has brought the first mark, then at the next."""
        self._cuts = list(marks)

    @property
    def cuts_left(self) -> int:
        """How many of the marks have not come yet."""
        return len(self._cuts)

    def lose_answer(self, request: bytes) -> None:
        """Pass on the next request that begins so, and reset at its answer."""
        self._lost = request

    def hold_behind(self, mark: bytes) -> None:
        """Pass on the next event that has the mark, and nothing behind it for now."""
        self.holds.clear()
        self._flows.clear()
        self._held = mark

    def go_on(self) -> None:
        """Pass on what was held."""
        self._held = None
        self.loop.call_soon_threadsafe(self._flows.set)

    def asked(self, *words: str) -> list[str]:
        """Return the first lines that have all of the words."""
        return [line for line in self.requests if all(word in line for word in words)]

    def break_down(self) -> None:
        """Reset every connection, the next ones too."""
        self._down = True
        self.loop.call_soon_threadsafe(self._reset_all)

    def mend(self) -> None:
        """Let connections through again."""
        self._down = False

    def _reset_all(self) -> None:
        for writer in list(self._open):
            reset(writer)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Relay one connection."""
        if self._down:
            return reset(writer)
        source, target = await asyncio.open_connection("127.0.0.1", self._upstream)
        ends = {writer, target}
        self._open |= ends
        if self._down:
            # It was broken while the connection was made.
            self._reset_all()
        losing = asyncio.Event()
        ways = [
            asyncio.ensure_future(self._up(reader, target, losing)),
            asyncio.ensure_future(self._back(source, writer, losing)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._open -= ends
            for end in ends:
                end.close()

    async def _up(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        losing: asyncio.Event,
    ) -> None:
        while data := await reader.read(LIMIT):
            self.sent += len(data)
            line = data.partition(b"\r\n")[0]
            if b" HTTP/1.1" in line:
                self.requests.append(line.decode())
            if self._lost and data.startswith(self._lost):
                self._lost = None
                losing.set()
            writer.write(data)
            await writer.drain()

    async def _back(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        losing: asyncio.Event,
    ) -> None:
        before, ending = b"", False
        while data := await reader.read(LIMIT):
            if losing.is_set():
                return reset(writer)
            brought = before + data
            if self._cuts and self._cuts[0] in brought:
                mark = self._cuts.pop(0)
                end = brought.index(mark) + len(mark) - len(before)
                writer.write(data[: max(end, 0)])
                await writer.drain()
                await asyncio.sleep(ARRIVE_SECONDS)
                return reset(writer)
            # Only what has come just now counts.
            new = len(before)
            if self._held:
                start = brought.find(self._held, max(0, new - len(self._held) + 1))
                if start >= 0:
                    self._held, ending, new = None, True, max(start, new)
            if ending and (end := brought.find(b"\n\n", max(0, new - 1))) >= 0:
                ending, upto = False, end + 2 - len(before)
                writer.write(data[:upto])
                await writer.drain()
                self.holds.set()
                await self._flows.wait()
                data = data[upto:]
            before = brought[-LIMIT:]
            writer.write(data)
            await writer.drain()


@contextmanager
def wired(upstream: int) -> Iterator[Wire]:
    """Lay a wire to a port of this host."""
    wire = Wire(upstream)
    thread = threading.Thread(target=wire.loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> asyncio.Server:
        return await asyncio.start_server(wire.serve, "127.0.0.1", 0, limit=LIMIT)

    server = asyncio.run_coroutine_threadsafe(begin(), wire.loop).result(10)
    port = server.sockets[0].getsockname()[1]
    wire.url = f"http://127.0.0.1:{port}"
    try:
        yield wire
    finally:

        async def end() -> None:
            wire._down = True
            wire._flows.set()
            wire._reset_all()
            # Connections that were accepted a moment ago are reset as they begin. If
            # their tasks were cancelled, nobody would close their sockets.
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)
            server.close()

        asyncio.run_coroutine_threadsafe(end(), wire.loop).result(10)
        wire.loop.call_soon_threadsafe(wire.loop.stop)
        thread.join(10)
        wire.loop.close()
