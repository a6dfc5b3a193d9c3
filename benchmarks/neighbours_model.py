"""The model of a measurement with neighbours: an image, a line, silence.

Like ``replay.py`` it is a process of its own that replays what the loopback API of
``chatkit_images.testing`` has said. A request's model is the name of an answer:

- ``image@0.05``: three previews, an image and a line, each image after the seconds.
- ``line``: a line of text.
- ``held@3600``: the beginning of a text, whose rest comes after the seconds.

The argument names the size of the image.
"""

from __future__ import annotations

import asyncio
import sys

import replay
import sample_images

from chatkit_images import testing

DELTA = b"event: response.output_text.delta"


async def prepared(size: str) -> dict[str, list[bytes]]:
    """Return the answers, one chunk for each event."""
    line = testing.Text("Here you are.", chunk=7)
    text = await sample_images.spoken("held", testing.Text("lorem " * 200, chunk=6))
    began = next(n for n, chunk in enumerate(text) if chunk.startswith(DELTA)) + 1
    return {
        "image": await sample_images.answer(size),
        "line": await sample_images.spoken("line", line),
        # So long that ``Replay`` waits before it, as before an image.
        "held": [*text[:began], b"".join(text[began:])],
    }


async def main() -> None:
    """Serve until the process is ended, after a line with the base URL."""
    answers = replay.Replay(await prepared(sys.argv[1]))
    server = await asyncio.start_server(answers, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
