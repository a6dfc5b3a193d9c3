"""Somebody at a project's servers: a browser, or a program with a token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.client import message
from tests.servers.browsing import PATIENT

Event = dict[str, Any]
# What a proxy before the servers of a project is called.
HOST = "shop.example"


@dataclass
class Stream:
    """An open stream.

    Attributes:
        response: Its response.
        run: Id of the run.
        last: Number of the last event that came.
    """

    response: httpx2.Response
    run: str
    last: str = ""

    def __post_init__(self) -> None:
        self._lines = self.response.iter_lines()

    def events(self) -> Iterator[Event]:
        """Yield the events as they come."""
        for line in self._lines:
            if line.startswith("id: "):
                self.last = line.removeprefix("id: ")
            elif line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


class Person:
    """Somebody who uses a project: with a session, or with the headers of a token.

    Args:
        name: Who.
        headers: What each of the person's requests has.
        prefix: Path of the chat endpoint.
        script: What a proxy takes off the paths.
    """

    def __init__(
        self, name: str, headers: dict[str, str], prefix: str, script: str
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.script = script
        headers = {"Host": HOST} | headers
        self.host = headers["Host"]
        self.client = httpx2.Client(headers=headers, **PATIENT)

    def login(self, server: str) -> None:
        """Log in with the form of the project; who has a token need not."""
        if "Authorization" in self.client.headers:
            return
        form = self.get(server, "/accounts/login/")
        assert form.status_code == 200, form.text
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
        fields = {"csrfmiddlewaretoken": token, "password": self.name}
        fields["username"] = f"{self.name}@shop.example"
        done = self.client.post(f"{server}/accounts/login/", data=fields)
        assert done.status_code == 302, (done.status_code, done.text[:2000])
        token = self.client.cookies["csrftoken"]
        if "Origin" in self.client.headers:
            # A page at another origin cannot read the cookie.
            token = self.get(server, f"{self.prefix}csrf/").json()["csrfToken"]
        self.client.headers["X-CSRFToken"] = token

    def get(self, server: str, url: str) -> httpx2.Response:
        """Open a path, or a URL as the project tells it."""
        parts = urlsplit(url)
        if parts.netloc:
            assert f"{parts.scheme}://{parts.netloc}" == f"http://{self.host}", url
            assert parts.path.startswith(self.script), url
        path = parts.path.removeprefix(self.script)
        query = f"?{parts.query}" if parts.query else ""
        return self.client.get(f"{server}{path}{query}")

    def image(self, server: str, url: str) -> bytes:
        """Return the bytes of an image, which must open without a cookie or token."""
        with Person(self.name, {"Host": self.host}, self.prefix, self.script) as frame:
            answer = frame.get(server, url)
        assert answer.status_code == 200, (url, answer.status_code, answer.text[:500])
        kind = answer.headers["Content-Type"]
        assert kind.startswith("image/"), (url, kind)
        return answer.content

    def ask(self, server: str, op: str, **params: Any) -> httpx2.Response:
        """Send an operation and return the whole answer."""
        body = {"type": op, "params": params}
        return self.client.post(f"{server}{self.prefix}", json=body)

    def call(self, server: str, op: str, **params: Any) -> Any:
        """Return the JSON that an operation is answered with."""
        answer = self.ask(server, op, **params)
        assert answer.status_code == 200, (op, answer.status_code, answer.text[:2000])
        return answer.json()

    @contextmanager
    def say(
        self, server: str, text: str, thread: str = "", attachments: Any = ()
    ) -> Iterator[Stream]:
        """Open the stream of a message, as a client that can resume."""
        params: dict[str, Any] = {"input": message(text, attachments)}
        op = "threads.create"
        if thread:
            op, params["thread_id"] = "threads.add_user_message", thread
        with self._stream(
            "POST",
            f"{server}{self.prefix}",
            json={"type": op, "params": params},
            headers={"ChatKit-Resume": "1"},
        ) as stream:
            yield stream

    @contextmanager
    def follow(self, server: str, run: str, last: str) -> Iterator[Stream]:
        """Open the stream of a run, behind an event."""
        url = f"{server}{self.prefix}runs/{run}/events/"
        with self._stream("GET", url, headers={"Last-Event-ID": last}) as stream:
            yield stream

    @contextmanager
    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Stream]:
        with self.client.stream(*args, **kwargs) as response:
            if response.status_code != 200:
                text = response.read().decode()
                raise AssertionError(f"{response.status_code} {text[:2000]}")
            yield Stream(response, response.headers["ChatKit-Run"])

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *args: Any) -> None:
        self.client.close()
