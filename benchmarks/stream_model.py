"""A model server for streams: long texts, images that take a while, silence.

Like ``replay.py`` it is a process of its own that replays prepared bytes. A request's
model is the name of an answer and what it takes seconds for, as in ``image@5``:

- ``text``: a text of ``DELTAS`` deltas.
- ``image``: two lines of text around a small image, which takes the seconds.
- ``held``: the beginning of a text, then nothing for as long as the client stays.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

import replay
import sample_images

from chatkit_images import testing

DELTAS, LETTERS = 2_000, 5
# What a socket takes at once.
BLOCK = 16 * 2**10
ADDED = b"event: response.output_item.added"
DELTA = b"event: response.output_text.delta"


class Answers:
    """Answers every request in two parts, with a pause between them."""

    def __init__(self, answers: dict[str, tuple[list[bytes], list[bytes]]]) -> None:
        self._answers = {
            name: (blocks(before), blocks(after))
            for name, (before, after) in answers.items()
        }

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                model = await replay.requested_model(reader)
                name, _, seconds = model.partition("@")
                before, after = self._answers[name]
                writer.write(replay.HEAD)
                await send(writer, before)
                await asyncio.sleep(float(seconds or 0))
                await send(writer, [*after, b"0\r\n\r\n"])
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client has what it wanted.
        finally:
            writer.close()


async def send(writer: StreamWriter, chunks: list[bytes]) -> None:
    """Write chunks as fast as the socket takes them."""
    for chunk in chunks:
        writer.write(chunk)
        await writer.drain()


def blocks(chunks: list[bytes]) -> list[bytes]:
    """Return events in few pieces, so that this server takes little of the cores."""
    joined: list[bytes] = [b""]
    for chunk in chunks:
        if len(joined[-1]) > BLOCK:
            joined.append(b"")
        joined[-1] += chunk
    return [replay.framed(block) for block in joined if block]


async def prepared() -> dict[str, tuple[list[bytes], list[bytes]]]:
    """Return the answers, in the part before the pause and the part after it."""
    words = testing.Text("lorem " * (DELTAS * LETTERS // 6 + 1), chunk=LETTERS)
    text = await sample_images.spoken("text", words)
    line = testing.Text("Here you are.", chunk=7)
    small = testing.Image(data=sample_images.noise("tiny"), partials=0)
    image = await sample_images.spoken("image", line, small, line)
    # The model works at the image from its announcement on: the second item.
    added = [place for place, chunk in enumerate(image) if chunk.startswith(ADDED)]
    started = next(n for n, chunk in enumerate(text) if chunk.startswith(DELTA)) + 2
    return {
        "text": (text, []),
        "image": (image[: added[1] + 1], image[added[1] + 1 :]),
        "held": (text[:started], []),
    }


async def main() -> None:
    """Serve until the process is ended, after a line with the base URL."""
    answers = Answers(await prepared())
    server = await asyncio.start_server(answers, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
