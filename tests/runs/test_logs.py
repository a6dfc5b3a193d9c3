"""The log of a run: one suite for the log in memory and the one in Redis."""

from __future__ import annotations

import asyncio
import datetime
import json
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from django.utils import timezone

from chatkit_images.models import Run
from chatkit_images.runs.log import MemoryLog, MemoryLogs
from chatkit_images.runs.log.chunks import Chunks
from chatkit_images.runs.log.seals import NOTE, wants_seals
from tests import services
from tests.faults.pipe import pipe
from tests.tuning import tuned

URL = services.REDIS_URL


def shared(url: str = URL) -> MemoryLogs:
    """Return logs that are shared by a Redis, or skip for want of its client."""
    redis = pytest.importorskip("chatkit_images.runs.log.redis", exc_type=ImportError)
    logs: MemoryLogs = redis.RedisLogs(url)
    return logs


async def forget(run_id: uuid.UUID, *, digest: bool = True) -> None:
    """Let Redis lose a log. Others work at this server: only what is ours goes."""
    from redis.asyncio import Redis

    from chatkit_images.runs.log.publisher import keys

    async with Redis.from_url(URL) as client:
        await client.delete(*keys(run_id)[: 1 + digest])


def chunk(number: int) -> bytes:
    return b'data: {"type":"notice","level":"info","message":"%d"}\n\n' % number


def numbers(batches: list[Any]) -> list[int]:
    return [number for batch in batches for number, _ in batch]


async def read(log: MemoryLog, after: int = 0) -> list[Any]:
    return [batch async for batch in log.read(after)]


