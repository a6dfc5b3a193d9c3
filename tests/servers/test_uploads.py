"""Uploads that break off leave nothing, and may be sent again."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

import pytest

from chatkit_images.models import Attachment
from tests.client import URL
from tests.image_files import image_file

from .browsing import Browser, until
from .conftest import Server
from .wire import ask, connection, head, length

# Large enough to be sent in many pieces; what follows the image is cut off.
IMAGE = image_file("green", size=(64, 64)) + b"\0" * 300_000
BOUNDARY = "b" * 32
SHARES = [1, 50, 99]


def form(data: bytes) -> bytes:
    start = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=file; "
        'filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    return start.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def files(server: Server) -> list[str]:
    """Return every file that the server has kept."""
    roots = [server.log.parent / "media", server.log.parent / "spool"]
    return sorted(
        os.path.join(at, name)
        for root in roots
        for at, _, names in os.walk(root)
        for name in names
    )


def break_off(server: Server, data: bytes, size: int) -> None:
    """Send so much of a request, then nothing but a reset."""
    with connection(server) as wire:
        wire.sendall(data[:size])
        time.sleep(0.1)
        linger = struct.pack("ii", 1, 0)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@pytest.mark.row("S29")
@pytest.mark.parametrize("kind", ["direct", "announced"])
def test_an_upload_that_breaks_off_leaves_nothing_and_may_be_sent_again(
    browser: Browser, server: Server, own_media: None, kind: str
) -> None:
    before, spools = files(server), Path(server.log.parent)
    if kind == "direct":
        body = form(IMAGE)
        line, typed = f"POST {URL}attachments/ HTTP/1.1", "multipart/form-data"
        typed += f"; boundary={BOUNDARY}"
    else:
        params = {"name": "a.png", "size": len(IMAGE), "mime_type": "image/png"}
        announced = browser.call("attachments.create", **params)
        path = announced["upload_descriptor"]["url"].removeprefix(server.url)
        line, typed, body = f"POST {path} HTTP/1.1", "image/png", IMAGE
    start = head(browser, line, f"Content-Type: {typed}", length(body)) + b"\r\n"
    rows = list(Attachment.objects.values())
    for share in SHARES:
        break_off(server, start + body, len(start) + len(body) * share // 100)
        browser.call("threads.list")
        # The server may still be at what has come.
        until(lambda: not list(spools.rglob("*.upload*")), what="the end of uploads")
        # Nothing is announced that was not, and nothing is ready.
        assert list(Attachment.objects.values()) == rows
        assert files(server) == before
    assert [row["awaits_upload"] for row in rows] == [True] * len(rows)
    answer = ask(server, start + body)
    assert answer.status == 200, answer
    row = Attachment.objects.get()
    assert not row.awaits_upload
    assert row.sha256
    until(lambda: any(row.file.name in name for name in files(server)))
    # Once more is another file, or refused if it was announced.
    assert ask(server, start + body).status == (200 if kind == "direct" else 409)
    assert Attachment.objects.filter(awaits_upload=False).count() == (
        2 if kind == "direct" else 1
    )
