"""Images that are elsewhere are read by turns of those for whom they are read."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI

from chatkit_images.agents import container_files
from chatkit_images.context import RequestContext
from chatkit_images.contexts import working_for
from chatkit_images.fetching import fetch_image
from chatkit_images.fetching.reads import Reads
from tests.test_fetching import PNG, hosting, response

Reading = Coroutine[Any, Any, bytes]


def reading_for(
    context: RequestContext, read: Callable[[], Reading], count: int
) -> list[asyncio.Task[bytes]]:
    with working_for(context):
        return [asyncio.ensure_future(read()) for _ in range(count)]


async def test_slow_urls_of_one_person_leave_places_to_others(
    context: RequestContext, foreign: RequestContext
) -> None:
    async with hosting() as host:
        host.answers = {"/held": response(), "/a.png": response()}

        async def slow() -> bytes:
            return await fetch_image(host.url("/held"), allowed_hosts=[host.name])

        async def fast() -> bytes:
            url = host.url("/a.png")
            return await fetch_image(url, allowed_hosts=[host.name], timeout=5)

        held = reading_for(context, slow, 20)
        while len(host.requests) < 4:
            await asyncio.sleep(0)
        found = await asyncio.gather(*reading_for(foreign, fast, 5))
        assert found == [PNG] * 5
        assert Counter(each.split()[1] for each in host.requests)["/held"] == 4
        # Whoever waits in vain, or not any more, keeps no place.
        for task in held[2:]:
            task.cancel()
        await asyncio.wait(held[2:])
        host.opened.set()
        assert await asyncio.gather(*held[:2]) == [PNG, PNG]
        assert await asyncio.gather(*reading_for(context, fast, 9)) == [PNG] * 9


async def test_slow_name_servers_of_one_person_leave_threads_to_others(
    context: RequestContext, foreign: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, released, look_up = [], threading.Event(), socket.getaddrinfo

    def slow(host: Any, port: Any, **options: Any) -> Any:
        if host == "slow.example":
            asked.append(host)
            assert released.wait(60)
            return []
        return look_up(host, port, **options)

    async def read() -> bytes:
        return await fetch_image("https://slow.example/a.png")

    async with hosting() as host:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        host.answers = {"/a.png": response()}
        url = host.url("/a.png")
        held = reading_for(context, read, 20)
        while len(asked) < 4:
            await asyncio.sleep(0)
        # Nobody can end a look-up that nobody waits for any more.
        for task in held:
            task.cancel()
        await asyncio.wait(held)
        held = reading_for(context, read, 20)
        for _ in range(50):
            await asyncio.sleep(0)
        with working_for(foreign):
            found = fetch_image(url, allowed_hosts=[host.name], timeout=5)
            assert await found == PNG
        assert len(asked) == 4
        released.set()
        await asyncio.wait(held)
    assert len(asked) == 24


class Container:
    """Has every file, and gives none until it is opened.

    Attributes:
        asked: How many files are asked for.
        opened: Set when it gives them.
    """

    def __init__(self) -> None:
        self.asked, self.opened = 0, asyncio.Event()
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))
        self._client = AsyncOpenAI(api_key="k", http_client=http)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        await self.opened.wait()
        return httpx2.Response(200, content=PNG)

    async def read(self) -> bytes:
        return await container_files.read(self._client, "cntr_1", "cfile_1")

    async def asked_for(self, least: int) -> int:
        """Return how many files are asked for when everybody has had the time to."""
        while self.asked < least:  # The client's first request asks a thread.
            await asyncio.sleep(0)
        for _ in range(300):
            await asyncio.sleep(0)
        return self.asked


async def test_files_in_containers_have_one_bound_in_a_process(
    context: RequestContext, foreign: RequestContext
) -> None:
    container = Container()
    tasks = reading_for(context, container.read, 12)
    assert await container.asked_for(4) == 4
    tasks += reading_for(foreign, container.read, 12)
    assert await container.asked_for(8) == 8
    container.opened.set()
    assert await asyncio.gather(*tasks) == [PNG] * 24


async def test_images_elsewhere_do_not_wait_for_files_in_containers(
    context: RequestContext, foreign: RequestContext
) -> None:
    container = Container()
    tasks = [
        task
        for whose in (context, foreign)
        for task in reading_for(whose, container.read, 12)
    ]
    assert await container.asked_for(8) == 8
    async with hosting() as host:
        host.answers = {"/a.png": response()}
        url = host.url("/a.png")
        assert await fetch_image(url, allowed_hosts=[host.name], timeout=5) == PNG
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_everybody_has_their_turn() -> None:
    reads, order = Reads(at_once=1, share=1), []

    async def read(name: str) -> None:
        async with reads.turn(name[0]):
            order.append(name)

    async with reads.turn("a"):
        names = ["a1", "a2", "a3", "b1", "b2", "c1", "d1"]
        tasks = [asyncio.ensure_future(read(name)) for name in names]
        await asyncio.sleep(0)
        tasks[-1].cancel()
    await asyncio.wait(tasks)
    # Those who wait longest go first; who has had a turn waits for all others.
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_event_loops_share_the_places() -> None:
    reads, inside, begun = Reads(at_once=1, share=1), [], threading.Event()

    async def read(name: str) -> None:
        begun.set()
        async with reads.turn(name):
            inside.append(name)

    async def main() -> None:
        async with reads.turn("main"):
            thread.start()
            assert await asyncio.to_thread(begun.wait, 60)
            inside.append("main")

    thread = threading.Thread(target=asyncio.run, args=(read("other"),))
    asyncio.run(main())
    thread.join(60)
    assert inside == ["main", "other"]