class Pair:
    """The logs of the process of a run, and those of the process of a reader."""

    def __init__(
        self, writer: MemoryLogs, reader: MemoryLogs, run_id: uuid.UUID | None = None
    ) -> None:
        self.writer = writer
        self.reader = reader
        self.run_id = run_id or uuid.uuid4()
        self.log = writer.create(self.run_id)

    def append(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.log.append(chunk(number))

    async def open(self) -> MemoryLog:
        """Return the reader's log, which may need a moment to be there."""
        async with asyncio.timeout(30):
            while (log := await self.reader.open(self.run_id)) is None:
                await asyncio.sleep(0.01)
        return log

    async def reach(self, log: MemoryLog, number: int) -> None:
        async with asyncio.timeout(30):
            async for batch in log.read():
                if batch and batch[-1][0] >= number:
                    return


@pytest.fixture(params=["memory", "redis"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "memory":
        logs = MemoryLogs()
        yield Pair(logs, logs)
        return
    services.redis()
    writer, reader = shared(), shared()
    pair = Pair(writer, reader)
    yield pair
    await forget(pair.run_id)
    await writer.aclose()
    await reader.aclose()


async def test_readers_get_everything_from_the_first(pair: Pair) -> None:
    pair.append(1, 2)
    log = await pair.open()
    early = asyncio.create_task(read(log))
    await asyncio.sleep(0)
    pair.append(3, 4)
    await pair.reach(log, 4)
    late = asyncio.create_task(read(log))
    pair.append(5, 5)
    pair.writer.close(pair.run_id)
    async with asyncio.timeout(30):
        for batches in (await early, await late, await read(log)):
            assert numbers(batches) == [1, 2, 3, 4, 5]
            assert b"".join(c for b in batches for _, c in b) == b"".join(
                chunk(number) for number in range(1, 6)
            )
    assert log.complete


@pytest.mark.parametrize("after", range(7))
async def test_a_reader_goes_on_behind_any_number(pair: Pair, after: int) -> None:
    pair.append(1, 6)
    pair.writer.close(pair.run_id)
    log = await pair.open()
    async with asyncio.timeout(30):
        assert numbers(await read(log, after)) == list(range(after + 1, 7))


async def test_a_number_that_never_was_is_none(pair: Pair) -> None:
    pair.append(1, 3)
    pair.writer.close(pair.run_id)
    log = await pair.open()
    async with asyncio.timeout(30):
        assert numbers(await read(log, 99)) == [1, 2, 3]


async def test_what_is_trimmed_comes_as_a_digest(pair: Pair, settings: Any) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_LOG_BYTES=2000)
    text = message_events(300)
    for event in text[:150]:
        pair.log.append(event)
        await asyncio.sleep(0)
    log = await pair.open()
    await pair.reach(log, 150)
    for event in text[150:]:
        pair.log.append(event)
        await asyncio.sleep(0)
    pair.writer.close(pair.run_id)
    async with asyncio.timeout(30):
        for after in (0, 20):
            batches = await read(log, after)
            assert shown(batches) == "x" * 299
            assert len(numbers(batches)) < 60
        assert numbers(await read(log, 299)) == [300]
        fresh = await pair.open()
        assert shown(await read(fresh)) == "x" * 299


async def test_joining_shows_what_there_is_then_the_rest(pair: Pair) -> None:
    for event in message_events(40):
        pair.log.append(event)
    log = await pair.open()
    await pair.reach(log, 40)
    stream = log.batches(0, True, None)
    first = await anext(stream)
    assert numbers([first])[-1] == 40
    assert len(first) == 1
    assert shown([first]) == "x" * 39
    pair.append(41, 42)
    pair.writer.close(pair.run_id)
    async with asyncio.timeout(30):
        assert numbers([batch async for batch in stream]) == [41, 42]


async def test_silence_is_told(pair: Pair) -> None:
    pair.append(1, 1)
    log = await pair.open()
    stream = log.read(1, idle=0.02)
    assert [await anext(stream) for _ in range(3)] == [[], [], []]
    await stream.aclose()
    assert log.readers == 0


async def test_an_unknown_log_is_not_there(pair: Pair) -> None:
    assert await pair.reader.open(uuid.uuid4()) is None


async def test_a_log_is_forgotten_after_its_time(pair: Pair, settings: Any) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_LOG_SECONDS=0.05)
    pair.append(1, 1)
    log = await pair.open()
    # The reader listens by now: Redis forgets the end as soon as the rest.
    pair.append(2, 2)
    await pair.reach(log, 2)
    pair.writer.close(pair.run_id)
    assert numbers(await read(log)) == [1, 2]
    async with asyncio.timeout(30):
        while await pair.reader.open(pair.run_id) is not None:
            await asyncio.sleep(0.1)


async def test_a_slow_reader_does_not_hold_the_log(settings: Any) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_LOG_BYTES=4000)
    log = MemoryLog()
    stream = log.read()
    events = message_events(1000)
    log.append(events[0])
    await anext(stream)
    for event in events[1:]:
        log.append(event)
    log.close()
    assert sum(len(c) for c in log._chunks.kept) <= 4000
    rest = [batch async for batch in stream]
    assert shown(rest) == "x" * 999


async def test_a_copy_that_is_behind_its_reader_catches_up() -> None:
    log = MemoryLog(is_copy=True)
    log.append(chunk(1))
    reader = asyncio.create_task(read(log, 3))
    await asyncio.sleep(0)
    for number in range(2, 6):
        log.append(chunk(number))
        await asyncio.sleep(0)
    log.close()
    assert numbers(await reader) == [4, 5]
    assert numbers(await read(log, 99)) == [1, 2, 3, 4, 5]


@pytest.mark.row("S17")
async def test_chunks_that_come_fast_come_together() -> None:
    log = MemoryLog()
    reading = asyncio.create_task(read(log))
    for number in range(1, 101):
        log.append(chunk(number))
        # Each time the reader has its turn, however little time has passed.
        for _ in range(3):
            await asyncio.sleep(0)
    log.close()
    batches = await reading
    assert numbers(batches) == list(range(1, 101))
    assert len(batches[0]) == 1  # The first one was not held back.
    assert len(batches) < 50


async def test_the_end_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkit_images.runs.log.memory.BATCH_SECONDS", 60)
    log = MemoryLog()
    reading = asyncio.create_task(read(log))
    for number in (1, 2):
        await asyncio.sleep(0.01)
        log.append(chunk(number))
    await asyncio.sleep(0.01)
    log.close()
    async with asyncio.timeout(30):
        assert [len(batch) for batch in await reading] == [1, 1]


