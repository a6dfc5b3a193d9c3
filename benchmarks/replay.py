"""A model server that replays prepared answers.

A request's model names the image and how many seconds the model takes for each
preview and for the image: ``2MB@2.5``. Without seconds they come as fast as the
socket takes them.

It is a process of its own: neither drawing nor encoding happens while something is
measured, and none of its work is in the measured process.
"""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter

import sample_images

HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"content-type: text/event-stream\r\n"
    b"cache-control: no-store\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


# An image on the wire is longer than this, and nothing else before the last event is.
IMAGE = 4096
END = b"event: response.completed"
SERVED = ("tiny", "500KB", "2MB")


class Replay:
    """Answers every request with the image that its model is named after."""

    def __init__(self, answers: dict[str, list[bytes]]) -> None:
        self._answers = {
            model: [(_is_image(chunk), framed(chunk)) for chunk in chunks]
            for model, chunks in answers.items()
        }

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                name = await requested_model(reader)
                model, _, seconds = name.partition("@")
                writer.write(HEAD)
                for is_image, chunk in self._answers[model]:
                    if is_image:
                        await asyncio.sleep(float(seconds or 0))
                    writer.write(chunk)
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client has what it wanted.
        finally:
            writer.close()


def _is_image(chunk: bytes) -> bool:
    return len(chunk) > IMAGE and not chunk.startswith(END)


def framed(chunk: bytes) -> bytes:
    """Return a chunk as HTTP sends it."""
    return b"%x\r\n%s\r\n" % (len(chunk), chunk)


async def requested_model(reader: StreamReader) -> str:
    """Read a request and return the model that it names."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = head.partition("content-length:")[2].partition("\r\n")[0]
    return str(json.loads(await reader.readexactly(int(length)))["model"])


async def main() -> None:
    """Serve until the process is ended, after a line with the base URL."""
    answers = {size: await sample_images.answer(size) for size in SERVED}
    server = await asyncio.start_server(Replay(answers), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
