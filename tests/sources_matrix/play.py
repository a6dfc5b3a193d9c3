"""A person, a server of one source, and the rows that both leave."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from chatkit_images.testing import LoopbackAPI
from tests.client import URL, thread_id
from tests.faults.browsing import Browser
from tests.faults.following import kinds
from tests.faults.world import Process, World
from tests.providers.case import comparable, is_empty, later
from tests.providers.person import JSON, Turn, texts
from tests.servers.browsing import until

from .gates import FileGate
from .sources import End, Scene, Source

SHOWN = "generated_image.updated"
TUNING = {
    "RUN_STALE_SECONDS": 0.5,
    "HEARTBEAT_SECONDS": 0.1,
    "RECONNECT_SECONDS": 0.1,
    # URLs of one test are equal, whenever it runs.
    "URL_WINDOW": 10**9,
}


@dataclass
class Reading:
    """An answer that is read in a thread of its own."""

    answer: Iterator[JSON]
    events: list[JSON] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for event in self.answer:
            self.events.append(event)

    def seen(self, kind: str) -> JSON:
        """Return the first event of a type, or of an update's, when it has come."""
        return until(lambda: self._found(kind), what=kind)

    def _found(self, kind: str) -> JSON:
        return next((event for event in self.events if kind in kinds(event)), {})

    @property
    def key(self) -> str:
        """The thread in which it is."""
        self.seen("thread.created")
        return thread_id(self.events)

    def turn(self) -> Turn:
        """Return the answer when it has ended."""
        self._thread.join(60)
        assert not self._thread.is_alive(), self.events
        return Turn(self.events)


@dataclass
class Play:
    """One source in a world of its own."""

    world: World
    model: LoopbackAPI
    source: Source

    @contextmanager
    def server(self, **settings: Any) -> Iterator[Process]:
        """Run the source's server."""
        given: dict[str, Any] = {"SERVER": self.source.server, "TUNING": TUNING}
        with self.world.server(**(given | self.source.settings | settings)) as server:
            try:
                yield server
            finally:
                # A program that waits goes on, and ends with its parent.
                FileGate(self.world.folder).open()

    def browser(self, server: Process) -> Browser:
        """Return Ann's browser at a server."""
        return Browser(server.url, self.world.cookies)

    def scene(self, *, held: bool = False) -> Scene:
        """Return what test and source share."""
        scene = Scene(self.model, self.world.folder)
        scene.gate = self.source.gate(scene) if held else None
        return scene

    def turn(self, browser: Browser, end: End = "image") -> tuple[str, Turn]:
        """Ask for an image; return the thread and the whole answer."""
        scene = self.scene()
        self.source.plan(scene, end)
        events = list(self.source.ask(browser, scene))
        return thread_id(events), Turn(events)

    def held(self, browser: Browser) -> tuple[Reading, Scene]:
        """Ask for an image, and return while it is being made."""
        scene = self.scene(held=True)
        self.source.plan(scene)
        reading = Reading(self.source.ask(browser, scene))
        scene.reached()
        if self.source.previews:
            reading.seen(SHOWN)
        return reading, scene

    def rows(self) -> list[tuple[str, str]]:
        """Return status and source of each image, oldest first."""
        return self.select(
            "SELECT status, source FROM chatkit_images_generatedimage"
            " ORDER BY created_at"
        )

    def runs(self) -> list[str]:
        """Return the status of each run."""
        return [
            status
            for (status,) in self.select(
                "SELECT status FROM chatkit_images_run ORDER BY created_at"
            )
        ]

    def select(self, sql: str) -> list[Any]:
        """Return rows of the world's database, written by whichever process."""
        with closing(sqlite3.connect(self.world.database, 20)) as connection:
            return connection.execute(sql).fetchall()

    def make_staff(self) -> None:
        """Let Ann into the admin."""
        with closing(sqlite3.connect(self.world.database, 20)) as connection:
            connection.execute("UPDATE auth_user SET is_staff = 1, is_superuser = 1")
            connection.commit()

    def ended(self, *status: str) -> None:
        """Wait until every run has ended, and check how the last one has."""
        until(lambda: "running" not in self.runs(), what="the end of the run")
        assert self.runs()[-1] in status, self.runs()

    def check_reload(self, browser: Browser, key: str, turn: Turn) -> list[JSON]:
        """Check that a reload shows what was seen live; return its items."""
        assert turn.open == set(), turn.events
        items = self.items(browser, key)
        # By their ids: a client sorts items by their times, as a reload does.
        again = {item["id"]: comparable(item) for item in later(items)}
        live = {item["id"]: comparable(item) for item in turn.items.values()}
        said = {key for key, item in live.items() if item["type"] == "user_message"}
        if not self.source.replies:
            # What was said before the page followed.
            again = {key: again[key] for key in live if key in again}
        assert again == {key: live[key] for key in live.keys() - said}
        assert not any(is_empty(item) for item in again.values()), again
        return items

    def items(self, browser: Browser, key: str) -> list[JSON]:
        """Return the items of a thread after a reload, oldest first."""
        page = browser.call("items.list", thread_id=key, order="asc", limit=100)
        found: list[JSON] = page["data"]
        return found

    def stop(self, browser: Browser, key: str) -> None:
        """Press stop."""
        assert browser.post(f"{URL}threads/{key}/stop/").json() == {"stopped": True}


def images(items: Any) -> list[JSON]:
    """Return the images among items."""
    return [item for item in items if item["type"] == "generated_image"]


def words(items: Any) -> str:
    """Return all that the answers among items say."""
    return "\n".join(texts(items))
