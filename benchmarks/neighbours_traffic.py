"""What attackers send: as visitors who keep a session, recorded to be sent again."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

TOKEN, MARK = "a" * 32, "benchmark"
SESSION = re.compile(rb"(?i)set-cookie: sessionid=([^;]+)")
ERROR = b'"type":"error"'
# Of an answer so much is kept, and read at once.
KEPT, BLOCK = 2**14, 2**16
# Requests of one attack at most, and seconds after one that could not be sent.
MOST, PAUSE = 500_000, 0.1


@dataclass(frozen=True)
class Request:
    """A request as it is sent.

    Attributes:
        hold: Seconds after which the client leaves, however much is to come.
    """

    method: str
    path: str
    headers: str
    body: bytes = field(default=b"", repr=False)
    hold: float | None = None

    def wire(self, port: int, prefix: str) -> bytes:
        """Return its bytes; the prefix makes it one to the empty view."""
        lines = [
            f"{self.method} {prefix}{self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            f"Connection: close\r\n{self.headers}\r\n\r\n",
        ]
        return "\r\n".join(lines).encode()


@dataclass(frozen=True)
class Answer:
    """What came back: status 0 if the connection broke."""

    status: int = 0
    head: bytes = b""
    body: bytes = b""


@cache
def multipart(data: bytes, mime: str) -> bytes:
    """Return the body of a form with one file, one object for all who send it."""
    disposition = 'Content-Disposition: form-data; name="file"; filename="a"'
    head = f"--{MARK}\r\n{disposition}\r\nContent-Type: {mime}\r\n\r\n"
    return b"%b%b\r\n--%b--\r\n" % (head.encode(), data, MARK.encode())


class Traffic:
    """Sends requests to the app or to the empty view, and counts what comes back.

    Attributes:
        sent: When which request was sent.
        most: The most requests that were on their way at once.
        statuses: How many answers had which status, and how many requests had none.
    """

    def __init__(self, port: int, empty: bool) -> None:
        self._port = port
        self._prefix = "/empty/?" if empty else ""
        self._began = time.monotonic()
        self._busy = 0
        self.sent: list[tuple[float, Request]] = []
        self.most = 0
        self.statuses: Counter[str] = Counter()

    async def send(self, request: Request) -> Answer:
        """Send a request, and return what it is answered with when all is read."""
        if len(self.sent) >= MOST:
            await asyncio.Event().wait()
        self.sent.append((time.monotonic() - self._began, request))
        self._busy += 1
        self.most = max(self.most, self._busy)
        answered = False
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(request.wire(self._port, self._prefix))
                writer.write(request.body)
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
                answered = True
                self.statuses[head[9:12].decode()] += 1
                body = await self._read(reader, request.hold)
                return Answer(int(head[9:12]), head, body)
            finally:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            self.statuses["broken"] += 1
            answered = True
            await asyncio.sleep(PAUSE)
            return Answer()
        finally:
            self._busy -= 1
            self.statuses["unanswered"] += not answered

    async def _read(self, reader: asyncio.StreamReader, hold: float | None) -> bytes:
        kept = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(hold):
                while block := await reader.read(BLOCK):
                    self.statuses["error event"] += ERROR in block
                    kept += block[: KEPT - len(kept)]
        return kept

    async def again(self, before: Traffic) -> None:
        """Send what was sent before, at the same times and no more of it at once."""
        turns = asyncio.Semaphore(before.most)

        async def one(request: Request) -> None:
            async with turns:
                await self.send(request)

        async with asyncio.TaskGroup() as group:
            for offset, request in before.sent:
                await asyncio.sleep(self._began + offset - time.monotonic())
                group.create_task(one(request))


class Visitor:
    """Somebody without an account, at an address of their own.

    Args:
        traffic: What sends the visitor's requests.
        number: Tells visitors apart.
        renew: After so many requests the visitor forgets the session; 0 for never.
    """

    def __init__(self, traffic: Traffic, number: int, renew: int) -> None:
        self._traffic = traffic
        self._address = f"10.66.{number // 250}.{number % 250 + 1}"
        self._renew = renew
        self._session, self._left = "", renew

    async def arrive(self) -> None:
        """Do something small, which begins a session."""
        await self.upload(b"Hello.", "text/plain")

    async def post(
        self, path: str, body: bytes, hold: float | None = None, **headers: str
    ) -> Answer:
        """Send a body, JSON if the headers do not say otherwise."""
        headers = {"Content-Type": "application/json"} | headers
        headers["Content-Length"] = str(len(body))
        return await self._send("POST", path, headers, body, hold)

    async def upload(self, data: bytes, mime: str, path: str = "") -> Answer:
        """Send a file as a form, in one step or to where an announced one goes."""
        form = {"Content-Type": f"multipart/form-data; boundary={MARK}"}
        body = multipart(data, mime)
        return await self.post(path or "/chatkit/attachments/", body, **form)

    async def get(self, path: str, hold: float | None = None) -> Answer:
        """Ask for what is at a path."""
        return await self._send("GET", path, {}, b"", hold)

    async def stranger(self, path: str) -> Answer:
        """Ask for what is at a path without any cookie."""
        headers = f"X-Forwarded-For: {self._address}"
        return await self._traffic.send(Request("GET", path, headers))

    async def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        hold: float | None,
    ) -> Answer:
        if self._renew:
            if not self._left:
                self._session, self._left = "", self._renew
            self._left -= 1
        cookies = f"csrftoken={TOKEN}"
        if self._session:
            cookies += f"; sessionid={self._session}"
        headers |= {"X-Forwarded-For": self._address, "X-CSRFToken": TOKEN}
        headers |= {"Cookie": cookies}
        lines = "\r\n".join(f"{name}: {value}" for name, value in headers.items())
        answer = await self._traffic.send(Request(method, path, lines, body, hold))
        if found := SESSION.search(answer.head):
            self._session = found[1].decode()
        return answer
