"""The sources of images, and how each is told what to do."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx2

from chatkit_images.testing import (
    ErrorEvent,
    FailedImage,
    Gate,
    HTTPError,
    Image,
    LoopbackAPI,
    Raw,
    Text,
    ToolCall,
)
from tests.client import URL, message, thread_id
from tests.faults.browsing import Browser
from tests.image_files import image_file
from tests.servers.browsing import events_of, until

from .gates import PLAN, FileGate

JSON = dict[str, Any]
End = Literal["image", "failure", "block"]
FINAL, PREVIEW = image_file("green", size=(640, 480)), image_file("red")
PROMPT = "a meadow"
# A provider that fails, and says that trying again is of no use.
BROKEN = HTTPError(500, headers={"x-should-retry": "false"})


@dataclass
class Scene:
    """What a test and a source share.

    Attributes:
        model: The loopback model.
        folder: The world's, where processes read their plan.
        gate: What holds the image behind its preview, if it is held.
        begin: What holds all of it until somebody follows it.
    """

    model: LoopbackAPI
    folder: Path
    gate: Gate | FileGate | None = None
    begin: Gate = field(default_factory=Gate)

    def step(self, end: End) -> Any:
        """Return the step of an image for the loopback model."""
        if end == "block":
            return FailedImage()
        gate = self.gate if isinstance(self.gate, Gate) else None
        return Image(partials=1, data=FINAL, preview=PREVIEW, gate=gate)

    def reached(self) -> None:
        """Wait until the image is held."""
        if isinstance(self.gate, Gate):
            assert self.gate.reached.wait(60), "the gate was not reached"
        elif self.gate is not None:
            until(self.gate.reached.exists, what="the gate")

    def open(self) -> None:
        """Let the image come."""
        assert self.gate is not None
        self.gate.open()


@dataclass(frozen=True)
class Source:
    """A way to make an image.

    Attributes:
        server: The project's server.
        kept_as: ``GeneratedImage.source`` of its images.
        previews: Whether it has any.
        shown: Whether an image is open while it is made.
        replies: Whether the agent says something behind it.
        settings: More of ``CHATKIT_IMAGES``.
        absent: Events that cannot happen, and why.
    """

    server: str
    kept_as: str
    previews: bool = True
    shown: bool = True
    replies: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def gate(self, scene: Scene) -> Gate | FileGate:
        """Return what can hold an image of this source."""
        return Gate()

    def plan(self, scene: Scene, end: End = "image") -> None:
        """Say what happens in the next turn."""
        raise NotImplementedError

    def ask(self, browser: Browser, scene: Scene) -> Iterator[JSON]:
        """Ask for an image in a new thread, and yield the events of the answer."""
        return browser.events("threads.create", input=message("Draw a meadow."))


class Hosted(Source):
    """OpenAI's tool: the reference."""

    def plan(self, scene: Scene, end: End = "image") -> None:
        step = Image(partials=1, result=False) if end == "failure" else scene.step(end)
        scene.model.respond_with(step, Text("Done."))


class ImagesAPI(Source):
    """A function tool that asks OpenAI's Images API with its client."""

    def plan(self, scene: Scene, end: End = "image") -> None:
        self.call(scene)
        step = BROKEN if end == "failure" else scene.step(end)
        scene.model.images.respond_with(step)

    def call(self, scene: Scene) -> None:
        """Let the model call the tool, and then say something."""
        scene.model.respond_with(ToolCall("generate", {"prompt": PROMPT}))
        scene.model.respond_with(Text("Done."))


class Gemini(ImagesAPI):
    """A function tool that asks Gemini with Google's client."""

    def plan(self, scene: Scene, end: End = "image") -> None:
        self.call(scene)
        step = HTTPError(400) if end == "failure" else scene.step(end)
        scene.model.gemini.respond_with(step)


class InProcess(ImagesAPI):
    """A function tool whose image is made in the server's process, or in a child."""

    def gate(self, scene: Scene) -> Gate | FileGate:
        return FileGate(scene.folder)

    def plan(self, scene: Scene, end: End = "image") -> None:
        self.call(scene)
        told = {"end": end, "held": scene.gate is not None}
        (scene.folder / PLAN).write_text(json.dumps(told))


class Plain(Source):
    """Plain code, whose run a page follows as it does that of another tab."""

    def plan(self, scene: Scene, end: End = "image") -> None:
        steps = [scene.step(end)]
        if end == "failure":
            steps = [Image(partials=1, preview=PREVIEW, finish=False), ErrorEvent()]
        scene.model.images.respond_with(scene.begin, *steps)

    def ask(self, browser: Browser, scene: Scene) -> Iterator[JSON]:
        scene.model.respond_with(Text("Hello."))
        begun = browser.say("Hello.")
        yield begun[0]
        key = thread_id(begun)
        params = {"thread_id": key, "action": {"type": "draw", "payload": None}}
        body = {"type": "threads.sync_custom_action", "params": params}
        pool = ThreadPoolExecutor(1)
        # It is answered when the code is through, which the page does not wait for.
        work = pool.submit(browser.post, URL, json=body)
        pool.shutdown(wait=False)
        # Where the server dies, the stream ends.
        with suppress(httpx2.TransportError):
            while not work.done():
                with browser.stream("GET", f"{URL}threads/{key}/events/") as response:
                    if response.status_code == 200:
                        scene.begin.open()
                        yield from events_of(response.iter_lines())
                        return


class Code(Source):
    """Code interpreter: its images are in the output of its call."""

    def plan(self, scene: Scene, end: End = "image") -> None:
        url = f"data:image/png;base64,{base64.b64encode(FINAL).decode()}"
        outputs = [] if end == "failure" else [{"type": "image", "url": url}]
        item = {
            "id": "ci_1",
            "type": "code_interpreter_call",
            "status": "in_progress",
            "code": "plot()",
            "container_id": "cntr_1",
            "outputs": None,
        }
        ended = item | {
            "status": "failed" if end == "failure" else "completed",
            "outputs": outputs,
        }
        added = {"type": "response.output_item.added", "output_index": 0, "item": item}
        done = {"type": "response.output_item.done", "output_index": 0, "item": ended}
        held = [scene.gate] if isinstance(scene.gate, Gate) else []
        scene.model.respond_with(Raw(added), *held, Raw(done), Text("Done."))
