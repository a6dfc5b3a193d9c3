"""Readers that leave, do not read, read slowly or wait: no trouble but their own."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2
import pytest

from chatkit_images.models import Run
from chatkit_images.testing import Gate, Image, LoopbackAPI, Text
from tests.client import URL, message
from tests.docs.pages import ROOT
from tests.faults.pipe import pipe

from .acting import RESUME, acting, new_thread, numbers, request_of
from .browsing import PATIENT, Browser, until
from .conftest import CLOSE_SECONDS, Server
from .wire import KIND, connection, head, length

MIB = 2**20
PAGE = " ".join((ROOT / "docs" / "operations.md").read_text().split())
HELLO = {"input": message("Hello")}
# Within this a server notices that somebody has left, however busy the machine is.
NOTICED = 10


def readers(server: Server) -> int:
    return server.probe()["readers"]


@contextmanager
def drawing(
    browser: Browser, model: LoopbackAPI, server: Server
) -> Iterator[tuple[Gate, Run]]:
    """Hold an image in the middle; the run of it goes on without a reader."""
    gate = Gate()
    model.respond_with(Image(partials=1, gate=gate), Text("Done."))
    with browser.open("threads.create", **HELLO):
        assert gate.reached.wait(30)
        until(lambda: Run.objects.get().images.filter(partials__isnull=False).exists())
        yield gate, Run.objects.get()


@pytest.mark.row("S04")
@pytest.mark.parametrize("way", ["closes", "breaks off"])
def test_a_reader_that_leaves_is_noticed_while_the_server_is_busy(
    browser: Browser, server: Server, model: LoopbackAPI, way: str
) -> None:
    key = new_thread(browser)
    until(lambda: server.probe()["runs"] == 0)
    stay = [new_thread(browser) for _ in range(4)]
    busy = {"count": 6000, "size": 20, "delay": 0.002}
    with ExitStack() as stack:
        # Others talk all the time: what they say fits into the buffers of a system.
        for other in stay:
            body = json.dumps(request_of(other, "lines", **busy)).encode()
            wire = stack.enter_context(connection(server))
            line = f"POST {URL} HTTP/1.1"
            wire.sendall(head(browser, line, KIND, length(body)) + b"\r\n" + body)
            assert wire.recv(12) == b"HTTP/1.1 200"
        with acting(browser, key, "lines", **busy) as response:
            lines = numbers(response.iter_lines())
            assert next(lines) == 0
            assert readers(server) == 5
            if way == "breaks off":
                wire = response.extensions["network_stream"].get_extra_info("socket")
                wire.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
        until(lambda: readers(server) == 4, NOTICED, "the end of the reader")
        # The others are still at it.
        assert server.probe()["runs"] >= 4
        for other in (*stay, key):
            browser.post(f"/chatkit/threads/{other}/stop/")
        until(lambda: not Run.objects.running().exists())


@pytest.mark.row("S04")
def test_a_reader_that_leaves_a_silent_run_is_noticed(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    with drawing(browser, model, server) as (gate, _):
        assert readers(server) == 1
    until(lambda: readers(server) == 0, NOTICED, "the end of the reader")
    assert server.probe()["runs"] == 1
    gate.open()


@pytest.mark.row("S05")
@pytest.mark.parametrize("process", ["daphne-view", "daphne-consumer"], indirect=True)
def test_a_run_outlives_what_the_server_leaves_its_request(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    """Daphne ends what goes on for CLOSE_SECONDS after its client has left."""
    with drawing(browser, model, server) as (gate, run):
        pass
    # It looks each second.
    time.sleep(CLOSE_SECONDS + 1.2)
    run.refresh_from_db()
    assert run.status == "running"
    gate.open()
    until(lambda: not Run.objects.running().exists())
    run.refresh_from_db()
    assert run.status == "completed"
    assert run.images.get().status == "completed"


@contextmanager
def deaf(browser: Browser, server: Server, path: str) -> Iterator[socket.socket]:
    """Ask for a stream and read its first bytes, no more."""
    with connection(server) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.sendall(head(browser, f"GET {path} HTTP/1.1") + b"\r\n")
        assert wire.recv(12) == b"HTTP/1.1 200"
        yield wire


@pytest.mark.row("S07")
def test_readers_that_do_not_read_cost_a_bounded_memory(
    browser: Browser, server: Server
) -> None:
    """Under Daphne the bound is what is sent: it takes all that it is given."""
    count = 20 if server.name == "uvicorn" else 5
    # The log keeps 1 MiB of it, the digest the newest line.
    lines = {"count": 64, "size": MIB // 4, "delay": 0.01}
    sent = lines["count"] * lines["size"]
    key = new_thread(browser)
    begun = until(lambda: server.probe()["runs"] == 0) and server.memory()
    with (
        ExitStack() as stack,
        acting(browser, key, "lines", **lines) as response,
    ):
        run = response.headers["ChatKit-Run"]
        path = f"/chatkit/runs/{run}/events/"
        for _ in range(count):
            stack.enter_context(deaf(browser, server, path))
        seen = list(numbers(response.iter_lines()))
        # The run and who reads go on. One that falls behind does not get lines of
        # progress that are replaced by then.
        assert seen == sorted(set(seen))
        assert seen[-1] == lines["count"] - 1
        until(lambda: not Run.objects.running().exists())
        grown = server.memory() - begun
    assert Run.objects.get(pk=run).status == "completed"
    # What the run itself takes: its log, its digest, the lines on their way.
    own = 8 * MIB
    if server.name == "uvicorn":
        assert grown - own < count * MIB
    else:
        assert grown - own < count * sent * 1.2
    # Who comes back gets what the stream shows.
    with browser.stream("GET", path) as response:
        assert list(numbers(response.iter_lines()))[-1] == lines["count"] - 1
    until(lambda: server.probe()["tasks"] < 12, what="the end of the readers")


@pytest.mark.row("S07")
def test_what_a_reader_costs_that_does_not_read_is_documented() -> None:
    assert "less than 1 MiB of memory under uvicorn" in PAGE
    assert "Daphne takes all of a stream" in PAGE


@pytest.mark.row("S08")
def test_a_slow_reader_slows_nobody(browser: Browser, server: Server) -> None:
    # Less than a log keeps: who is only held up for a moment loses nothing.
    lines = {"count": 100, "size": 8 * 1024, "delay": 0.01}
    key = new_thread(browser)
    stop = threading.Event()
    taken: list[int] = []

    def trickle(wire: socket.socket) -> None:
        while not stop.wait(0.1) and (data := wire.recv(100)):
            taken.append(len(data))

    with acting(browser, key, "lines", **lines) as response:
        began = time.monotonic()
        path = f"/chatkit/runs/{response.headers['ChatKit-Run']}/events/"
        with deaf(browser, server, path) as wire:
            slow = threading.Thread(target=trickle, args=(wire,))
            slow.start()
            seen = list(numbers(response.iter_lines()))
            until(lambda: not Run.objects.running().exists())
            seconds = time.monotonic() - began
            until(lambda: taken)
            stop.set()
            slow.join(10)
    assert seen == list(range(lines["count"]))
    # It takes a second by itself, more than ten minutes for who reads so.
    assert seconds < 60
    assert 0 < sum(taken) < 100 * 1024


@pytest.mark.row("S26")
def test_a_silent_stream_lives_behind_a_proxy_that_cuts_idle_connections(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    """HEARTBEAT_SECONDS is 0.2 here, and a busy machine may be late with it."""
    idle, gate = 4.0, Gate()
    model.respond_with(gate, Text("Done."))
    gaps: list[float] = []
    port = int(server.url.rpartition(":")[2])
    with (
        pipe(port, idle) as wire,
        pipe(port, idle) as other,
        socket.create_connection(("127.0.0.1", other.port)) as silent,
        httpx2.Client(
            base_url=f"http://127.0.0.1:{wire.port}",
            cookies=browser.cookies,
            headers=browser.headers,
            **PATIENT,
        ) as client,
    ):
        body = {"type": "threads.create", "params": HELLO}
        with client.stream("POST", URL, json=body, headers=RESUME) as response:
            assert response.status_code == 200
            last = began = time.monotonic()
            text = ""
            for part in response.iter_text():
                now = time.monotonic()
                gaps.append(now - last)
                last, text = now, text + part
                if now - began > idle + 0.5:
                    gate.open()
        assert text.count(": keep-alive\n\n") >= 3
        assert '"text":"Done."' in text
        assert wire.cuts == 0
        # It would have cut a silent one.
        silent.settimeout(30)
        assert silent.recv(1) == b""
        assert other.cuts == 1
    assert max(gaps) < idle


@pytest.mark.row("O06")
def test_streams_that_wait_cost_no_thread_and_no_connection(
    browser: Browser, server: Server, model: LoopbackAPI
) -> None:
    """Those of Django's own handler cost a thread each, and no connection."""
    count = 200 if server.door == "consumer" else 40
    with drawing(browser, model, server) as (gate, run), ExitStack() as stack:
        path = f"/chatkit/runs/{run.pk}/events/"
        stack.enter_context(deaf(browser, server, path))
        time.sleep(0.3)
        threads, descriptors = server.threads, server.descriptors
        for _ in range(count):
            stack.enter_context(deaf(browser, server, path))
        until(lambda: readers(server) == count + 2)
        # Those of the requests go when these are through.
        most = threads + 4 + (0 if server.door == "consumer" else count)
        until(lambda: server.threads <= most, what="the end of the requests' threads")
        # One for each connection of a client, and none for the database.
        most_files = descriptors + count + 4
        until(lambda: server.descriptors <= most_files, what="the end of connections")
        gate.open()
    until(lambda: server.probe()["runs"] == 0)
    # A few stay that store images: their pools are filled at need.
    until(lambda: server.threads <= threads + 24, what="the end of the threads")
    until(lambda: server.descriptors <= descriptors + 4, what="the end of connections")


@pytest.mark.row("O06")
def test_what_a_stream_costs_that_waits_is_documented() -> None:
    assert "one thread for each stream" in PAGE
