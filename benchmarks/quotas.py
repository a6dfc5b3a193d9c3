"""Count what is granted when two processes are asked for far more than is left."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
from neighbours_attacks import CHAT, asked, message
from neighbours_traffic import TOKEN
from stream_databases import Database, Databases
from stream_processes import line_of, spawn
from tables import print_table

LEFT, AT_ONCE, PATIENCE = 2, 50, 120
JSON = {"Content-Type": "application/json"}
HEADER = ["asked for", "limit", "database", "left", "used", "asked again", "got"]
Ask = Callable[[httpx2.AsyncClient, int], Awaitable[str]]


class Crowd:
    """One user who sends many requests at once, to several processes."""

    def __init__(self, ports: list[int], session: str) -> None:
        self._ports = ports
        self._cookies = f"sessionid={session}; csrftoken={TOKEN}"

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[Iterator[httpx2.AsyncClient]]:
        """Yield clients, in turn of each process."""
        headers = {"Cookie": self._cookies, "X-CSRFToken": TOKEN}
        async with (
            httpx2.AsyncClient(
                headers=headers, base_url=f"http://127.0.0.1:{self._ports[0]}"
            ) as one,
            httpx2.AsyncClient(
                headers=headers, base_url=f"http://127.0.0.1:{self._ports[1]}"
            ) as other,
        ):
            for client in (one, other):
                client.timeout = PATIENCE
            yield cycle((one, other))

    async def ask(self, ask: Ask) -> Counter[str]:
        """Ask ``AT_ONCE`` times at once, and count what was got."""
        async with self.clients() as clients:
            asking = (
                ask(client, n)
                for client, n in zip(clients, range(AT_ONCE), strict=False)
            )
            return Counter(await asyncio.gather(*asking))


async def read(client: httpx2.AsyncClient, body: bytes) -> str:
    """Send a request, and read its stream to the end."""
    headers = JSON
    response = await client.post(CHAT, content=body, headers=headers)
    return str(response.status_code)


async def threads(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    body = asked("threads.list", limit=100, order="desc")
    response = await client.post(CHAT, content=body, headers=JSON)
    found: list[dict[str, Any]] = response.json()["data"]
    return found


async def delete_all(crowd: Crowd) -> None:
    """Delete all threads and all files of the user."""
    async with crowd.clients() as clients:
        client = next(clients)
        for thread in await threads(client):
            await read(client, asked("threads.delete", thread_id=thread["id"]))


async def begin(client: httpx2.AsyncClient, number: int) -> str:
    return await read(client, message(f"image of a house {number}"))


def holding() -> Ask:
    """Return what asks for an answer, and reads it until all others are answered."""
    waiting = asyncio.Barrier(AT_ONCE)

    async def hold(client: httpx2.AsyncClient, number: int) -> str:
        body, headers = message(f"held {number}"), JSON
        async with client.stream("POST", CHAT, content=body, headers=headers) as got:
            await waiting.wait()
            return str(got.status_code)

    return hold


async def upload(client: httpx2.AsyncClient, number: int) -> str:
    files = {"file": ("a.txt", b"text", "text/plain")}
    response = await client.post("/chatkit/attachments/", files=files)
    return str(response.status_code)


async def announce(client: httpx2.AsyncClient, number: int) -> str:
    params = {"name": "a.txt", "size": 4, "mime_type": "text/plain"}
    return await read(client, asked("attachments.create", **params))


async def prepared(crowd: Crowd) -> Ask:
    """Make ten threads, five with an image, and return what asks in them."""
    async with crowd.clients() as clients:
        client = next(clients)
        for number in range(5):
            await read(client, message(f"image of {number}"))
            await read(client, message(f"hello {number}"))
        found = [(each["id"], each["title"]) for each in await threads(client)]
        drawn = [key for key, title in found if title.startswith("image")]
        silent = [key for key, title in found if not title.startswith("image")]
        items = {}
        for key in drawn:
            body = asked("items.list", thread_id=key, limit=5, order="asc")
            told = await client.post(CHAT, content=body, headers=JSON)
            items[key] = told.json()["data"][0]["id"]

    async def ask(client: httpx2.AsyncClient, number: int) -> str:
        if number % 2:
            key = silent[number % 5]
            more = json.loads(message(f"image of a cat {number}"))["params"]
            body = asked("threads.add_user_message", thread_id=key, **more)
        else:
            key = drawn[number % 5]
            body = asked("threads.retry_after_item", thread_id=key, item_id=items[key])
        return await read(client, body)

    return ask


@contextmanager
def servers(
    database: Database, url: str, limits: dict[str, int]
) -> Iterator[list[int]]:
    """Run two processes on one database, and yield their ports."""
    cell = database.cell | {
        "door": "view",
        "server": "uvicorn",
        "url": url,
        "cores": sorted(os.sched_getaffinity(0)),
        "memory": 10 * 2**30,
        "settings": {"LIMITS": limits},
    }
    with ExitStack() as stack:
        yield [
            int(line_of(stack.enter_context(spawn("neighbours_server.py", each))))
            for each in [json.dumps(cell)] * 2
        ]


async def used(crowd: Crowd, limit: str) -> int:
    """Return what the app says is used."""
    async with crowd.clients() as clients:
        told = (await next(clients).get("/chatkit/limits/")).json()
        return int(told["limits"][limit]["used"])


async def measure(crowd: Crowd, name: str, limit: str, engine: str) -> list[str]:
    """Return the cells of a row."""
    before = 0
    if name == "runs at once":
        ask = holding()
    elif name == "retries and messages":
        ask = await prepared(crowd)
        before = await used(crowd, limit)
    else:
        ask = ASK[name]
    got = await crowd.ask(ask)
    granted, after = await used(crowd, limit) - before, "-"
    if limit in ("IMAGES_PER_DAY", "RUNS_PER_HOUR"):
        await delete_all(crowd)
        await crowd.ask(begin)
        after = str(await used(crowd, limit) - before)
    elif name == "runs at once":
        granted = got["200"]
    return [name, limit, engine, str(LEFT), str(granted), after, told(got)]


ASK: dict[str, Ask] = {"images": begin, "uploads": upload, "announced files": announce}
ROWS = {
    "images": ("IMAGES_PER_DAY", LEFT),
    "retries and messages": ("RUNS_PER_HOUR", 10 + LEFT),
    "runs at once": ("RUNS_AT_ONCE", LEFT),
    "uploads": ("ATTACHMENTS_WAITING", LEFT),
    "announced files": ("ATTACHMENTS_WAITING", LEFT),
}


def rows(databases: Databases, url: str, engine: str) -> Iterator[list[str]]:
    """Yield the rows of one kind of database."""
    for name, (limit, most) in ROWS.items():
        with (
            databases.new(engine) as database,
            servers(database, url, {limit: most}) as ports,
        ):
            crowd = Crowd(ports, database.session)
            yield asyncio.run(measure(crowd, name, limit, engine))


def told(got: Counter[str]) -> str:
    return " ".join(f"{code}:{number}" for code, number in sorted(got.items()))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--postgres", default="host=127.0.0.1 user=postgres dbname=postgres"
    )
    parser.add_argument(
        "--databases", nargs="+", default=["SQLite", "PostgreSQL"], metavar="NAME"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chatkit-images-benchmark-") as folder:
        databases = Databases(Path(folder), options.postgres)
        try:
            with spawn("neighbours_model.py", "tiny") as model:
                url = line_of(model)
                table = (
                    row
                    for engine in options.databases
                    for row in rows(databases, url, engine)
                )
                print_table(HEADER, table)
        finally:
            databases.close()


if __name__ == "__main__":
    main()