async def test_an_item_that_is_done_is_not_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatkit_images.runs.log.memory.BATCH_SECONDS", 60)
    log = MemoryLog()
    reading = asyncio.create_task(read(log))
    done = b'data: {"type":"thread.item.done"}\n\n'
    for one in (chunk(1), chunk(2), chunk(3), done, chunk(5), done, chunk(7)):
        await asyncio.sleep(0.01)
        log.append(one)
    log.close()
    async with asyncio.timeout(30):
        assert [len(batch) for batch in await reading] == [1, 3, 2, 1]


@pytest.mark.parametrize("goes_on", [True, False])
async def test_what_redis_forgets_is_told_again(goes_on: bool) -> None:
    services.redis()
    writer, reader = shared(), shared()
    pair = Pair(writer, reader)
    try:
        pair.append(1, 5)
        log = await pair.open()
        await pair.reach(log, 5)
        await forget(pair.run_id)
        if goes_on:
            pair.append(6, 8)
            fresh = await pair.open()
            async with asyncio.timeout(30):
                await pair.reach(log, 8)
                await pair.reach(fresh, 8)
        writer.close(pair.run_id)
        async with asyncio.timeout(30):
            assert numbers(await read(log))[-1] == log.last
        assert log.complete
    finally:
        await writer.aclose()
        await reader.aclose()


async def test_a_stream_that_redis_evicts_without_its_digest_is_told_again(
    settings: Any,
) -> None:
    services.redis()
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_LOG_BYTES=2000)
    writer, reader, late = shared(), shared(), shared()
    pair = Pair(writer, reader)
    text = message_events(300)
    try:
        for event in text[:150]:
            pair.log.append(event)
            await asyncio.sleep(0)
        log = await pair.open()
        await pair.reach(log, 150)
        await forget(pair.run_id, digest=False)
        pair.log.append(text[150])
        async with asyncio.timeout(30):
            await pair.reach(log, 151)
            # Who comes only now.
            while (fresh := await late.open(pair.run_id)) is None:
                await asyncio.sleep(0.01)
            await pair.reach(fresh, 151)
        for event in text[151:]:
            pair.log.append(event)
        writer.close(pair.run_id)
        async with asyncio.timeout(30):
            for told in (log, fresh):
                assert shown(await read(told)) == "x" * 299
        assert log.complete
    finally:
        for logs in (writer, reader, late):
            await logs.aclose()


@pytest.mark.parametrize("after", [0, 3])
async def test_who_comes_before_the_first_entry_gets_them_all(after: int) -> None:
    services.redis()
    writer, reader = shared(), shared()
    run_id = uuid.uuid4()
    try:
        log = await reader.open(run_id, running=True)
        assert log is not None
        reading = asyncio.create_task(read(log, after))
        await asyncio.sleep(0.1)
        pair = Pair(writer, reader, run_id)
        pair.append(1, 3)
        await pair.reach(log, 3)
        assert await reader.open(run_id) is log
        pair.append(4, 5)
        writer.close(run_id)
        async with asyncio.timeout(30):
            assert numbers(await reading) == list(range(after + 1, 6))
        assert log.complete
        await forget(run_id)
    finally:
        await writer.aclose()
        await reader.aclose()


@pytest.mark.row("S17")
async def test_who_comes_while_redis_is_away_reads_when_it_is_back() -> None:
    host = services.redis().split("/")[2].rpartition("@")[2]
    writer = shared()
    with pipe(int(host.partition(":")[2] or 6379)) as wire:
        reader = shared(f"redis://127.0.0.1:{wire.port}/0")
        wire.cut()
        pair = Pair(writer, reader)
        pair.append(1, 3)
        try:
            assert await reader.open(pair.run_id) is None
            log = await reader.open(pair.run_id, running=True)
            assert log is not None
            wire.mend()
            await pair.reach(log, 3)
            await forget(pair.run_id)
        finally:
            await writer.aclose()
            await reader.aclose()


async def test_a_copy_that_is_given_up_tells_nothing_twice() -> None:
    log = MemoryLog(is_copy=True)
    log.append(chunk(1))
    reader = asyncio.create_task(read(log, 3))
    await asyncio.sleep(0)
    log.close(complete=False)
    assert numbers(await reader) == []
    assert numbers(await read(log, 3)) == []


