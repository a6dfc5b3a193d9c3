"""A TCP connection that a test can cut or stop: to a database, or of a browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .proxy import LIMIT, reset


class Pipe:
    """Passes bytes on to a port while it is up.

    Attributes:
        port: Where it listens.
        cuts: How many connections it has cut because they were idle.
    """

    def __init__(self, upstream: int, idle: float | None = None) -> None:
        self.port = 0
        self.cuts = 0
        self._upstream = upstream
        self._idle = idle
        self._flows = asyncio.Event()
        self._flows.set()
        self._up = True
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._up = False
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result(10)

    def mend(self) -> None:
        """Let connections through again."""
        self._up = True

    def stall(self) -> None:
        """Keep every connection and pass nothing on, like a server that is stopped."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def flow(self) -> None:
        """Pass on what has waited, and what comes."""
        self._loop.call_soon_threadsafe(self._flows.set)

    async def _reset(self) -> None:
        for writer in list(self._open):
            reset(writer)

    async def _handle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._up:
            return reset(writer)
        source, target = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._open |= {writer, target}
        loop = asyncio.get_running_loop()
        used = loop.time()

        async def pump(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            """Copy bytes until one side ends."""
            nonlocal used
            with suppress(ConnectionError):
                while chunk := await reader.read(LIMIT):
                    await self._flows.wait()
                    used = loop.time()
                    writer.write(chunk)
                    await writer.drain()
            writer.close()

        async def watch(idle: float) -> None:
            """Cut the connection when nothing has passed for so long."""
            while (rest := used + idle - loop.time()) > 0:
                await asyncio.sleep(rest)
            self.cuts += 1
            reset(target)
            writer.close()

        watching = None if self._idle is None else loop.create_task(watch(self._idle))
        try:
            await asyncio.gather(pump(reader, target), pump(source, writer))
        finally:
            if watching is not None:
                watching.cancel()
            self._open -= {writer, target}
            writer.close()
            target.close()

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        await self._reset()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def pipe(upstream: int, idle: float | None = None) -> Iterator[Pipe]:
    """Run a pipe before a port of this host.

    Args:
        upstream: The port.
        idle: Seconds of silence after which it cuts a connection.
    """
    made = Pipe(upstream, idle)
    loop = made._loop
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(made._begin(), loop).result(10)
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made._end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
