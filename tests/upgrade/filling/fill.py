"""Fills a database, a storage and a Redis, by the code that is on the path.

``make_fixture.py`` runs it in the tree of a revision; it knows that revision's names
only. It ends as a process that is killed, in the middle of two runs.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "filler_settings"
django.setup()

import answers  # noqa: E402
import dumping  # noqa: E402
import images  # noqa: E402
import items  # noqa: E402
from asgiref.sync import sync_to_async  # noqa: E402
from chatkit import types  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models.functions import Now  # noqa: E402
from django.utils import timezone  # noqa: E402
from people import Person, reach  # noqa: E402

from chatkit_images import models, storage  # noqa: E402
from chatkit_images.testing import Gate, Image, LoopbackAPI, serve  # noqa: E402
from tests.client import message  # noqa: E402

# For longer than a run may be silent, and than a file may be nobody's.
SILENT = datetime.timedelta(minutes=10)
OLD = datetime.timedelta(days=3)


async def fill(api: LoopbackAPI) -> dict[str, Any]:
    """Chat, and return what is known of it."""
    people = {name: Person(api) for name in ("ann", "bob", "visitor")}
    ann, bob, visitor = people.values()
    for name in ("ann", "bob"):
        await people[name].aforce_login(await User.objects.aget(username=name))
    told = await images.formats(ann)
    await images.ends(ann)
    await images.retried(ann)
    await images.parallel(ann)
    await images.locked(ann, types.LockedStatus(reason="Paid until May."))
    await images.locked(ann, types.ClosedStatus())
    every = await items.every_type(ann)
    await items.waiting(ann)
    await items.attached(ann)
    folded = await items.long(ann)
    strange = await visitor.begin("", "a strange cat", images.LOOK, Image(partials=0))
    await items.upload(visitor, "cat.txt", b"It is striped.")
    await feedback(ann, every, "positive")
    await feedback(visitor, strange, "positive")
    gone = await ann.begin("Deleted", "a mistake", images.LOOK, Image(partials=0))
    await ann.call("threads.delete", thread_id=gone)
    await sync_to_async(leave_behind)()
    dead, followed = [
        await hold(person, click)
        for person, click in ((ann, "click-1"), (bob, "click-2"))
    ]
    # Last: whatever is written next would move along what is in the spool.
    spooled = await images.spooled(bob)
    await feedback(bob, spooled, "negative")
    await sync_to_async(age)(dead, followed)
    said = {name: await answers.threads(each) for name, each in people.items()}
    return {
        "sessions": {
            name: each.cookies["sessionid"].value for name, each in people.items()
        },
        "logs": [str(await newest(key)) for key in (told, folded, dead, followed)],
        "answers": said,
        "images": await shown(people),
    }


async def shown(people: dict[str, Person]) -> dict[str, Any]:
    """Return what the owner of each image gets of it."""
    users = {"user:1": "ann", "user:2": "bob"}
    owners = models.GeneratedImage.objects.values_list("pk", "thread__owner")
    return {
        str(pk): await answers.image(people[users.get(owner, "visitor")], pk)
        async for pk, owner in owners.order_by("pk")
    }


async def feedback(person: Person, key: str, kind: str) -> None:
    """Give a thumb to every image of a thread."""
    page = await person.call("items.list", thread_id=key, limit=100)
    shown = [each["id"] for each in page["data"] if each["type"] == "generated_image"]
    await person.call("items.feedback", thread_id=key, item_ids=shown, kind=kind)


async def newest(key: str) -> Any:
    """Return the id of the newest run of a thread."""
    run = await models.Run.objects.filter(thread_id=key).order_by("created_at").alast()
    assert run is not None
    return run.pk


def leave_behind() -> None:
    """Leave what a crash leaves: a deletion that is noted only, a file of nobody's."""
    storage.drain()
    names = [storage.new_name("images", "png") for _ in range(2)]
    for name in names:
        storage.store(name, images.square("PNG", "grey"))
    models.DeletedFile.objects.create(name=names[0])
    then = (timezone.now() - OLD).timestamp()
    os.utime(settings.MEDIA_ROOT / names[1], (then, then))


async def hold(person: Person, click: str) -> str:
    """Begin an image that this process does not live to see, and read its preview."""
    gate = Gate()
    person.model.reset()
    person.model.respond_with(images.LOOK, Image(partials=1, gate=gate), images.MORE)
    params = {"input": message("one that takes its time")}
    headers = {"ChatKit-Resume": "1", "Idempotency-Key": click}
    response = await person.request_op("threads.create", params, headers=headers)
    HELD.append(response)
    run = await models.Run.objects.aget(idempotency_key=click)
    await reach(gate, run=run)
    assert run.thread_id is not None
    return str(run.thread_id)


# Nobody lets go of a stream that is open.
HELD: list[Any] = []


def age(dead: str, followed: str) -> None:
    """Let one run be silent for long, and the other be read by another process."""
    running = models.Run.objects.filter(status="running")
    running.filter(thread=dead).update(heartbeat_at=Now() - SILENT)
    running.filter(thread=followed).update(followed_at=Now())


def main() -> None:
    """Fill, write down, and die."""
    call_command("migrate", verbosity=0)
    for name in ("ann", "bob"):
        User.objects.create_user(name, f"{name}@example.com", name)
    User.objects.create_superuser("root", "root@example.com", "root")
    target, revision = sys.argv[1:]
    api = LoopbackAPI(max_side=64)
    # Runs note the host; which one made the fixture is nobody's business.
    with serve(api) as url, patch("socket.gethostname", return_value="shop"):
        settings.LOOPBACK_URL = url

        async def run() -> None:
            known = {"revision": revision, **await fill(api)}
            await sync_to_async(dumping.dump)(Path(target), known)
            # As a kill would: no run is told of its end.
            os._exit(0)

        asyncio.run(run())


if __name__ == "__main__":
    main()
