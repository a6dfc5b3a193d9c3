"""The steps of an answer that send nothing, the same for each API."""

from __future__ import annotations

import asyncio

from .script import ConnectionDropped, Drop, Gate, Wait

PAUSES = (Gate, Wait, Drop)


async def pause(step: Gate | Wait | Drop) -> None:
    """Wait as a step says.

    Raises:
        ConnectionDropped: If it ends the connection.
    """
    if isinstance(step, Gate):
        await step.wait()
    elif isinstance(step, Wait):
        await asyncio.sleep(step.seconds)
    else:
        raise ConnectionDropped
