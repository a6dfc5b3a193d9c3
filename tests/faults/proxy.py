"""A network between the app and its S3 server that does what a test tells it to."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

LIMIT = 64 * 1024
# No exchange takes longer, so that none outlives its test by much.
PATIENCE = 30


@dataclass
class Trouble:
    """What happens to requests instead of being passed on.

    Attributes:
        status: Answer with this status instead; ``code`` is S3's name of the error.
        delay: Seconds before a request is passed on.
        cut_after: Reset the connection after so many bytes of the body.
        stall_after: Read so many bytes of the body, then nothing, and never answer.
        lose_answer: Pass the request on and reset the connection at its answer.
        writes_only: Leave all but PUT alone.
        skip: How many requests get through before.
        times: How many requests it happens to; ``None`` for every one.
    """

    status: int = 0
    code: str = ""
    delay: float = 0
    cut_after: int | None = None
    stall_after: int | None = None
    lose_answer: bool = False
    writes_only: bool = False
    skip: int = 0
    times: int | None = None
    met: int = field(default=0, init=False)
    stalled: threading.Event = field(default_factory=threading.Event, init=False)

    def takes(self, method: str) -> bool:
        """Whether it happens to a request; counts those that it happens to."""
        if self.writes_only and method != "PUT":
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.met >= self.times:
            return False
        self.met += 1
        return True


NO_TROUBLE = Trouble(times=0)


@dataclass(frozen=True)
class Head:
    """The head of a request."""

    method: str
    raw: bytes
    length: int
    expects: bool


class Proxy:
    """Passes HTTP requests on to a port, but for the trouble there is."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = 0
        self.requests: list[str] = []
        self.trouble = NO_TROUBLE
        self._released = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def busy(self) -> bool:
        """Whether a connection is open."""
        return bool(self._open)

    async def handle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection; each request gets one of its own."""
        self._open.add(writer)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._exchange(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        except asyncio.CancelledError:
            reset(writer)  # The network ends; nobody waits for this task.
        finally:
            self._open.discard(writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await read_head(reader)
        self.requests.append(head.method)
        trouble = self.trouble if self.trouble.takes(head.method) else NO_TROUBLE
        if trouble.stall_after == 0:
            return await self._stall(trouble)
        if head.expects:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if trouble.stall_after is not None:
            await reader.readexactly(min(head.length, trouble.stall_after))
            return await self._stall(trouble)
        if trouble.cut_after is not None:
            await reader.readexactly(min(head.length, trouble.cut_after))
            return reset(writer)
        body = await reader.readexactly(head.length)
        if trouble.delay:
            await asyncio.sleep(trouble.delay)
        if trouble.status:
            writer.write(refusal(trouble.status, trouble.code))
            return await writer.drain()
        await self._pass_on(head, body, writer, trouble.lose_answer)

    async def _pass_on(
        self, head: Head, body: bytes, writer: asyncio.StreamWriter, lose: bool
    ) -> None:
        source, target = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            target.write(head.raw + body)
            await target.drain()
            while chunk := await source.read(LIMIT):
                if lose:
                    return reset(writer)
                writer.write(chunk)
                await writer.drain()
        finally:
            target.close()

    async def _stall(self, trouble: Trouble) -> None:
        trouble.stalled.set()
        await self._released.wait()

    async def release(self) -> None:
        """Cut the connections that are stalled."""
        for writer in list(self._open):
            reset(writer)
        self._released.set()
        self._released = asyncio.Event()


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Read a request up to its body; the connection is to end after it."""
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    kept, length, expects = [lines[0]], 0, False
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        match name.strip().lower():
            case b"expect":
                expects = True
                continue
            case b"connection":
                continue
            case b"transfer-encoding":
                raise NotImplementedError(f"A body without a length: {line!r}")
            case b"content-length":
                length = int(value)
        kept.append(line)
    raw = b"\r\n".join([*kept, b"Connection: close", b"", b""])
    return Head(lines[0].split(b" ")[0].decode(), raw, length, expects)


def refusal(status: int, code: str) -> bytes:
    """Return an answer as S3 refuses a request."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>{code}</Message><RequestId>1</RequestId></Error>"
    ).encode()
    head = (
        f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a network does that breaks."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


class Network:
    """A proxy in a thread of its own, as a test handles it."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self.proxy = proxy
        self.url = proxy.url
        self._loop = loop

    def suffer(self, **trouble: Any) -> Trouble:
        """Let trouble begin."""
        self.proxy.trouble = Trouble(**trouble)
        return self.proxy.trouble

    def heal(self) -> None:
        """End the trouble; what was stalled breaks off."""
        self.proxy.trouble = NO_TROUBLE
        self._run(self.proxy.release())

    async def rest(self, seconds: float = 0.3) -> None:
        """Wait until nobody has used the network for so long, half a minute at most.

        A write that hung is tried again when it breaks off, beside whoever flushes the
        spool. S3 takes the first; rclone writes in place, and answers a reader in that
        moment with an error.
        """
        begun = used = time.monotonic()
        while (now := time.monotonic()) - used < seconds:
            assert now - begun < 30, "The network is never at rest."
            if self.proxy.busy:
                used = now
            await asyncio.sleep(0.02)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


@contextmanager
def network(upstream: int) -> Iterator[Network]:
    """Run a proxy before a port of this host."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> tuple[Proxy, asyncio.Server]:
        proxy = Proxy(upstream)
        server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0, limit=LIMIT)
        proxy.port = server.sockets[0].getsockname()[1]
        return proxy, server

    proxy, server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    net = Network(proxy, loop)
    try:
        yield net
    finally:
        net.heal()

        async def end() -> None:
            server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