@pytest.mark.row("S17")
async def test_without_redis_the_run_goes_on() -> None:
    logs = shared("redis://127.0.0.1:1/0")
    run_id = uuid.uuid4()
    log = logs.create(run_id)
    log.append(chunk(1))
    await asyncio.sleep(0.05)
    log.append(chunk(2))
    logs.close(run_id)
    assert numbers(await read(log)) == [1, 2]
    assert await logs.open(uuid.uuid4()) is None
    await logs.aclose()


# What the docstrings promise


def check(chunks: Chunks, text: list[bytes]) -> None:
    """Fail if an invariant of ``Chunks`` does not hold.

    Args:
        chunks: The chunks of a log.
        text: All chunks that it was given.
    """
    assert chunks.last == len(text)
    assert chunks.kept == text[chunks.first - 1 :]
    assert chunks.size == sum(map(len, chunks.kept)) <= 2000
    assert chunks.first - 1 <= chunks.digested <= chunks.last
    digested = chunks.digested
    batch = chunks.digest()
    assert chunks.digested == digested
    assert shown([batch]) == "x" * max(digested - 1, 0)
    assert [number for number, _ in batch] == ([digested] if digested else [])


@pytest.mark.parametrize("seed", range(10))
def test_no_chunk_is_neither_kept_nor_in_the_digest(seed: int, settings: Any) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_LOG_BYTES=2000)
    chance, chunks, events = random.Random(seed), Chunks(), message_events(200)
    text: list[bytes] = []
    for event in events:
        chunks.append(event)
        text.append(event)
        check(chunks, text)
        match chance.randrange(8):
            case 0:
                chunks.digest(chance.randint(0, chunks.last))
            case 1:
                # As a copy does for which entries are missing.
                digest = chunks.digest(chunks.last)
                chunks.restart(chunks.last, [chunk for _, chunk in digest])
        check(chunks, text)
    for position in range(len(text)):
        found = chunks.after(position) if not chunks.lack(position) else []
        expected = list(range(position + 1, len(text) + 1))
        assert [number for number, _ in found] == (found and expected)
        assert bool(found) == (position + 1 >= chunks.first)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("is_copy", [False, True])
async def test_no_reader_gets_a_chunk_twice_or_misses_one(
    is_copy: bool, seed: int, settings: Any
) -> None:
    settings.CHATKIT_IMAGES = tuned(settings.CHATKIT_IMAGES, RUN_LOG_BYTES=2000)
    chance, log, events = random.Random(seed), MemoryLog(is_copy=is_copy), 120
    reading: list[tuple[int, asyncio.Task[list[Any]]]] = []
    for event in message_events(events):
        if chance.random() < 0.1:
            # Some have a number that the log has yet to reach, or never will.
            after = chance.randint(0, log.last + 5)
            known = after if is_copy or after <= log.last else 0
            reading.append((known, asyncio.create_task(read(log, after))))
            await asyncio.sleep(0)
        log.append(event)
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
    log.close()
    async with asyncio.timeout(30):
        for known, task in reading:
            told = numbers(await task)
            known = known if known <= events else 0
            # The number of a digest is that of the last chunk in it.
            assert told == sorted(set(told))
            assert all(number > known for number in told)
            assert (told or [known])[-1] == events
            if known == 0:
                assert shown(task.result()) == "x" * (events - 1)
    assert log.readers == 0


@pytest.mark.parametrize("complete", [False, True])
async def test_a_log_stays_as_it_was_closed(complete: bool) -> None:
    log = MemoryLog()
    assert not (log.closed or log.complete)
    log.close(complete)
    log.close(not complete)
    assert log.closed
    assert log.complete is complete
    assert await read(log, 99) == []


# What the events show


def message_events(count: int) -> list[bytes]:
    """Return the events of a message that grows by a letter with each."""
    item = {"id": "msg_1", "type": "assistant_message", "content": []}
    added = {"type": "thread.item.added", "item": item}
    delta = {
        "type": "thread.item.updated",
        "item_id": "msg_1",
        "update": {
            "type": "assistant_message.content_part.text_delta",
            "content_index": 0,
            "delta": "x",
        },
    }
    return [encode(added), *[encode(delta)] * (count - 1)]


