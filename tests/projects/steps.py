"""The steps of a project's life, in their order."""

from __future__ import annotations

import re
from collections.abc import Callable

from . import chats, threads, upkeep
from .kinds import headers_of
from .person import Person
from .tour import Tour

DAPHNE = ("daphne", "-b", "127.0.0.1", "-p")
UVICORN = ("uvicorn", "--lifespan", "off", "--host", "127.0.0.1", "--port")
WHERE = "import chatkit_images; print(chatkit_images.__file__)"


def install(tour: Tour) -> None:
    """A project begins; the app comes from its wheel, not from its repository."""
    tour.project.make()
    where = tour.project.run("-c", WHERE)
    assert "site-packages" in where, where


def check(tour: Tour) -> None:
    """``check`` has nothing to say, or only what cannot be helped."""
    aliases = [word for name in tour.kind.aliases for word in ("--database", name)]
    said = tour.project.manage("check", *aliases)
    ids = set(re.findall(r"\((\w+\.[CEW]\d+)\)", said))
    assert ids <= tour.kind.warnings, said


def migrate(tour: Tour) -> None:
    """The tables are made, and no migration of the app is missing."""
    if (tour.project.directory / "shop" / "models.py").exists():
        tour.project.manage("makemigrations", "shop")
    tour.project.manage("makemigrations", "--check", "--dry-run")
    for command in tour.kind.migrations:
        tour.project.manage(*command)


def login(tour: Tour) -> None:
    """Two servers start on the project, one for each door, and people log in."""
    kind, project = tour.kind, tour.project
    headers = headers_of(project.manage("people"))
    kind.late(tour.environment)
    enter = tour.held.enter_context
    tour.daphne = enter(project.serve(*DAPHNE, of="shop.asgi:application"))
    tour.uvicorn = enter(project.serve(*UVICORN, of="shop.channels:application"))
    for name, own in headers.items():
        person = enter(Person(name, own, kind.prefix, kind.script))
        person.login(tour.daphne)
        tour.people[name] = person
    tour.ann, tour.bob = tour.people["ann"], tour.people["bob"]
    tour.staff = tour.people["staff"]


STEPS: dict[str, Callable[[Tour], None]] = {
    "install": install,
    "check": check,
    "migrate": migrate,
    "login": login,
    "view": chats.at_the_view,
    "consumer": chats.at_the_consumer,
    "follow-up": chats.follow_up,
    "reload": threads.reload,
    "resume": chats.resume,
    "stop": chats.stop,
    "upload": chats.upload,
    "changes": threads.change,
    "isolation": threads.isolate,
    "commands": upkeep.commands,
    "gallery": upkeep.gallery,
    "logs": upkeep.logs,
}
