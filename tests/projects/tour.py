"""What the steps of a project share."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from chatkit_images.testing import LoopbackAPI
from tests.client import done_items, of_type

from .kinds import Environment, Kind
from .person import Event, Person
from .processes import Processes
from .project import Project


class Tour:
    """A project on its way through the steps.

    Attributes:
        ann: Who chats.
        bob: Somebody else: of another team or tenant, if there are some.
        daphne: URL of the server whose door is Django's view.
        uvicorn: URL of the one whose door is the consumer.
        threads: Ids of threads, by what they were made for.
        image_url: URL of an image of Ann's.
        held: What is left when the project has ended.
    """

    ann: Person
    bob: Person
    staff: Person
    daphne: str
    uvicorn: str
    image_url: str

    def __init__(
        self,
        kind: Kind,
        directory: Path,
        processes: Processes,
        environment: Environment,
        api: LoopbackAPI,
        held: ExitStack,
    ) -> None:
        self.kind = kind
        self.environment = environment
        self.project = Project(kind, directory, processes, environment)
        self.api = api
        self.held = held
        self.people: dict[str, Person] = {}
        self.threads: dict[str, str] = {}

    def __getattr__(self, name: str) -> NoReturn:
        # An earlier step makes it.
        raise AssertionError(f"not reached: there is no {name}")

    def thread(self, name: str) -> str:
        """Return the id of a thread that an earlier step has made."""
        assert name in self.threads, f"not reached: there is no {name} thread"
        return self.threads[name]

    def items(self, person: Person, server: str, thread: str) -> list[Event]:
        """Return the items of a thread, as a reload shows them."""
        answer = person.ask(server, "threads.get_by_id", thread_id=thread)
        assert answer.status_code == 200, answer.text[:2000]
        assert "base64" not in answer.text
        found: list[Event] = answer.json()["items"]["data"]
        for item in found:
            check_time(item["created_at"])
        return found


def check_time(text: str) -> None:
    """Fail if a time is not now, or does not say in which zone."""
    told = datetime.datetime.fromisoformat(text)
    assert told.tzinfo is not None, f"{text} has no offset"
    age = datetime.datetime.now(datetime.UTC) - told
    assert abs(age) < datetime.timedelta(minutes=10), f"{text} is {age} ago"


def check_end(events: list[Event]) -> None:
    """Fail if a stream told of an error."""
    assert of_type(events, "error", "stream.error") == [], events[-1]


def image_of(events: list[Event]) -> dict[str, Any]:
    """Return the one image that a stream has finished."""
    (item,) = done_items(events, "generated_image")
    found: dict[str, Any] = item["image"]
    return found


def previews(events: Iterable[Event]) -> list[str]:
    """Return the URLs of the previews in a stream."""
    return [
        event["update"]["image"]["url"]
        for event in of_type(list(events), "thread.item.updated")
        if event["update"]["type"] == "generated_image.updated"
    ]