def encode(event: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(event).encode()


def shown(batches: list[Any]) -> str:
    """Return the message that a client shows."""
    text = ""
    for batch in batches:
        for _, data in batch:
            event = json.loads(data.removeprefix(b"data: "))
            if event["type"] == "thread.item.added":
                text = "".join(part["text"] for part in event["item"]["content"])
            else:
                text += event["update"]["delta"]
    return text


Check = Callable[[], Awaitable[None]]


async def plant(run_id: uuid.UUID, kind: str) -> None:
    """Write something into a log that its process has not written."""
    from redis.asyncio import Redis

    from chatkit_images.runs.log.publisher import keys
    from chatkit_images.runs.log.seals import seal

    stream, digest = keys(run_id)
    evil = b'data: {"type":"notice","level":"info","message":"evil"}\n\n'
    sealed = seal(uuid.uuid4(), "chunk", 4, evil)
    planted: dict[str, tuple[str, Any]] = {
        "no seal": ("4-0", {"chunk": evil}),
        "seal of another run": ("4-0", {"chunk": evil, "seal": sealed}),
        "another number": (
            "5-0",
            {"chunk": evil, "seal": seal(run_id, "chunk", 4, evil)},
        ),
        "other bytes": (
            "4-0",
            {"chunk": evil, "seal": seal(run_id, "chunk", 4, b"good")},
        ),
        "an end": ("4-0", {"end": b"1"}),
        "a chunk as an end": (
            "4-0",
            {"end": b"1", "seal": seal(run_id, "chunk", 4, b"1")},
        ),
        "other fields": ("4-0", {"x": b"1"}),
        "a large number": ("18446744073709551615-18446744073709551615", {"x": b"1"}),
    }
    async with Redis.from_url(URL) as client:
        if kind in planted:
            number, fields = planted[kind]
            await client.xadd(stream, fields, id=number)
        else:
            told = {"number": 9, "chunks": [evil.decode()], "seal": "00" * 16}
            values = {"a digest": json.dumps(told), "no JSON": "{", "a list": "[]"}
            await client.set(digest, values[kind])
            await client.xtrim(stream, maxlen=0)


@pytest.mark.parametrize(
    "kind",
    [
        "no seal",
        "seal of another run",
        "another number",
        "other bytes",
        "an end",
        "a chunk as an end",
        "other fields",
        "a large number",
        "a digest",
        "no JSON",
        "a list",
    ],
)
async def test_what_others_have_written_to_redis_is_not_believed(kind: str) -> None:
    services.redis()
    writer, reader = shared(), shared()
    pair = Pair(writer, reader)
    pair.append(1, 3)
    # It has been published: another process has it.
    log = await pair.open()
    await pair.reach(log, 3)
    await reader.aclose()
    await plant(pair.run_id, kind)
    reader = shared()
    found = await reader.open(pair.run_id, running=True)
    assert found is not None
    batches = []
    with suppress(TimeoutError):
        async with asyncio.timeout(0.4):
            async for batch in found.read():
                batches.append(batch)
    assert not found.complete
    shown = b"".join(each for batch in batches for _, each in batch)
    assert b"evil" not in shown
    whole = kind not in ("a digest", "no JSON", "a list")
    assert numbers(batches) == ([1, 2, 3] if whole else [])
    await forget(pair.run_id)
    await writer.aclose()
    await reader.aclose()


@pytest.mark.parametrize(
    ("context", "age", "wanted"),
    [
        ({"owner": "user:1"} | NOTE, 0, True),
        ({"owner": "user:1"}, 0, False),
        (None, 0, False),
        # Redis has no logs of theirs any more.
        ({"owner": "user:1"}, 86400, True),
    ],
)
def test_only_a_run_of_a_version_before_needs_no_seals(
    context: Any, age: int, wanted: bool
) -> None:
    last = timezone.now() - datetime.timedelta(seconds=age)
    assert wants_seals(Run(context=context, heartbeat_at=last)) == wanted
    assert wants_seals(Run(context=context, finished_at=last)) == wanted
